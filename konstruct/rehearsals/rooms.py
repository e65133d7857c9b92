"""Where rehearsals take place: they are begun with a draft, talked in, and forgotten with all that was said."""

from typing import Final
from uuid import UUID

from sqlalchemy import delete, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select
from temporalio.client import Client

from konstruct import audit, contacts, inbox, temporal
from konstruct.connections import ConnectionRef
from konstruct.db import Database
from konstruct.designs.drafting import Draft
from konstruct.errors import BadInput, NotFound
from konstruct.identity import ConnectionId, TenantId, new_id
from konstruct.inbox import Accepted, Inbound
from konstruct.ports import Limiter
from konstruct.tables import Connection, Contact, Conversation, Employee, Rehearsal, RehearsedStep
from konstruct.tables.base import utc_now
from konstruct.vault import Vault

KIND: Final = "rehearsal"
"""Of connections, and what their one channel is called."""
KEPT_FOR_DAYS: Final = 7
"""After what was last said in any rehearsal of one person with one employee."""
LONGEST: Final = 8_000
"""Characters of what is said at once."""


async def latest(session: AsyncSession, employee_id: UUID, user_id: UUID) -> Rehearsal | None:
    """The one that this person is in, with this employee."""
    found: Rehearsal | None = await session.scalar(
        select(Rehearsal)
        .join(Contact, col(Contact.id) == col(Rehearsal.contact_id))
        .where(col(Rehearsal.employee_id) == employee_id, col(Contact.external_id) == str(user_id))
        .order_by(col(Rehearsal.created_at).desc())
        .limit(1)
    )
    return found


async def get(session: AsyncSession, conversation_id: UUID, user_id: UUID) -> Rehearsal:
    """Raises NotFound when this person has no such rehearsal, or it was forgotten."""
    found: Rehearsal | None = await session.scalar(
        select(Rehearsal)
        .join(Contact, col(Contact.id) == col(Rehearsal.contact_id))
        .where(col(Rehearsal.conversation_id) == conversation_id, col(Contact.external_id) == str(user_id))
    )
    if found is None:
        raise NotFound("This rehearsal is over. Load the page again to begin another one.")
    return found


async def start(
    session: AsyncSession, draft: Draft, *, user_id: UUID, acts: bool = False, actor: str | None = None
) -> Rehearsal:
    """Begins a new one with the draft as it is now; what was said in earlier ones is remembered in it. Raises NotFound
    when the session's tenant has no such employee.

    ``user_id``: whose it is, a person's or an API key's. ``actor``: who that is, where it is no person.
    """
    tenant_id = draft.tenant_id
    employee = await session.scalar(select(Employee).where(col(Employee.id) == draft.employee_id))
    if employee is None:
        raise NotFound("There is no such employee.")
    connection_id = await _room(session, employee)
    await session.execute(
        update(Connection)
        .where(col(Connection.id) == connection_id)
        .values(functions=await _functions(session, employee.id))
    )
    conversation = Conversation(
        tenant_id=tenant_id,
        connection_id=connection_id,
        contact_id=await _contact(session, tenant_id, connection_id, user_id),
        employee_id=employee.id,
        channel=KIND,
        root=str(new_id()),
        is_rehearsal=True,
    )
    session.add(conversation)
    # What refers to it has no relationship that says so.
    await session.flush()
    rehearsal = Rehearsal(
        tenant_id=tenant_id,
        conversation_id=conversation.id,
        employee_id=employee.id,
        contact_id=conversation.contact_id,
        draft_revision=draft.revision,
        content=draft.content,
        acts=acts,
    )
    session.add(rehearsal)
    audit.record(
        session,
        tenant_id=tenant_id,
        conversation_id=conversation.id,
        actor=actor or f"user:{user_id}",
        action="rehearsal.started",
        employee=employee.key,
        draft_revision=draft.revision,
        acts=acts,
    )
    await session.flush()
    return rehearsal


async def choose_acting(
    session: AsyncSession, rehearsal: Rehearsal, *, acts: bool, user_id: UUID, actor: str | None = None
) -> None:
    """Whether tools are really used from now on."""
    if rehearsal.acts == acts:
        return
    await session.execute(
        update(Rehearsal).where(col(Rehearsal.conversation_id) == rehearsal.conversation_id).values(acts=acts)
    )
    audit.record(
        session,
        tenant_id=rehearsal.tenant_id,
        conversation_id=rehearsal.conversation_id,
        actor=actor or f"user:{user_id}",
        action="rehearsal.acts" if acts else "rehearsal.simulates",
    )


async def say(
    database: Database,
    vault: Vault,
    limiter: Limiter,
    client: Client,
    rehearsal: Rehearsal,
    text: str,
    *,
    user_id: UUID,
    external_id: str = "",
) -> Accepted:
    """``external_id``: of this very message, which is taken once.

    Raises:
        BadInput: there is nothing to say, or too much.
        Unavailable: the database does not answer, or Temporal: then the message is kept, and a sweep brings it on.
    """
    if not text.strip():
        raise BadInput("Write something to try the draft out.")
    if len(text) > LONGEST:
        raise BadInput(f"That is too long: say at most {LONGEST:,} characters at once.")
    tenant_id = TenantId(rehearsal.tenant_id)
    async with database.tenant_session(tenant_id) as session:
        conversation = await session.get_one(Conversation, (tenant_id, rehearsal.conversation_id))
    connection = ConnectionRef(tenant_id, ConnectionId(conversation.connection_id))
    inbound = Inbound(
        KIND, conversation.root, external_id or str(new_id()), str(user_id), text.strip(), is_rehearsal=True
    )
    accepted = await inbox.accept(database, vault, limiter, connection, inbound)
    await temporal.notify(client, tenant_id, accepted)
    return accepted


async def forget(session: AsyncSession, tenant_id: UUID, contact_id: UUID, *, actor: str) -> list[UUID]:
    """All that one person said in rehearsals of an employee, what was answered, seen and remembered; what it cost stays
    in the ledger. Gives the conversations. Raises NotFound as ``contacts.erase`` does."""
    conversation_ids = list(
        await session.scalars(
            update(Rehearsal)
            .where(col(Rehearsal.contact_id) == contact_id)
            .values(content={})
            .returning(col(Rehearsal.conversation_id))
        )
    )
    if not conversation_ids:
        raise NotFound("There is no such rehearsal.")
    await session.execute(delete(RehearsedStep).where(col(RehearsedStep.conversation_id).in_(conversation_ids)))
    await contacts.erase(session, tenant_id, contact_id, actor=actor)
    return conversation_ids


async def forget_old(database: Database, at_most: int) -> int:
    """Those of all tenants that nobody has talked in for long; how many people's there were."""
    async with database.system_session() as session:
        found = (
            await session.execute(
                text("select * from rehearsals_to_forget(:days, :at_most)"),
                {"days": KEPT_FOR_DAYS, "at_most": at_most},
            )
        ).all()
    for tenant_id, contact_id in found:
        async with database.tenant_session(tenant_id) as session:
            await forget(session, tenant_id, contact_id, actor="sweep")
    return len(found)


async def _room(session: AsyncSession, employee: Employee) -> ConnectionId:
    """The employee's own connection for this; no tenant's file can name one so."""
    of_employee = select(Connection.id).where(col(Connection.kind) == KIND, col(Connection.account) == str(employee.id))
    found = await session.scalar(of_employee)
    if found is None:
        # Two people may be the first at once.
        await session.execute(
            insert(Connection)
            .values(
                tenant_id=employee.tenant_id,
                id=new_id(),
                key=f"{KIND}:{employee.key}",
                kind=KIND,
                account=str(employee.id),
                external={},
                functions=[],
                employee_id=employee.id,
                status="active",
                status_changed_at=utc_now(),
                created_at=utc_now(),
            )
            .on_conflict_do_nothing()
        )
        found = (await session.execute(of_employee)).scalar_one()
    return ConnectionId(found)


async def _functions(session: AsyncSession, employee_id: UUID) -> list[str]:
    """What it may be asked, if that is the same wherever it serves a whole connection."""
    served = await session.scalars(
        select(Connection.functions)
        .where(col(Connection.employee_id) == employee_id, col(Connection.kind) != KIND)
        .where(col(Connection.status) == "active")
    )
    found = list(served)
    return found[0] if found and all(each == found[0] for each in found) else []


async def _contact(session: AsyncSession, tenant_id: UUID, connection_id: UUID, user_id: UUID) -> UUID:
    of_user = select(Contact.id).where(
        col(Contact.connection_id) == connection_id, col(Contact.external_id) == str(user_id)
    )
    found = await session.scalar(of_user)
    if found is None:
        contact_id = new_id()
        await session.execute(
            insert(Contact)
            .values(
                tenant_id=tenant_id,
                id=contact_id,
                connection_id=connection_id,
                external_id=str(user_id),
                person_id=contact_id,
                created_at=utc_now(),
            )
            .on_conflict_do_nothing(index_elements=["tenant_id", "connection_id", "external_id"])
        )
        found = (await session.execute(of_user)).scalar_one()
    return found
