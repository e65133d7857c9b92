"""A message as its channel is to be given it: opened, with its file, its buttons, and what it answers."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, exists
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased
from sqlmodel import col, select

from konstruct import streams
from konstruct.channels import CHANNELS
from konstruct.conversations import Whereabouts
from konstruct.files import keeping
from konstruct.files.keeping import Enclosed
from konstruct.identity import MessageId
from konstruct.ports import Button, ChannelAccount, Outgoing, Template, Thread
from konstruct.streams import Shown
from konstruct.tables import Message
from konstruct.vault import Vault
from konstruct.window import Line

_PART = aliased(Message)
# Null for all parts of an answer but the first.
_QUOTED = (
    select(col(Message.external_id))
    .where(col(Message.turn_id) == bindparam("of_turn"), col(Message.direction) == "inbound")
    .where(
        ~exists().where(
            col(_PART.turn_id) == bindparam("of_turn"),
            col(_PART.direction) == "outbound",
            col(_PART.purpose) == "reply",
            col(_PART.state) != "discarded",
            col(_PART.seq) < bindparam("before_seq"),
        )
    )
    .order_by(col(Message.seq).desc())
    .limit(1)
)


@dataclass(frozen=True)
class Send:
    """One message under way, with all that the channel needs."""

    account: ChannelAccount
    thread: Thread
    message: Outgoing
    is_uncertain: bool = False
    """An earlier attempt did not say how it ended."""
    may_still_arrive: bool = False
    """And it is so young that it may yet be under way."""
    marked_at: datetime | None = None
    """When it was last marked as being sent, by which it is known whether another attempt has marked it since."""
    stream: Shown | None = None
    """What it takes the place of in the channel."""
    file: Enclosed | None = None
    """What goes along, still in the store."""


async def assembled(
    session: AsyncSession,
    vault: Vault,
    found: Whereabouts,
    line: Line,
    detail: Mapping[str, Any],
    sealed_files: bytes | None,
) -> Send | None:
    """None when it was erased."""
    text = await _text(session, vault, line)
    if text is None:
        return None
    return Send(
        found.account,
        found.thread,
        replace(_outgoing(found, line, text, detail), reply_to=await _quoted(session, found, line)),
        stream=await streams.taken_over(session, detail),
        file=await keeping.enclosed(session, vault, line.message_id) if sealed_files is not None else None,
    )


async def _text(session: AsyncSession, vault: Vault, line: Line) -> str | None:
    """None when it was erased."""
    if line.sealed is None or line.contact_id is None:
        return line.body
    return line.text(await vault.ciphers(session, [line.contact_id]))


async def _quoted(session: AsyncSession, found: Whereabouts, line: Line) -> str | None:
    """What was asked, for the first part of an answer to be shown as one to it, where the contact has written on."""
    if not CHANNELS[found.account.kind].quotes or line.author != "employee" or line.turn_id is None:
        return None
    quoted = await session.scalar(_QUOTED, {"of_turn": line.turn_id, "before_seq": line.seq})
    return None if quoted == found.thread.latest else quoted


def _outgoing(found: Whereabouts, line: Line, text: str, detail: Mapping[str, Any]) -> Outgoing:
    """In the employee's name, or in that of the agent who wrote it."""
    return Outgoing(
        message_id=MessageId(line.message_id),
        text=text,
        author_name=line.signed or found.employee.name,
        author_role=found.tenant.name if line.signed else found.employee.role,
        created_at=line.at,
        buttons=tuple(Button(each["id"], each["title"]) for each in detail.get("buttons", ())),
        template=Template(detail["template"], detail["language"]) if "template" in detail else None,
        is_notice=line.is_note,
    )
