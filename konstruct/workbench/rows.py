"""What a row of the inbox shows: read for many rows at once, and opened only for those that are shown."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from konstruct import naming, reply_window
from konstruct.desk.people import Desk
from konstruct.handoffs import cards
from konstruct.tables import Connection, Conversation, Handoff
from konstruct.tables.base import utc_now
from konstruct.vault import ContactCipher, Vault
from konstruct.window import MESSAGE
from konstruct.workbench import marks
from konstruct.workbench.views import Asked

LONGEST_PREVIEW: Final = 160
WINDOW_IS_NEAR: Final = timedelta(hours=4)

# What people were told by the product is theirs to see; what only the employee was told of people is not.
_LATEST: Final = text(
    """
    select m.* from unnest(cast(:ids as uuid[])) wanted (id)
    cross join lateral (
      select id, conversation_id, seq, author, signed, contact_id, sealed, body, created_at,
             sealed_files is not null as has_files
      from messages
      where conversation_id = wanted.id and state not in ('deleted', 'discarded', 'streaming')
        and (author <> 'system' or direction = 'outbound')
      order by seq desc limit :most
    ) m
    """
)


@dataclass(frozen=True)
class Row:
    row_id: UUID
    """Of the handoff, or of the conversation where there is none."""
    conversation_id: UUID
    handoff_id: UUID | None
    state: str | None
    """Of the handoff: waiting, owned, told or over."""
    contact: str
    kind: str
    """Of the channel."""
    connection: Connection
    employee: str
    cause: str | None
    rule: str | None
    reason: str
    priority: str | None
    target: str | None
    target_name: str | None
    ended_how: str | None
    agent: str | None
    """The key of who has it, or had it last."""
    agent_name: str | None
    is_mine: bool
    since: datetime
    """When it began to wait, was taken, or was over; else when it was last written in."""
    last_at: datetime
    said_by: str | None
    """Who said the last: contact, employee, agent or system."""
    signed: str | None
    preview: str
    """The last that was said; empty where there is nothing to be read any more."""
    has_files: bool
    is_unread: bool
    closes_at: datetime | None
    """When the channel takes no answer any more, where that is near."""
    is_closed: bool


@dataclass(frozen=True)
class Line:
    """The last that was said, opened."""

    seq: int
    author: str
    signed: str | None
    text: str
    has_files: bool


@dataclass
class Read:
    """What a batch of rows says, opened once for all of it."""

    rows: list[Any]
    contacts: Mapping[UUID, str]
    ciphers: Mapping[UUID, ContactCipher]
    lines: Mapping[UUID, list[Line]]
    employees: Mapping[UUID, str] = field(default_factory=dict)


async def opened(
    session: AsyncSession, vault: Vault, rows: Sequence[Any], employees: Mapping[UUID, str], *, most: int
) -> Read:
    """``most``: messages of each conversation."""
    if not rows:
        return Read([], {}, {}, {})
    messages = (await session.execute(_LATEST, {"ids": [row.Conversation.id for row in rows], "most": most})).all()
    contacts = {_contact_id(row) for row in rows}
    wrote = {message.contact_id for message in messages if message.contact_id is not None}
    ciphers = await vault.ciphers(session, contacts | wrote)
    lines: dict[UUID, list[Line]] = {}
    for message in messages:
        line = Line(message.seq, message.author, message.signed, _text(message, ciphers), message.has_files)
        lines.setdefault(message.conversation_id, []).append(line)
    return Read(list(rows), await naming.names(session, vault, contacts), ciphers, lines, employees)


async def shown(session: AsyncSession, asked: Asked, desk: Desk, read: Read, user_id: UUID | None) -> list[Row]:
    ids = [row.Conversation.id for row in read.rows]
    seen = await marks.seen(session, user_id, ids) if user_id is not None and ids else {}
    return [_row(row, read, asked, desk, None if user_id is None else seen) for row in read.rows]


def _row(row: Any, read: Read, asked: Asked, desk: Desk, seen: Mapping[UUID, int] | None) -> Row:
    conversation: Conversation = row.Conversation
    handoff: Handoff | None = row.Handoff
    connection: Connection = row.Connection
    lines = read.lines.get(conversation.id, [])
    last = max(lines, key=lambda line: line.seq) if lines else None
    agent = handoff.agent if handoff is not None else conversation.agent
    is_open = handoff is not None and handoff.state in ("waiting", "owned")
    closes_at = reply_window.closes_at(conversation, connection.kind) if is_open else None
    is_own = last is not None and last.author == "agent" and last.signed == desk.name_of(asked.agent)
    return Row(
        row_id=row_id(row),
        conversation_id=conversation.id,
        handoff_id=handoff.id if handoff is not None else None,
        state=handoff.state if handoff is not None else None,
        contact=read.contacts.get(_contact_id(row), naming.ERASED),
        kind=connection.kind,
        connection=connection,
        employee=read.employees.get(conversation.employee_id, ""),
        cause=handoff.cause if handoff is not None else None,
        rule=handoff.rule if handoff is not None else None,
        reason=_reason(handoff, read.ciphers),
        priority=handoff.priority if handoff is not None else None,
        target=handoff.target if handoff is not None else None,
        target_name=_called(desk, handoff.target) if handoff is not None else None,
        ended_how=handoff.ended_how if handoff is not None else None,
        agent=agent,
        agent_name=desk.name_of(agent) if agent is not None else None,
        is_mine=is_open and asked.agent is not None and handoff is not None and handoff.agent == asked.agent,
        since=_since(conversation, handoff),
        last_at=conversation.last_message_at,
        said_by=last.author if last is not None else None,
        signed=last.signed if last is not None else None,
        preview=" ".join(last.text.split())[:LONGEST_PREVIEW] if last is not None else "",
        has_files=last is not None and last.has_files,
        is_unread=seen is not None
        and is_open
        and last is not None
        and not is_own
        and last.seq > seen.get(conversation.id, 0),
        closes_at=closes_at if closes_at is not None and closes_at - utc_now() < WINDOW_IS_NEAR else None,
        is_closed=closes_at is not None and closes_at <= utc_now(),
    )


def _called(desk: Desk, target: str | None) -> str | None:
    """Groups by their keys, people by their names."""
    person = desk.agent(target) if target is not None else None
    return person.name if person is not None else target


def _since(conversation: Conversation, handoff: Handoff | None) -> datetime:
    if handoff is None:
        return conversation.last_message_at
    if handoff.state == "waiting":
        since = handoff.progress.get("waiting", {}).get("since")
        return datetime.fromisoformat(since) if since else handoff.created_at
    ended_or_taken = handoff.ended_at if handoff.state == "over" else handoff.claimed_at
    return ended_or_taken or handoff.created_at


def says(row: Any, read: Read, words: Collection[str]) -> bool:
    """Whether each of the words stands somewhere in what is known of the row or was said in it."""
    handoff: Handoff | None = row.Handoff
    known = [
        read.contacts.get(_contact_id(row), ""),
        read.employees.get(row.Conversation.employee_id, ""),
        (handoff.rule or "") if handoff is not None else "",
        _reason(handoff, read.ciphers),
        *(line.text for line in read.lines.get(row.Conversation.id, ())),
    ]
    said = "\n".join(known).casefold()
    return all(word in said for word in words)


def _reason(handoff: Handoff | None, ciphers: Mapping[UUID, ContactCipher]) -> str:
    if handoff is None or (cipher := ciphers.get(handoff.contact_id)) is None:
        return ""
    return cards.reason(handoff, cipher)


def _text(message: Any, ciphers: Mapping[UUID, ContactCipher]) -> str:
    if message.sealed is None or message.contact_id is None:
        return message.body or ""
    cipher = ciphers.get(message.contact_id)
    return cipher.open(MESSAGE, message.id, message.sealed) if cipher is not None else ""


def _contact_id(row: Any) -> UUID:
    """Who is to be helped; in a thread of several, not always who opened it."""
    found: UUID = row.Handoff.contact_id if row.Handoff is not None else row.Conversation.contact_id
    return found


def row_id(row: Any) -> UUID:
    found: UUID = row.Handoff.id if row.Handoff is not None else row.Conversation.id
    return found
