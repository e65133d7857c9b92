"""A conversation as agents read it: what was said, what they noted, what the employee did, and who had it, by time."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Final
from uuid import UUID

from sqlalchemy import or_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select
from sqlmodel.sql.expression import SelectOfScalar

from konstruct import naming
from konstruct.desk.people import Desk
from konstruct.files import showing
from konstruct.files.showing import Attached
from konstruct.handoffs import entries
from konstruct.messages import SentFile, files_of
from konstruct.tables import AuditEvent, Conversation, Handoff, HandoffEntry, Message, ToolCall
from konstruct.tools import calls
from konstruct.vault import ContactCipher, Vault
from konstruct.window import MESSAGE

AT_ONCE: Final = 50
"""Messages that are read first, the latest ones; and so many more each time."""
MOST: Final = 1_000
_PASSED_ON: Final = (
    *("handoff.opened", "handoff.told", "handoff.claimed", "handoff.transferred"),
    *("handoff.released", "handoff.resolved", "handoff.handed_back"),
)


@dataclass(frozen=True)
class File:
    """One that came along or was sent; ``kept`` is None where nobody fetched it."""

    sent: SentFile
    kept: Attached | None


@dataclass(frozen=True)
class Said:
    kind: ClassVar[str] = "message"
    id: UUID
    seq: int
    at: datetime
    author: str
    """contact, employee, agent or system, which is a sentence of the product's own."""
    name: str
    text: str = field(repr=False)
    is_lost: bool
    """Whether there were words that are not here any more: they were taken back, or the contact was erased."""
    state: str
    error: str
    """By which code the channel refused it."""
    delivered_at: datetime | None
    read_at: datetime | None
    maybe_duplicate: bool
    files: Sequence[File] = ()


@dataclass(frozen=True)
class Noted:
    kind: ClassVar[str] = "note"
    id: UUID
    at: datetime
    name: str
    text: str = field(repr=False)


@dataclass(frozen=True)
class Called:
    """A tool call of the employee's; ``arguments`` are JSON."""

    kind: ClassVar[str] = "call"
    id: UUID
    at: datetime
    tool: str
    state: str
    arguments: str = field(repr=False)
    result: str = field(repr=False)
    is_untrusted: bool


@dataclass(frozen=True)
class Passed:
    """The conversation came to somebody else."""

    kind: ClassVar[str] = "passed"
    id: UUID
    at: datetime
    action: str
    by: str
    agent: str | None
    taken_from: str | None
    """Who had it, where it was taken from a colleague."""
    detail: Mapping[str, Any]


Line = Said | Noted | Called | Passed


@dataclass(frozen=True)
class Thread:
    lines: Sequence[Line]
    """Oldest first."""
    first_seq: int
    """Of the first message here; 0 where none is."""
    earlier_seq: int | None
    """From where on to read to see ``AT_ONCE`` more; None where there are none."""


async def read(
    session: AsyncSession,
    vault: Vault,
    conversation: Conversation,
    desk: Desk,
    employee: str,
    *,
    since_seq: int | None = None,
) -> Thread:
    """The latest messages; or all from ``since_seq`` on, up to ``MOST``, with what came about beside them."""
    messages = await _messages(session, conversation.id, since_seq)
    first_seq = messages[0].seq if messages else 0
    earlier_seq = await _earlier(session, conversation.id, first_seq)
    began = conversation.created_at if earlier_seq is None else messages[0].created_at
    noted = await _entries(session, conversation.id, began)
    called = await _calls(session, conversation.id, began)
    wrote = {each.contact_id for each in messages if each.contact_id is not None}
    beside = {each.contact_id for each in noted} | {each.contact_id for each in called}
    ciphers = await vault.ciphers(session, wrote | beside)
    names = await naming.names(session, vault, wrote)
    files = await _files(session, ciphers, messages)
    lines: list[Line] = [_said(each, ciphers, names, employee, files.get(each.id, ())) for each in messages]
    lines += [
        Noted(each.id, each.created_at, desk.name_of(each.agent), entries.opened(each, cipher))
        for each in noted
        if (cipher := ciphers.get(each.contact_id)) is not None
    ]
    lines += [_called(each, cipher) for each in called if (cipher := ciphers.get(each.contact_id)) is not None]
    lines += [_passed(each, desk) for each in await _passings(session, conversation.id, began)]
    return Thread(sorted(lines, key=lambda line: line.at), first_seq, earlier_seq)


def _shown(conversation_id: UUID) -> SelectOfScalar[Message]:
    """The newest first."""
    return (
        select(Message)
        .where(col(Message.conversation_id) == conversation_id)
        # Nobody was told it, unless it was on its way when it was given up.
        .where(or_(col(Message.state) != "discarded", col(Message.maybe_duplicate)))
        # What the employee is told of people is nothing for people.
        .where(or_(col(Message.author) != "system", col(Message.direction) == "outbound"))
        .order_by(col(Message.seq).desc())
    )


async def _messages(session: AsyncSession, conversation_id: UUID, since_seq: int | None) -> list[Message]:
    """Oldest first."""
    query = _shown(conversation_id).limit(AT_ONCE)
    if since_seq is not None:
        query = _shown(conversation_id).where(col(Message.seq) >= since_seq).limit(MOST)
    return list(await session.scalars(query))[::-1]


async def _earlier(session: AsyncSession, conversation_id: UUID, first_seq: int) -> int | None:
    before = _shown(conversation_id).where(col(Message.seq) < first_seq).with_only_columns(col(Message.seq))
    found = list(await session.scalars(before.limit(AT_ONCE)))
    return found[-1] if found else None


async def _entries(session: AsyncSession, conversation_id: UUID, since: datetime) -> list[HandoffEntry]:
    """Notes, of whichever of the conversation's handoffs: they stay when it is handed back."""
    of_conversation = select(col(Handoff.id)).where(col(Handoff.conversation_id) == conversation_id)
    found = await session.scalars(
        select(HandoffEntry)
        .where(col(HandoffEntry.handoff_id).in_(of_conversation), col(HandoffEntry.kind) == "note")
        .where(col(HandoffEntry.created_at) >= since, col(HandoffEntry.sealed).is_not(None))
        .order_by(col(HandoffEntry.created_at).desc())
        .limit(MOST)
    )
    return list(found)


async def _calls(session: AsyncSession, conversation_id: UUID, since: datetime) -> list[ToolCall]:
    found = await session.scalars(
        select(ToolCall)
        .where(col(ToolCall.conversation_id) == conversation_id, col(ToolCall.created_at) >= since)
        .order_by(col(ToolCall.created_at).desc())
        .limit(MOST)
    )
    return list(found)


async def _passings(session: AsyncSession, conversation_id: UUID, since: datetime) -> list[AuditEvent]:
    found = await session.scalars(
        select(AuditEvent)
        .where(col(AuditEvent.chain_id) == conversation_id, col(AuditEvent.action).in_(_PASSED_ON))
        .where(col(AuditEvent.created_at) >= since)
        .order_by(col(AuditEvent.seq).desc())
        .limit(MOST)
    )
    return list(found)


async def _files(
    session: AsyncSession, ciphers: Mapping[UUID, ContactCipher], messages: Collection[Message]
) -> dict[UUID, list[File]]:
    with_files = [message for message in messages if message.sealed_files is not None]
    if not with_files:
        return {}
    kept = await showing.attached(session, ciphers, [message.id for message in with_files])
    found: dict[UUID, list[File]] = {}
    for message in with_files:
        if message.contact_id is None or (cipher := ciphers.get(message.contact_id)) is None:
            continue
        by_place = {each.position: each for each in kept.get(message.id, ())}
        found[message.id] = [File(sent, by_place.get(place)) for place, sent in enumerate(files_of(message, cipher))]
    return found


def _said(
    message: Message,
    ciphers: Mapping[UUID, ContactCipher],
    names: Mapping[UUID, str],
    employee: str,
    files: Sequence[File],
) -> Said:
    text = message.body or ""
    is_lost = message.sealed is None and message.body is None and message.state != "streaming"
    if message.sealed is not None and message.contact_id is not None:
        cipher = ciphers.get(message.contact_id)
        text = cipher.open(MESSAGE, message.id, message.sealed) if cipher else ""
        is_lost = cipher is None
    contact = names.get(message.contact_id, naming.ERASED) if message.contact_id else ""
    called = {"contact": contact, "agent": message.signed or "", "employee": employee}
    return Said(
        message.id,
        message.seq,
        message.created_at,
        message.author,
        called.get(message.author, ""),
        text,
        is_lost,
        message.state,
        str(message.detail.get("error", "")),
        message.delivered_at,
        message.read_at,
        message.maybe_duplicate,
        files,
    )


def _called(call: ToolCall, cipher: ContactCipher) -> Called:
    return Called(
        call.id,
        call.created_at,
        call.tool,
        call.state,
        cipher.open(calls.ARGUMENTS, call.id, call.sealed_arguments),
        cipher.open(calls.RESULT, call.id, call.sealed_result) if call.sealed_result else "",
        call.is_untrusted,
    )


def _passed(event: AuditEvent, desk: Desk) -> Passed:
    agent, taken_from = event.detail.get("agent"), event.detail.get("taken_from")
    return Passed(
        event.id,
        event.created_at,
        event.action,
        desk.name_of(event.actor),
        desk.name_of(agent) if agent else None,
        desk.name_of(taken_from) if taken_from else None,
        event.detail,
    )
