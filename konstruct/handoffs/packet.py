"""The packet: all that a person needs who takes a conversation over, read at once."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct import naming
from konstruct.desk import people
from konstruct.errors import NotFound
from konstruct.files import showing
from konstruct.files.showing import Attached
from konstruct.handoffs import cards, entries, leaving, owning
from konstruct.memory import due
from konstruct.messages import SentFile, files_of
from konstruct.tables import Approval, Contact, Handoff, Message, ToolCall, Usage
from konstruct.tools import calls
from konstruct.vault import ContactCipher, Vault
from konstruct.window import MESSAGE

LONGEST_TRANSCRIPT: Final = 1_000
"""Messages, the latest ones."""


@dataclass(frozen=True)
class Said:
    message_id: UUID
    author: str
    """contact, employee, agent or system, which is a sentence of the product's own."""
    signed: str | None
    text: str
    state: str
    said_at: datetime


@dataclass(frozen=True)
class Called:
    """A tool call of the employee's."""

    call_id: UUID
    tool: str
    state: str
    arguments: str
    """JSON."""
    result: str
    """As the model was shown it; empty when there is none."""
    called_at: datetime


@dataclass(frozen=True)
class Entry:
    entry_id: UUID
    kind: str
    agent: str
    text: str
    """Empty for a reply, which is in the transcript, and for what a model has yet to write."""
    state: str
    written_at: datetime


@dataclass(frozen=True)
class Attachment:
    """A file that somebody sent, as far as it is known."""

    message_id: UUID
    file_id: UUID | None
    """By which it can be had, once it is kept; None where nobody tried to fetch it."""
    name: str
    media_type: str
    size: int
    sent_at: datetime
    state: str
    """As in ``tables.File``, where ``error`` says why; ``not_fetched`` where nobody tried to."""
    error: str
    transcript: str
    """Of a voice message."""


@dataclass(frozen=True)
class OpenApproval:
    approval_id: UUID
    tool: str
    reason: str
    expires_at: datetime


@dataclass(frozen=True)
class Packet:
    handoff: Handoff
    agent_name: str | None
    contact: str
    """What the channel calls them."""
    contact_name: str
    """As people are shown them."""
    reason: str
    written: cards.Written
    transcript: list[Said]
    """Oldest first."""
    attachments: list[Attachment]
    tool_calls: list[Called]
    cost: Decimal
    """US dollars that models have cost in the conversation, as far as prices are known."""
    facts: list[str]
    """What is remembered of the contact, the newest first."""
    approvals: list[OpenApproval]
    entries: list[Entry]
    draft: str = ""
    """What the employee was about to say when people got it."""


async def read(session: AsyncSession, vault: Vault, handoff_id: UUID) -> Packet:
    """Raises NotFound when the session's tenant has no such handoff, or its contact was erased."""
    handoff = await owning.get(session, handoff_id)
    ciphers = await _ciphers(session, vault, handoff)
    cipher = ciphers.get(handoff.contact_id)
    if cipher is None:
        raise NotFound(entries.ERASED)
    desk = await people.settings(session)
    contact = await session.scalar(select(col(Contact.external_id)).where(col(Contact.id) == handoff.contact_id))
    cost = await session.scalar(
        select(func.sum(col(Usage.cost))).where(col(Usage.conversation_id) == handoff.conversation_id)
    )
    return Packet(
        handoff=handoff,
        agent_name=desk.name_of(handoff.agent) if handoff.agent else None,
        contact=contact or "",
        contact_name=await naming.name(session, vault, handoff.contact_id),
        reason=cards.reason(handoff, cipher),
        written=cards.written(handoff, cipher),
        transcript=await _transcript(session, handoff, ciphers),
        attachments=await _attachments(session, handoff, ciphers),
        tool_calls=await _tool_calls(session, handoff, ciphers),
        cost=cost or Decimal(0),
        facts=[fact.text for fact in await due.known_facts(session, vault, handoff.contact_id)],
        approvals=await _approvals(session, handoff),
        entries=[
            Entry(
                entry.id,
                entry.kind,
                desk.name_of(entry.agent),
                entries.opened(entry, cipher),
                entry.state,
                entry.created_at,
            )
            for entry in await entries.of_handoff(session, handoff_id)
        ],
        draft=await _draft(session, handoff, ciphers),
    )


async def listing(
    session: AsyncSession, *, state: str | None = None, limit: int = 50, before: UUID | None = None
) -> list[Handoff]:
    """Newest first. ``before``: the last one of the page before."""
    query = select(Handoff).order_by(col(Handoff.id).desc()).limit(limit)
    query = query.where(col(Handoff.state) == state) if state is not None else query
    query = query.where(col(Handoff.id) < before) if before is not None else query
    return list(await session.scalars(query))


async def _ciphers(session: AsyncSession, vault: Vault, handoff: Handoff) -> Mapping[UUID, ContactCipher]:
    """Of all who wrote in the conversation."""
    wrote = await session.scalars(
        select(col(Message.contact_id))
        .where(col(Message.conversation_id) == handoff.conversation_id, col(Message.contact_id).is_not(None))
        .distinct()
    )
    return await vault.ciphers(session, {handoff.contact_id, *(each for each in wrote if each is not None)})


async def _transcript(session: AsyncSession, handoff: Handoff, ciphers: Mapping[UUID, ContactCipher]) -> list[Said]:
    rows = await session.scalars(
        select(Message)
        .where(col(Message.conversation_id) == handoff.conversation_id)
        .where(col(Message.state).not_in(("deleted", "discarded", "streaming")))
        .order_by(col(Message.seq).desc())
        .limit(LONGEST_TRANSCRIPT)
    )
    messages = list(rows)
    with_files = [message.id for message in messages if message.sealed_files is not None]
    files = await showing.attached(session, ciphers, with_files) if with_files else {}
    said = [
        Said(
            message.id,
            message.author,
            message.signed,
            showing.with_transcripts(text, files.get(message.id, ())),
            message.state,
            message.created_at,
        )
        for message in messages
        if (text := _text(message, ciphers))
    ]
    return said[::-1]


async def _draft(session: AsyncSession, handoff: Handoff, ciphers: Mapping[UUID, ContactCipher]) -> str:
    found = await session.scalars(
        select(Message)
        .where(col(Message.conversation_id) == handoff.conversation_id, col(Message.state) == "discarded")
        .where(col(Message.detail)[leaving.DRAFT_OF].astext == str(handoff.id))
        .order_by(col(Message.seq))
    )
    return "\n\n".join(text for message in found if (text := _text(message, ciphers)))


async def _attachments(
    session: AsyncSession, handoff: Handoff, ciphers: Mapping[UUID, ContactCipher]
) -> list[Attachment]:
    found = await session.scalars(
        select(Message)
        .where(col(Message.conversation_id) == handoff.conversation_id, col(Message.sealed_files).is_not(None))
        .order_by(col(Message.seq))
    )
    messages = list(found)
    known = await showing.attached(session, ciphers, [message.id for message in messages])
    return [
        _attachment(message, sent, {file.position: file for file in known.get(message.id, ())}.get(position))
        for message in messages
        if message.contact_id is not None and (cipher := ciphers.get(message.contact_id)) is not None
        for position, sent in enumerate(files_of(message, cipher))
    ]


def _attachment(message: Message, sent: SentFile, file: Attached | None) -> Attachment:
    return Attachment(
        message.id,
        file.file_id if file else None,
        sent.name,
        sent.media_type,
        sent.size,
        message.created_at,
        state=file.state if file else "not_fetched",
        error=file.error if file else "",
        transcript=file.transcript if file else "",
    )


def _text(message: Message, ciphers: Mapping[UUID, ContactCipher]) -> str:
    if message.sealed is None or message.contact_id is None:
        return message.body or ""
    cipher = ciphers.get(message.contact_id)
    return cipher.open(MESSAGE, message.id, message.sealed) if cipher else ""


async def _tool_calls(session: AsyncSession, handoff: Handoff, ciphers: Mapping[UUID, ContactCipher]) -> list[Called]:
    made = await session.scalars(
        select(ToolCall)
        .where(col(ToolCall.conversation_id) == handoff.conversation_id)
        .order_by(col(ToolCall.created_at).desc())
        .limit(LONGEST_TRANSCRIPT)
    )
    called = [
        Called(
            call.id,
            call.tool,
            call.state,
            cipher.open(calls.ARGUMENTS, call.id, call.sealed_arguments),
            cipher.open(calls.RESULT, call.id, call.sealed_result) if call.sealed_result else "",
            call.created_at,
        )
        for call in made
        if (cipher := ciphers.get(call.contact_id)) is not None
    ]
    return called[::-1]


async def _approvals(session: AsyncSession, handoff: Handoff) -> list[OpenApproval]:
    waiting = await session.scalars(
        select(Approval)
        .where(col(Approval.conversation_id) == handoff.conversation_id, col(Approval.state) == "waiting")
        .order_by(col(Approval.id))
    )
    return [OpenApproval(each.id, each.tool, each.reason, each.expires_at) for each in waiting]
