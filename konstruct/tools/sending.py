"""Files that go out with an answer: made ready when an employee calls for them, taken along when it is stored."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct import conversations
from konstruct.errors import ToolFailed
from konstruct.files import keeping
from konstruct.messages import SentFile, outgoing_reply
from konstruct.tables import ToolCall
from konstruct.tools import calls, earlier
from konstruct.tools.builtin import SEND_FILE
from konstruct.tools.calls import CANCELLED, PastStep
from konstruct.vault import ContactCipher, Vault

KEPT_FOR: Final = timedelta(days=2)
"""Longer than a turn can last: then what no answer took along is removed."""
MOST: Final = 5
TOO_MANY: Final = f"With one answer go {MOST} files at most. Offer to send more when the person asks for it."


async def begin(session: AsyncSession, vault: Vault, call: ToolCall) -> ContactCipher:
    """To be asked before the content is put into the store, under the call's id, so that whatever comes of that is
    removed unless an answer takes it along. Raises ToolFailed when the call is over, or is one too many."""
    if await earlier.searches_before(session, call, SEND_FILE) >= MOST:
        raise ToolFailed(TOO_MANY)
    # A call that is settled may have been taken along.
    held = await calls.get(session, call.id, lock=True)
    cipher = (await vault.ciphers(session, [call.contact_id])).get(call.contact_id)
    if held.state != "running" or cipher is None:
        raise ToolFailed(CANCELLED)
    await keeping.put_down(session, call.tenant_id, call.id, KEPT_FOR)
    return cipher


def made_ready(sent: SentFile) -> dict[str, Any]:
    """What a call keeps of its file, as ``take_along`` reads it."""
    return asdict(sent)


async def take_along(
    session: AsyncSession, vault: Vault, conversation_id: UUID, turn_id: UUID, steps: Sequence[PastStep]
) -> list[UUID]:
    """The messages that carry what this turn made ready, each a file, behind its answer. The answer must have been
    stored in this very transaction."""
    ready = {
        call.sources[0]["name"]: call
        for step in steps
        for call in step.calls
        if call.name == SEND_FILE and call.state == "done" and call.sources
    }
    if not ready:
        return []
    conversation = await conversations.lock(session, conversation_id)
    rows = await session.scalars(select(ToolCall).where(col(ToolCall.id).in_(call.call_id for call in ready.values())))
    contact_ids = {row.id: row.contact_id for row in rows}
    ciphers = await vault.ciphers(session, set(contact_ids.values()))
    message_ids: list[UUID] = []
    for call in ready.values():
        cipher = ciphers.get(contact_ids[call.call_id])
        if cipher is None or not await keeping.take_up(session, call.call_id):
            continue
        message = outgoing_reply(conversation, cipher, cipher.contact_id, "", turn_id=turn_id)
        session.add(message)
        # Its file refers to it, and no relationship says so.
        await session.flush()
        keeping.enclose(session, cipher, message, call.call_id, SentFile(**call.sources[0]))
        message_ids.append(message.id)
    return message_ids
