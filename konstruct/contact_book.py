"""Contacts as a book of people: who there is, page by page, who is found by a name, and all that is known of one."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

from sqlalchemy import ColumnElement, and_, collate, func, not_, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from konstruct import aliases, contacts, memory, naming
from konstruct.db import among
from konstruct.employees import IS_PUBLISHED
from konstruct.errors import NotFound
from konstruct.files import keeping
from konstruct.memory.keeping import MEMORY
from konstruct.tables import (
    Connection,
    Contact,
    Conversation,
    Employee,
    EmployeeVersion,
    Handoff,
    Memory,
    Message,
    Rating,
)
from konstruct.vault import Vault

State = Literal["", "opted_out", "erased"]
LEAST_WORDS: Final = 2
"""Characters that are looked for at least."""
MOST_FACTS: Final = 200
MOST_CONVERSATIONS: Final = 25
MOST_HANDOFFS: Final = 10
_NOT_OF_A_NUMBER: Final = re.compile(r"[\s()+.\-/]")
_AFTER_ALL: Final = "\U0010fffd"
"""Behind all that begins with something, as bytes are sorted."""


@dataclass(frozen=True)
class Filters:
    words: str = ""
    """Of the name, or a number, or an id or how it begins."""
    connection_id: UUID | None = None
    state: State = ""


@dataclass(frozen=True)
class Entry:
    contact_id: UUID
    person_id: UUID
    connection_id: UUID
    connection: str
    kind: str
    external_id: str
    since: datetime
    erased_at: datetime | None
    opted_out_at: datetime | None
    name: str = field(default="", repr=False)
    """The best that is known."""
    said_at: datetime | None = None
    """When they last wrote; never, where they were only written to."""
    conversations: int = 0
    others: int = 0
    """Other contacts who are the same person."""


@dataclass(frozen=True)
class Page:
    entries: Sequence[Entry]
    newer: UUID | None
    """What ``after`` has to be for the page before this one."""
    older: UUID | None
    """What ``before`` has to be for the next page."""


_COLUMNS: Final[tuple[Any, ...]] = (
    *(col(Contact.id).label("contact_id"), col(Contact.person_id), col(Contact.connection_id)),
    *(col(Connection.key).label("connection"), col(Connection.kind), col(Contact.external_id)),
    *(col(Contact.created_at).label("since"), col(Contact.erased_at), col(Contact.opted_out_at)),
)
_OF_CONNECTION: Final = and_(
    col(Connection.tenant_id) == col(Contact.tenant_id), col(Connection.id) == col(Contact.connection_id)
)


async def page(
    session: AsyncSession,
    vault: Vault,
    tenant_id: UUID,
    filters: Filters,
    limit: int,
    *,
    before: UUID | None = None,
    after: UUID | None = None,
) -> Page:
    """Who came last is first; those whom somebody only made up in a rehearsal are none."""
    query = select(*_COLUMNS).join(Connection, _OF_CONNECTION).where(col(Connection.kind) != "rehearsal")
    if filters.words.strip():
        query = query.where(await _called(session, vault, tenant_id, filters.words.strip()))
    if filters.connection_id is not None:
        query = query.where(col(Contact.connection_id) == filters.connection_id)
    if filters.state:
        is_so = col(Contact.opted_out_at if filters.state == "opted_out" else Contact.erased_at).is_not(None)
        query = query.where(is_so)
    place = tuple_(col(Contact.created_at), col(Contact.id))
    if after is not None:
        query = query.where(place > _place_of(after)).order_by(col(Contact.created_at), col(Contact.id))
    else:
        query = query.order_by(col(Contact.created_at).desc(), col(Contact.id).desc())
        if before is not None:
            query = query.where(place < _place_of(before))
    rows = list((await session.execute(query.limit(limit + 1))).all())
    is_more, rows = len(rows) > limit, rows[:limit]
    if after is not None:
        rows.reverse()
    found = await _entries(session, vault, rows)
    has_newer, has_older = (is_more, True) if after is not None else (before is not None, is_more)
    ends = (found[0].contact_id, found[-1].contact_id) if found else (None, None)
    return Page(found, ends[0] if has_newer else None, ends[1] if has_older else None)


def _place_of(contact_id: UUID) -> ColumnElement[Any]:
    return select(col(Contact.created_at), col(Contact.id)).where(col(Contact.id) == contact_id).scalar_subquery()


async def _called(session: AsyncSession, vault: Vault, tenant_id: UUID, words: str) -> ColumnElement[bool]:
    """By name, number or id, and by how the channel's id begins. The index is sorted by bytes."""
    known = col(Contact.id).in_(await naming.find(session, vault, tenant_id, words))
    number = _NOT_OF_A_NUMBER.sub("", words)
    begins = {form for form in (words, words.upper(), number) if len(form) >= LEAST_WORDS}
    external_id = collate(col(Contact.external_id), "C")
    return or_(known, *(and_(external_id >= form, external_id < f"{form}{_AFTER_ALL}") for form in sorted(begins)))


async def _entries(session: AsyncSession, vault: Vault, rows: Sequence[Any]) -> list[Entry]:
    """With what only those who are shown are asked for."""
    counted = (
        select(
            col(Conversation.contact_id),
            func.count().label("conversations"),
            func.max(col(Conversation.contact_said_at)).label("said_at"),
        )
        .where(among(col(Conversation.contact_id), [row.contact_id for row in rows]))
        .where(col(Conversation.is_rehearsal).is_(False))
        .group_by(col(Conversation.contact_id))
    )
    of_contact = {row.contact_id: row for row in await session.execute(counted)}
    people = (
        select(col(Contact.person_id), func.count().label("contacts"))
        .where(among(col(Contact.person_id), list({row.person_id for row in rows})))
        .group_by(col(Contact.person_id))
    )
    of_person = {row.person_id: row.contacts for row in await session.execute(people)}
    names = await naming.names(session, vault, [row.contact_id for row in rows])
    found = []
    for row in rows:
        told = of_contact.get(row.contact_id)
        others = of_person.get(row.person_id, 1) - 1
        seen = (told.said_at, told.conversations) if told else (None, 0)
        name = names.get(row.contact_id, naming.ERASED)
        found.append(Entry(**row._mapping, name=name, said_at=seen[0], conversations=seen[1], others=others))
    return found


async def connection(session: AsyncSession, key: str) -> UUID:
    """The connection with this key. Raises NotFound when the session's tenant has none."""
    found = await session.scalar(select(col(Connection.id)).where(col(Connection.key) == key))
    if found is None:
        raise NotFound(f"There is no connection {key!r} here.")
    return found


async def any_there(session: AsyncSession) -> bool:
    """Whether the session's tenant has contacts at all."""
    query = select(col(Contact.id)).join(Connection, _OF_CONNECTION).where(col(Connection.kind) != "rehearsal")
    return await session.scalar(query.limit(1)) is not None


async def entry(session: AsyncSession, vault: Vault, contact_id: UUID) -> Entry:
    """Raises NotFound when the session's tenant has no such contact."""
    query = select(*_COLUMNS).join(Connection, _OF_CONNECTION).where(col(Contact.id) == contact_id)
    row = (await session.execute(query.where(col(Connection.kind) != "rehearsal"))).one_or_none()
    if row is None:
        raise NotFound("There is no such contact.")
    [found] = await _entries(session, vault, [row])
    return found


async def require_there(session: AsyncSession, contact_ids: Collection[UUID]) -> None:
    """Raises NotFound unless all are contacts of the session's tenant who were not erased."""
    there = select(func.count()).where(col(Contact.id).in_(set(contact_ids)), col(Contact.erased_at).is_(None))
    if await session.scalar(there) != len(set(contact_ids)):
        raise NotFound("There is no such contact; one that was erased is not found any more.")


@dataclass(frozen=True)
class Fact:
    fact_id: UUID
    contact_id: UUID
    conversation_id: UUID
    text: str = field(repr=False)
    happened_at: datetime
    confidence: float


@dataclass(frozen=True)
class Talk:
    """A conversation of theirs, without what was said."""

    conversation_id: UUID
    contact_id: UUID
    employee: str
    owner: str
    messages: int
    began_at: datetime
    last_message_at: datetime


@dataclass(frozen=True)
class Known:
    """All that is known of the person whom a contact is."""

    asked: Entry
    contacts: Sequence[Entry]
    """All who are this person, the oldest first; ``asked`` is one of them."""
    names: Mapping[UUID, Sequence[str]]
    """By what else channels know them."""
    facts: Sequence[Fact]
    sayings: int
    files: int
    conversations: Sequence[Talk]
    """The latest ones."""
    conversations_in_all: int
    handoffs: Sequence[Handoff]
    """The latest ones."""
    ratings: Sequence[Rating]
    """Those that were answered, the latest ones."""


async def read(session: AsyncSession, vault: Vault, contact_id: UUID) -> Known:
    """Raises NotFound when the session's tenant has no such contact."""
    asked = await entry(session, vault, contact_id)
    query = select(*_COLUMNS).join(Connection, _OF_CONNECTION).where(col(Contact.person_id) == asked.person_id)
    rows = (await session.execute(query.order_by(col(Contact.created_at), col(Contact.id)))).all()
    everyone = await _entries(session, vault, rows)
    ids = [each.contact_id for each in everyone]
    names: dict[UUID, list[str]] = {}
    for of, name in await aliases.names_of(session, vault, ids):
        names.setdefault(of, []).append(name)
    handoffs = select(Handoff).where(col(Handoff.contact_id).in_(ids)).order_by(col(Handoff.created_at).desc())
    ratings = select(Rating).where(col(Rating.contact_id).in_(ids), col(Rating.score).is_not(None))
    return Known(
        asked=asked,
        contacts=everyone,
        names=names,
        facts=await facts(session, vault, ids),
        sayings=await memory.count_sayings(session, contact_id),
        files=sum([await keeping.count_of(session, each) for each in ids]),
        conversations=await _talks(session, ids),
        conversations_in_all=sum(each.conversations for each in everyone),
        handoffs=list(await session.scalars(handoffs.limit(MOST_HANDOFFS))),
        ratings=list(await session.scalars(ratings.order_by(col(Rating.asked_at).desc()).limit(MOST_HANDOFFS))),
    )


async def facts(session: AsyncSession, vault: Vault, contact_ids: Collection[UUID]) -> list[Fact]:
    """What holds of what was learned of these contacts, the newest first."""
    ciphers = await vault.ciphers(session, contact_ids)
    rows = await session.scalars(
        select(Memory)
        .where(col(Memory.contact_id).in_(ciphers), col(Memory.kind) == "fact", col(Memory.superseded_at).is_(None))
        .order_by(col(Memory.happened_at).desc(), col(Memory.id).desc())
        .limit(MOST_FACTS)
    )
    return [
        Fact(
            row.id,
            row.contact_id,
            row.conversation_id,
            ciphers[row.contact_id].open(MEMORY, row.id, row.sealed),
            row.happened_at,
            row.confidence,
        )
        for row in rows
    ]


async def _talks(session: AsyncSession, contact_ids: Collection[UUID]) -> list[Talk]:
    latest = (
        select(Conversation, col(EmployeeVersion.name))
        .join(
            Employee,
            and_(
                col(Employee.tenant_id) == col(Conversation.tenant_id),
                col(Employee.id) == col(Conversation.employee_id),
            ),
        )
        .outerjoin(EmployeeVersion, IS_PUBLISHED)
        .where(col(Conversation.contact_id).in_(contact_ids), not_(col(Conversation.is_rehearsal)))
        .order_by(col(Conversation.last_message_at).desc(), col(Conversation.id).desc())
        .limit(MOST_CONVERSATIONS)
    )
    rows = (await session.execute(latest)).all()
    return [
        Talk(
            conversation.id,
            conversation.contact_id,
            employee or "An employee",
            conversation.owner,
            conversation.last_seq,
            conversation.created_at,
            conversation.last_message_at,
        )
        for conversation, employee in rows
    ]


@dataclass(frozen=True)
class Amount:
    """What erasing a person would shred."""

    contacts: int
    conversations: int
    messages: int
    files: int
    facts: int
    sayings: int


async def preview(session: AsyncSession, vault: Vault, contact_id: UUID) -> Amount:
    """Of all contacts who are this person. Raises NotFound when the session's tenant has no such contact."""
    asked = await entry(session, vault, contact_id)
    ids = [each.contact_id for each in await contacts.of_person(session, asked.person_id)]
    counted = [
        await session.scalar(select(func.count()).select_from(table).where(*which)) or 0
        for table, which in (
            (Conversation, (col(Conversation.contact_id).in_(ids),)),
            (Message, (col(Message.contact_id).in_(ids),)),
            (Memory, (col(Memory.contact_id).in_(ids), col(Memory.kind) == "fact")),
            (Memory, (col(Memory.contact_id).in_(ids), col(Memory.kind) == "said")),
        )
    ]
    files = sum([await keeping.count_of(session, each) for each in ids])
    return Amount(len(ids), counted[0], counted[1], files, counted[2], counted[3])
