"""The first three steps of a tenant: a channel, an employee, a message. How far they are is read from what is there;
kept is only what somebody decided, such as to connect a channel later.
"""

from dataclasses import dataclass
from typing import Final, Literal
from uuid import UUID

from sqlalchemy import exists
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct import audit
from konstruct.connecting import overview
from konstruct.connecting.overview import Seen
from konstruct.designs import drafting, publishing, starts
from konstruct.designs.drafting import Overtaken
from konstruct.errors import BadInput, Conflict
from konstruct.tables import Conversation, Employee, Message, Tenant

Step = Literal["channel", "employee", "message"]
STEPS: Final[tuple[Step, ...]] = ("channel", "employee", "message")

LONGEST_ABOUT: Final = 4_000
"""Characters that somebody may tell an employee of the business here; the designer takes more."""

_LATER: Final = "later"
_MADE: Final = "made"
"""The employee that was made so that a channel had somebody who answers, until people say what it is to be."""
_CLOSED: Final = "closed"


@dataclass(frozen=True)
class Progress:
    connection: Seen | None
    """The channel that was connected last, of those in use."""
    is_later: bool
    """A channel is to be connected another time; until then the employee is tried out in the portal."""
    employee: Employee | None
    """Who is talked to."""
    is_configured: bool
    is_answered: bool
    """Whether a message was answered where it is to be: on the channel, or in a rehearsal."""
    is_closed: bool

    @property
    def done(self) -> dict[Step, bool]:
        return {
            "channel": self.connection is not None or self.is_later,
            "employee": self.is_configured,
            "message": self.is_answered,
        }

    @property
    def current(self) -> Step | None:
        """The first that is to be done; None when all are."""
        return next((step for step in STEPS if not self.done[step]), None)

    @property
    def is_over(self) -> bool:
        """Nobody is to be led here any more."""
        return self.is_closed or self.current is None


async def progress(session: AsyncSession) -> Progress:
    """Of the session's tenant."""
    kept = (await session.scalars(select(Tenant.onboarding))).one()
    # One in trouble was connected all the same: what is to be done about it is Home's to say.
    channels = [seen for seen in await overview.every(session) if seen.kind != "console"]
    connected = [seen for seen in channels if seen.status != "disconnected"]
    connection = max(connected, key=lambda seen: seen.status_changed_at, default=None)
    employee = await _talked_to(session, connection)
    made = kept.get(_MADE)
    return Progress(
        connection=connection,
        is_later=bool(kept.get(_LATER)),
        employee=employee,
        is_configured=await _exists_configured(session, UUID(made) if made else None),
        is_answered=await _was_answered(session, connection),
        is_closed=bool(kept.get(_CLOSED)),
    )


async def _talked_to(session: AsyncSession, connection: Seen | None) -> Employee | None:
    query = select(Employee).where(col(Employee.archived_at).is_(None)).order_by(col(Employee.created_at))
    every = list(await session.scalars(query))
    serving = connection.employee.employee_id if connection is not None else None
    # Drafts that people have begun come last: they are theirs to publish.
    every.sort(key=lambda each: (each.id != serving, each.published_version == 0))
    return every[0] if every else None


async def _exists_configured(session: AsyncSession, made: UUID | None) -> bool:
    """Whether one is published that people wrote, rather than the one that was made for them as it was made."""
    query = select(Employee.id, Employee.published_version).where(
        col(Employee.archived_at).is_(None), col(Employee.published_version) > 0
    )
    return any(row.id != made or row.published_version > 1 for row in await session.execute(query))


async def _was_answered(session: AsyncSession, connection: Seen | None) -> bool:
    answer = select(Message.id).where(
        col(Message.direction) == "outbound",
        col(Message.author) == "employee",
        col(Message.purpose) == "reply",
        col(Message.state) == "sent",
    )
    if connection is not None:
        answer = answer.where(col(Message.connection_id) == connection.connection_id)
    else:
        rehearsed = select(Conversation.id).where(col(Conversation.is_rehearsal))
        answer = answer.where(col(Message.conversation_id).in_(rehearsed))
    return bool(await session.scalar(select(exists(answer))))


async def somebody(session: AsyncSession, tenant_id: UUID, *, actor: str) -> Employee:
    """Who is to answer on a channel that is being connected: an employee that is there, or one that is made and
    published from the first of the starting points, so that nobody who writes at once waits for the next step."""
    tenant = await _held(session)
    employee = await _talked_to(session, None)
    if employee is None or employee.published_version == 0:
        employee = await drafting.create(session, tenant_id, starts.STARTS[0].content(), actor=actor)
        tenant.onboarding = {**tenant.onboarding, _MADE: str(employee.id)}
        await _publish(session, employee.key, actor)
    return employee


async def configure(
    session: AsyncSession, tenant_id: UUID, *, start: str, name: str, about: str, actor: str
) -> Employee:
    """Makes the employee what is said here, and publishes it.

    Args:
        start: The starting point's key.
        name: What people see; the starting point's own where it is empty.
        about: What it should know of the business, in the words of whoever writes; may be empty.

    Raises:
        BadInput: there is no such starting point, or what was written cannot be used.
        Conflict: somebody has made it theirs meanwhile, or published another one.
    """
    chosen = starts.called(start)
    if chosen is None:
        raise BadInput("Choose what it is to do.")
    if len(about) > LONGEST_ABOUT:
        raise BadInput(f"That is more than {LONGEST_ABOUT:,} characters; the rest has room in the designer.")
    content = chosen.content()
    content["name"] = name.strip() or content["name"]
    if about.strip():
        content["system_prompt"] = f"{content['system_prompt']}\n\nAbout the business:\n{about.strip()}".strip()
    tenant = await _held(session)
    made = UUID(tenant.onboarding[_MADE]) if _MADE in tenant.onboarding else None
    if await _exists_configured(session, made):
        raise Conflict("Somebody has published it meanwhile; change it in the designer.")
    employee = await session.get(Employee, (tenant_id, made)) if made is not None else None
    if employee is None or employee.archived_at is not None:
        employee = await drafting.create(session, tenant_id, content, actor=actor)
    else:
        draft = await drafting.of(session, employee)
        if draft.is_open:
            raise Conflict("Somebody has begun to change it; publish that in the designer.")
        await drafting.save(session, employee.key, content, revision=draft.revision, actor=actor)
    await _publish(session, employee.key, actor)
    # What somebody decided to leave as it was made is theirs from now on, too.
    tenant.onboarding = {name: value for name, value in tenant.onboarding.items() if name != _MADE}
    return employee


async def _publish(session: AsyncSession, key: str, actor: str) -> None:
    draft = await drafting.read(session, key)
    if not draft.is_open:
        return
    published = await publishing.publish(
        session, key, revision=draft.revision, over=draft.published_version, actor=actor
    )
    if isinstance(published, Overtaken):
        raise Conflict("Somebody saved it meanwhile; look at it again.")


async def put_off_channel(session: AsyncSession, *, actor: str) -> None:
    """Goes on without one: the employee is tried out in the portal first."""
    await _decide(session, _LATER, actor, "onboarding.channel_put_off")


async def close(session: AsyncSession, *, actor: str) -> None:
    """Nobody is led to the steps any more; they can still be opened."""
    await _decide(session, _CLOSED, actor, "onboarding.closed")


async def _decide(session: AsyncSession, what: str, actor: str, action: str) -> None:
    tenant = await _held(session)
    if tenant.onboarding.get(what):
        return
    tenant.onboarding = {**tenant.onboarding, what: True}
    audit.record(session, tenant_id=tenant.id, actor=actor, action=action)


async def _held(session: AsyncSession) -> Tenant:
    # Two presses of a button make one employee. The weaker lock, which holds up no rows written of this tenant.
    query = select(Tenant).with_for_update(key_share=True)
    return (await session.scalars(query.execution_options(populate_existing=True))).one()
