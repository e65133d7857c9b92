"""What an agent needs to know beside what was said: why people are asked, what came before, and what is about to happen
by itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Final, Literal
from uuid import UUID

from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct import consent, employees, naming, reply_window
from konstruct.desk import plan
from konstruct.desk.people import Desk
from konstruct.errors import NotFound
from konstruct.handoffs import attending, cards, entries
from konstruct.memory import due
from konstruct.memory.keeping import of_person
from konstruct.tables import Approval, Connection, Contact, Conversation, Handoff, HandoffEntry, Usage
from konstruct.vault import Vault

MOST_OTHERS: Final = 5
Outlook = Literal["open", "waits", "closed"]


@dataclass(frozen=True)
class Place:
    """Whose conversation it is, where, and whether the contact can be written to."""

    conversation: Conversation
    connection: Connection
    contact_id: UUID
    """Of several who write, the one that it is about."""
    contact: str
    is_erased: bool
    employee: str
    handoff: Handoff | None
    """The one that is not over, or the latest."""
    is_open: bool
    """Whether it is not over."""
    has_opted_out: bool
    outlook: Outlook
    """What becomes of what is written now."""
    closes_at: datetime | None
    """Until when the channel lets the contact be written to; None: always."""


@dataclass(frozen=True)
class Timers:
    """Of a handoff that waits."""

    since: datetime
    group: str
    rung: Sequence[str]
    """Who is called, by their names."""
    reminded_at: datetime | None
    emailed_at: datetime | None
    next_at: datetime | None
    gives_up_at: datetime | None
    """None: that was done."""
    then: str


@dataclass(frozen=True)
class Written:
    """What a model writes for an agent who asked for it."""

    id: UUID
    kind: str
    state: str
    text: str = field(repr=False)
    at: datetime
    by: str


@dataclass(frozen=True)
class Other:
    id: UUID
    last_message_at: datetime
    owner: str
    kind: str


@dataclass(frozen=True)
class About:
    reason: str = field(repr=False)
    packet: cards.Written
    is_packed: bool
    """Whether a model has written it, or could not."""
    timers: Timers | None
    facts: Sequence[str] = field(repr=False)
    others: Sequence[Other]
    approvals: Sequence[Approval]
    cost: Decimal
    drafts: Sequence[Written]
    """The newest first."""


async def place(session: AsyncSession, vault: Vault, conversation_id: UUID) -> Place:
    """Raises NotFound when the session's tenant has no such conversation; a rehearsal is none of anybody's."""
    conversation = await session.scalar(
        select(Conversation)
        .where(col(Conversation.id) == conversation_id, ~col(Conversation.is_rehearsal))
        .execution_options(populate_existing=True)
    )
    if conversation is None:
        raise NotFound("There is no such conversation.")
    connection = await session.get_one(Connection, (conversation.tenant_id, conversation.connection_id))
    handoff = await session.scalar(
        select(Handoff)
        .where(col(Handoff.conversation_id) == conversation_id)
        .order_by((col(Handoff.id) == conversation.handoff_id).desc(), col(Handoff.created_at).desc())
        .limit(1)
        .execution_options(populate_existing=True)
    )
    contact_id = handoff.contact_id if handoff is not None else conversation.contact_id
    contact = await session.get_one(Contact, (conversation.tenant_id, contact_id))
    return Place(
        conversation,
        connection,
        contact_id,
        await naming.name(session, vault, contact_id),
        contact.erased_at is not None,
        (await employees.serving(session, conversation_id)).name,
        handoff,
        handoff is not None and handoff.state != "over",
        await consent.has_opted_out(session, contact_id),
        await reply_window.outlook(session, conversation),
        reply_window.closes_at(conversation, connection.kind),
    )


async def read(session: AsyncSession, vault: Vault, found: Place, desk: Desk) -> About:
    conversation, handoff = found.conversation, found.handoff
    cipher = (await vault.ciphers(session, [found.contact_id])).get(found.contact_id)
    cost = await session.scalar(select(func.sum(col(Usage.cost))).where(col(Usage.conversation_id) == conversation.id))
    facts = await due.known_facts(session, vault, found.contact_id) if cipher is not None else []
    return About(
        reason=cards.reason(handoff, cipher) if handoff is not None and cipher is not None else "",
        packet=cards.written(handoff, cipher) if handoff is not None and cipher is not None else cards.Written(),
        is_packed=handoff is not None and handoff.sealed_packet is not None,
        timers=_timers(handoff, desk) if handoff is not None and handoff.state == "waiting" else None,
        facts=[fact.text for fact in reversed(facts)],
        others=await _others(session, found),
        approvals=await _approvals(session, conversation.id),
        cost=cost or Decimal(0),
        drafts=await _drafts(session, vault, handoff, desk) if found.is_open else (),
    )


def _timers(handoff: Handoff, desk: Desk) -> Timers:
    group, waiting = desk.group_for(handoff.target), attending.waiting_of(handoff)
    return Timers(
        waiting.since,
        group.key,
        [person.name for person in plan.ringing(group, waiting)],
        waiting.reminded_at if waiting.reminded_at != waiting.rung_at else None,
        waiting.emailed_at,
        handoff.next_due_at,
        plan.gives_up_at(group, waiting) if waiting.gave_up_at is None else None,
        group.then,
    )


async def _others(session: AsyncSession, found: Place) -> list[Other]:
    """Of the same person, on whichever channel."""
    rows = await session.execute(
        select(Conversation, col(Connection.kind))
        .join(Connection, col(Connection.id) == col(Conversation.connection_id))
        .where(col(Conversation.contact_id).in_(of_person(found.contact_id)))
        .where(col(Conversation.id) != found.conversation.id, ~col(Conversation.is_rehearsal))
        .order_by(col(Conversation.last_message_at).desc())
        .limit(MOST_OTHERS)
    )
    return [Other(other.id, other.last_message_at, other.owner, kind) for other, kind in rows]


async def _approvals(session: AsyncSession, conversation_id: UUID) -> list[Approval]:
    waiting = await session.scalars(
        select(Approval)
        .where(col(Approval.conversation_id) == conversation_id, col(Approval.state) == "waiting")
        .order_by(col(Approval.id))
    )
    return list(waiting)


async def _drafts(session: AsyncSession, vault: Vault, handoff: Handoff | None, desk: Desk) -> list[Written]:
    if handoff is None:
        return []
    rows = await session.scalars(
        select(HandoffEntry)
        .where(col(HandoffEntry.handoff_id) == handoff.id, col(HandoffEntry.kind).in_(("draft", "summary")))
        .order_by(col(HandoffEntry.created_at).desc())
        .limit(10)
    )
    cipher = (await vault.ciphers(session, [handoff.contact_id])).get(handoff.contact_id)
    return [
        Written(
            row.id,
            row.kind,
            row.state,
            entries.opened(row, cipher) if cipher else "",
            row.created_at,
            desk.name_of(row.agent),
        )
        for row in rows
    ]
