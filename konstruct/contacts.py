"""Contacts as people whom an operator can look up, join into one person, and erase for good."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from sqlalchemy import delete, func, or_, update
from sqlalchemy import text as sql
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select
from sqlmodel.sql.expression import SelectOfScalar

from konstruct import audit, memory, tenants, withdrawing
from konstruct.connections import ConnectionRef
from konstruct.db import Database, among
from konstruct.errors import BadInput, NotFound, Unavailable
from konstruct.files import keeping
from konstruct.identity import ConnectionId, TenantId
from konstruct.repeating import Gone
from konstruct.tables import (
    Connection,
    Contact,
    ContactAlias,
    ContactKey,
    ContactWord,
    Conversation,
    ConversationSummary,
    EarlyChange,
    Memory,
    Message,
    Rating,
)
from konstruct.tables.base import utc_now
from konstruct.vault import Vault
from konstruct.window import MESSAGE

SEALED_AT_ONCE: Final = 500


@dataclass(frozen=True)
class Found:
    contact_id: UUID
    connection: str
    kind: str
    external_id: str
    person_id: UUID


async def find(session: AsyncSession, named: str, connection: str | None = None) -> Found:
    """By our id or the channel's, as ``U123`` or, where two connections know it, with the connection's key.

    Raises:
        NotFound: there is no such contact, or it was erased.
        BadInput: several connections know the id.
    """
    query = (
        select(Contact, Connection)
        .join(Connection, col(Connection.id) == col(Contact.connection_id))
        .where(col(Contact.erased_at).is_(None))
    )
    try:
        query = query.where(or_(col(Contact.external_id) == named, col(Contact.id) == UUID(named)))
    except ValueError:
        query = query.where(col(Contact.external_id) == named)
    if connection is not None:
        query = query.where(col(Connection.key) == connection)
    rows = (await session.execute(query.order_by(col(Contact.created_at)))).all()
    if not rows:
        raise NotFound(f"There is no contact {named!r} here; one that was erased is not found any more.")
    if len(rows) > 1:
        keys = ", ".join(connection.key for _, connection in rows)
        raise BadInput(f"Several connections know {named!r}: say which one with --connection ({keys}).")
    contact, of = rows[0]
    return Found(contact.id, of.key, of.kind, contact.external_id, contact.person_id)


async def of_person(session: AsyncSession, person_id: UUID) -> list[Found]:
    """All contacts of one person, oldest first."""
    rows = await session.execute(
        select(Contact, Connection)
        .join(Connection, col(Connection.id) == col(Contact.connection_id))
        .where(col(Contact.person_id) == person_id)
        .order_by(col(Contact.created_at))
    )
    return [Found(contact.id, of.key, of.kind, contact.external_id, contact.person_id) for contact, of in rows]


async def join(session: AsyncSession, tenant_id: UUID, contact_id: UUID, other_id: UUID, *, actor: str) -> bool:
    """Says that two contacts are one person, who is remembered as one; False when they are that already.

    Raises NotFound when one of them is not the session's tenant's.
    """
    rows = {row.id: row for row in await session.scalars(_locked([contact_id, other_id]))}
    if len(rows) < len({contact_id, other_id}):
        raise NotFound("There is no such contact.")
    person, joined = rows[contact_id].person_id, rows[other_id].person_id
    if person == joined:
        return False
    await session.execute(update(Contact).where(col(Contact.person_id) == joined).values(person_id=person))
    audit.record(
        session,
        tenant_id=tenant_id,
        actor=actor,
        action="contact.joined",
        subject_id=contact_id,
        other=str(other_id),
    )
    return True


async def separate(session: AsyncSession, tenant_id: UUID, contact_id: UUID, *, actor: str) -> bool:
    """Says that a contact is a person of their own; False when they are that already. What was remembered of each was
    kept apart all along; a fact that one of them replaced of the other's stays replaced.

    Raises NotFound when the session's tenant has no such contact, or it was erased.
    """
    contact = (await session.scalars(_locked([contact_id]))).one_or_none()
    if contact is None or contact.erased_at is not None:
        raise NotFound("There is no such contact.")
    others = [each for each in await _contacts_of(session, contact.person_id) if each != contact_id]
    if not others:
        return False
    rows = {row.id: row for row in await session.scalars(_locked([contact_id, *others]))}
    if rows[contact_id].person_id != contact_id:
        rows[contact_id].person_id = contact_id
    else:
        # The others went by this contact's id: from now on by that of the first of them.
        for other in others:
            rows[other].person_id = min(others)
    audit.record(
        session,
        tenant_id=tenant_id,
        actor=actor,
        action="contact.separated",
        subject_id=contact_id,
        others=[str(each) for each in others],
    )
    return True


async def forget(
    session: AsyncSession, tenant_id: UUID, contact_id: UUID, facts: Sequence[UUID] | None, *, actor: str
) -> int:
    """No model is shown these facts again, nor what was said where they were learned; without any, nothing of all that
    was said until now. The record of what was said stays. Gives of how many messages that is.

    Raises NotFound when the session's tenant has no such contact, or it was erased.
    """
    there = select(col(Contact.id)).where(col(Contact.id) == contact_id, col(Contact.erased_at).is_(None))
    if await session.scalar(there) is None:
        raise NotFound("There is no such contact.")
    if facts is None:
        forgotten = await memory.forget_person(session, contact_id, until=utc_now())
    else:
        forgotten = await memory.forget(session, contact_id, memory_ids=facts)
    audit.record(
        session,
        tenant_id=tenant_id,
        actor=actor,
        action="contact.forgotten",
        subject_id=contact_id,
        messages=[str(message_id) for message_id in forgotten],
    )
    return len(forgotten)


def _locked(contact_ids: Sequence[UUID]) -> SelectOfScalar[Contact]:
    return select(Contact).where(col(Contact.id).in_(contact_ids)).order_by(col(Contact.id)).with_for_update()


@dataclass(frozen=True)
class Erased:
    contacts: int
    messages: int
    memories: int
    conversation_ids: list[UUID] = field(default_factory=list)
    """Whose windows in the cache are to be dropped."""
    external_ids: list[tuple[str, str]] = field(default_factory=list)
    """(channel kind, id there) of each, for what lies outside the tenant's tables."""
    said: list[Gone] = field(default_factory=list)
    """What a channel may bring once more."""


async def erase(session: AsyncSession, tenant_id: UUID, contact_id: UUID, *, actor: str) -> Erased:
    """Shreds all that is kept of a person: their contacts' keys, words, memories and names. What happened stays on
    record, without what was said; in a thread that others took part in, so do the others' own words.

    Raises NotFound when the session's tenant has no such contact, or it was erased before.
    """
    person = await session.scalar(
        select(col(Contact.person_id)).where(col(Contact.id) == contact_id, col(Contact.erased_at).is_(None))
    )
    if person is None:
        raise NotFound("There is no such contact.")
    contact_ids = await _contacts_of(session, person)
    theirs = col(Message.contact_id).in_(contact_ids)
    took_part = select(col(Message.conversation_id)).where(theirs)
    # Conversations before contacts, as everybody locks them.
    conversations = list(
        await session.scalars(
            select(Conversation)
            .where(or_(col(Conversation.contact_id).in_(contact_ids), col(Conversation.id).in_(took_part)))
            .order_by(col(Conversation.id))
            .with_for_update()
        )
    )
    contacts = list(await session.scalars(_locked(contact_ids)))
    if len(await _contacts_of(session, contacts[0].person_id)) != len(contacts):
        raise Unavailable("Another contact was joined to this one just now: try again.")
    conversation_ids = [conversation.id for conversation in conversations]
    await withdrawing.withdraw(session, contact_ids)
    others = await _where_others_talk(session, contact_ids, conversation_ids)
    said = await _said(session, tenant_id, contact_ids)
    messages = await _shred_messages(session, contact_ids, conversation_ids)
    await keeping.remove_of(session, messages)
    await keeping.hasten_removals(session, contact_ids)
    memories = [
        memory_id
        for which in (col(Memory.contact_id).in_(contact_ids), among(col(Memory.message_id), messages))
        for memory_id in await session.scalars(delete(Memory).where(which).returning(col(Memory.id)))
    ]
    await session.execute(
        delete(ConversationSummary).where(among(col(ConversationSummary.conversation_id), conversation_ids))
    )
    await session.execute(delete(Rating).where(col(Rating.contact_id).in_(contact_ids)))
    await session.execute(delete(ContactAlias).where(col(ContactAlias.contact_id).in_(contact_ids)))
    await session.execute(delete(EarlyChange).where(col(EarlyChange.contact_id).in_(contact_ids)))
    await session.execute(delete(ContactWord).where(col(ContactWord.contact_id).in_(contact_ids)))
    await session.execute(delete(ContactKey).where(col(ContactKey.contact_id).in_(contact_ids)))
    kinds = {connection.id: connection.kind for connection in await session.scalars(select(Connection))}
    external_ids = [(kinds[contact.connection_id], contact.external_id) for contact in contacts]
    for conversation in conversations:
        conversation.revision += 1
        conversation.turn_id = None
        conversation.memory_due_at = utc_now()
        if conversation.contact_id in contact_ids and conversation.id not in others:
            # The place in the channel names them, too, and what is written there next begins anew.
            conversation.channel = conversation.root = f"erased:{conversation.id}"
    for contact in contacts:
        contact.external_id, contact.erased_at, contact.opted_out_at = f"erased:{contact.id}", utc_now(), None
        contact.sealed_name = contact.named_at = contact.name_due_at = None
    audit.record(
        session,
        tenant_id=tenant_id,
        actor=actor,
        action="contact.erased",
        subject_id=contact_id,
        contacts=[str(each) for each in contact_ids],
        messages=len(messages),
        memories=len(memories),
    )
    return Erased(len(contacts), len(messages), len(memories), conversation_ids, external_ids, said)


async def _contacts_of(session: AsyncSession, person_id: UUID) -> list[UUID]:
    return list(await session.scalars(select(col(Contact.id)).where(col(Contact.person_id) == person_id)))


async def _where_others_talk(
    session: AsyncSession, contact_ids: Sequence[UUID], conversation_ids: Sequence[UUID]
) -> set[UUID]:
    """Those of the conversations in which somebody else has said something, too."""
    found = await session.scalars(
        select(col(Message.conversation_id))
        .where(among(col(Message.conversation_id), conversation_ids), col(Message.direction) == "inbound")
        .where(col(Message.contact_id).not_in(contact_ids))
        .distinct()
    )
    return set(found)


async def _said(session: AsyncSession, tenant_id: UUID, contact_ids: Sequence[UUID]) -> list[Gone]:
    query = (
        select(col(Message.id), col(Message.connection_id), col(Message.external_id))
        .where(col(Message.contact_id).in_(contact_ids), col(Message.direction) == "inbound")
        .where(col(Message.external_id).is_not(None))
    )
    return [
        Gone(message_id, ConnectionRef(TenantId(tenant_id), ConnectionId(connection_id)), str(external_id))
        for message_id, connection_id, external_id in await session.execute(query)
    ]


async def _shred_messages(
    session: AsyncSession, contact_ids: Sequence[UUID], conversation_ids: Sequence[UUID]
) -> list[UUID]:
    """Their own messages and the answers to them; and what an employee said to others in a thread after they had taken
    part in it, which may repeat their words."""
    first = (
        select(col(Message.conversation_id), func.min(Message.seq).label("seq"))
        .where(col(Message.contact_id).in_(contact_ids), col(Message.direction) == "inbound")
        .group_by(col(Message.conversation_id))
        .subquery()
    )
    echoes = (
        select(col(Message.id))
        .join(first, first.c.conversation_id == col(Message.conversation_id))
        .where(col(Message.author) == "employee", col(Message.seq) > first.c.seq)
    )
    shredded = await session.scalars(
        update(Message)
        .where(among(col(Message.conversation_id), conversation_ids))
        .where(or_(col(Message.contact_id).in_(contact_ids), col(Message.id).in_(echoes)))
        .values(
            body=None,
            sealed=None,
            sealed_files=None,
            external_id=None,
            state=sql(
                "case when direction = 'inbound' then 'deleted' when state in ('pending', 'waiting') then 'discarded'"
                " when state in ('sending', 'streaming') then 'failed' else state end"
            ),
            settled_at=func.coalesce(col(Message.settled_at), utc_now()),
        )
        .returning(col(Message.id))
        .execution_options(synchronize_session=False)
    )
    return list(shredded)


async def forget_quarantined_of(database: Database, erased: Erased, names: Sequence[tuple[str, str]] = ()) -> None:
    """Drops events that could not be processed and name an erased contact; ``names``: (channel kind, name) of what else
    the contact was called, which has to be read before it is shredded."""
    async with database.system_session() as session:
        for kind, external_id in {*erased.external_ids, *names}:
            # A name as short as a word might stand in anybody's event.
            if len(external_id) >= 8:
                await session.execute(
                    sql("select forget_quarantined_of(:kind, :external_id)"),
                    {"kind": kind, "external_id": external_id},
                )


async def seal_all_plain(database: Database, vault: Vault, report: Callable[[str], None]) -> None:
    """Seals what an older version wrote in plain, of all tenants; cut off, it goes on from there the next time."""
    total = 0
    for tenant_id in (await tenants.every(database)).values():
        sealed = SEALED_AT_ONCE
        while sealed == SEALED_AT_ONCE:
            async with database.tenant_session(tenant_id) as session:
                sealed = await seal_plain(session, vault, tenant_id, SEALED_AT_ONCE)
            total += sealed
            if sealed:
                report(f"{total:,} older messages sealed …")


async def seal_plain(session: AsyncSession, vault: Vault, tenant_id: UUID, at_most: int) -> int:
    """Seals messages that an older version wrote in plain; how many there were."""
    rows = list(
        await session.scalars(
            select(Message)
            .where(
                col(Message.body).is_not(None), col(Message.purpose) == "reply", col(Message.contact_id).is_not(None)
            )
            .order_by(col(Message.id))
            .limit(at_most)
            .with_for_update(skip_locked=True)
        )
    )
    ciphers = await vault.ciphers(session, {row.contact_id for row in rows if row.contact_id})
    for row in rows:
        if row.contact_id is None:
            continue
        if row.contact_id not in ciphers:
            ciphers[row.contact_id] = await vault.cipher(session, tenant_id, row.contact_id)
        row.sealed, row.body = ciphers[row.contact_id].seal(MESSAGE, row.id, row.body or ""), None
    return len(rows)
