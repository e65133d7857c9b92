"""What contacts edit and take back of what they said, in whatever order a channel tells of it.

An edit that is older than the wording that is kept changes nothing. What becomes of a message before it comes is kept
until it does, for as long as it may.
"""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import bindparam, delete, func
from sqlalchemy import text as sql
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct import aliases, audit, memory, messages, repeating
from konstruct.aliases import Names
from konstruct.connections import ConnectionRef
from konstruct.db import Database
from konstruct.errors import Misconfigured, Unavailable
from konstruct.files import keeping
from konstruct.tables import Contact, Conversation, EarlyChange, Message
from konstruct.tables.base import utc_now
from konstruct.vault import ContactCipher, Vault
from konstruct.window import MESSAGE

KEPT_FOR: Final = timedelta(days=8)
"""Meta delivers what it could not for seven days, and Slack for less."""
EARLY: Final = "early change"
"""What ciphers call the purpose of a wording that came before its message."""

_LOCKED = (
    select(Conversation).where(col(Conversation.id) == bindparam("conversation_id")).with_for_update(key_share=True)
)
_SAID = (
    select(Message)
    .where(col(Message.connection_id) == bindparam("connection_id"))
    .where(col(Message.external_id) == bindparam("external_id"))
    .where(col(Message.direction) == "inbound")
)
_CONVERSATION_OF = _SAID.with_only_columns(col(Message.conversation_id))
_HOLD = select(func.pg_advisory_xact_lock(func.hashtextextended(bindparam("erased_id"), 0)))


async def hold(session: AsyncSession, erased_id: str) -> None:
    """Until the transaction ends, a message and what becomes of it wait for each other: neither is there yet for the
    other to see. Before any row is locked."""
    await session.execute(_HOLD, {"erased_id": erased_id})


async def edit(
    session: AsyncSession,
    vault: Vault,
    connection: ConnectionRef,
    external_id: str,
    text: str,
    *,
    edited_at: datetime | None = None,
    author: str | Names | None = None,
) -> None:
    """Keeps the new wording for what is thought from now on; an answer that was given, or is being thought, stands.

    Args:
        author: Who said it, if it is for an employee; nobody else's words are kept before they come.

    Raises:
        Unavailable: its author is being erased; it may come again.
    """
    erased_id = await repeating.erased_id(session, vault, connection, external_id)
    await hold(session, erased_id)
    message = await _locked_message(session, connection, external_id)
    if message is None and author is not None and not await _is_known(session, connection, external_id, erased_id):
        await _edit_early(session, vault, connection, erased_id, text, edited_at or utc_now(), author)
    if message is None or message.contact_id is None or message.state == "deleted":
        return
    if edited_at is not None and message.edited_at is not None and edited_at < message.edited_at:
        return
    message.edited_at = edited_at or message.edited_at
    cipher = await _cipher(session, vault, connection, message.contact_id)
    if _says(cipher, message, text):
        return
    before, message.body = message.sealed, None
    message.sealed = messages.seal_text(cipher, message.id, text)
    await memory.unlearn(session, message)
    record(session, message, "message.edited", before)


async def remove(session: AsyncSession, vault: Vault, connection: ConnectionRef, external_id: str) -> None:
    """Forgets what a contact took back; what was not answered yet never will be."""
    erased_id = await repeating.erased_id(session, vault, connection, external_id)
    await hold(session, erased_id)
    message = await _locked_message(session, connection, external_id)
    if message is None:
        if not await _is_known(session, connection, external_id, erased_id):
            await _remove_early(session, connection, erased_id)
        return
    message.body = message.sealed = message.sealed_files = None
    message.state, message.settled_at = "deleted", utc_now()
    await keeping.remove_of(session, [message.id])
    await memory.unlearn(session, message)
    record(session, message, "message.deleted")


async def newest(
    session: AsyncSession,
    early: EarlyChange | None,
    cipher: ContactCipher,
    message: Message,
    text: str,
    edited_at: datetime | None,
) -> str:
    """What a message says that comes with this text: where its contact had edited it before it came, what they made of
    it, unless that is the older of the two. Its conversation must be locked."""
    message.edited_at = edited_at
    if early is not None:
        await session.delete(early)
        is_newer = early.edited_at is not None and (edited_at is None or early.edited_at >= edited_at)
        if is_newer and early.sealed is not None and early.contact_id == cipher.contact_id:
            record(session, message, "message.edited", messages.seal_text(cipher, message.id, text))
            text, message.edited_at = cipher.open(EARLY, early.id, early.sealed), early.edited_at
    message.sealed = messages.seal_text(cipher, message.id, text)
    return text


async def forget_old(database: Database, at_most: int) -> int:
    """What became of messages that never came; of how many tenants there was some."""
    before = utc_now() - KEPT_FOR
    async with database.system_session() as session:
        found = await session.scalars(
            sql("select tenants_with_early_changes(:before, :at_most)"), {"before": before, "at_most": at_most}
        )
        tenants = list(found)
    for tenant_id in tenants:
        async with database.tenant_session(tenant_id) as session:
            await session.execute(delete(EarlyChange).where(col(EarlyChange.created_at) < before))
    return len(tenants)


def record(session: AsyncSession, message: Message, action: str, before: bytes | None = None) -> None:
    """``before``: the earlier wording, sealed."""
    audit.record(
        session,
        tenant_id=message.tenant_id,
        conversation_id=message.conversation_id,
        actor="contact",
        action=action,
        subject_id=message.contact_id,
        content=before,
        message_id=str(message.id),
    )


def _says(cipher: ContactCipher, message: Message, text: str) -> bool:
    """Whether a message says this already. What no key opens any more is like nothing, and may be written anew."""
    if message.sealed is None:
        return False
    try:
        return cipher.open(MESSAGE, message.id, message.sealed) == messages.storable(text)
    except Misconfigured:
        return False


async def _locked_message(session: AsyncSession, connection: ConnectionRef, external_id: str) -> Message | None:
    """What a contact said, with its conversation locked."""
    of_message = {"connection_id": connection.connection_id, "external_id": external_id}
    conversation_id = (await session.execute(_CONVERSATION_OF, of_message)).scalar_one_or_none()
    if conversation_id is None:
        return None
    await session.execute(_LOCKED, {"conversation_id": conversation_id})
    return (await session.execute(_SAID, of_message)).scalar_one_or_none()


async def _is_known(session: AsyncSession, connection: ConnectionRef, external_id: str, erased_id: str) -> bool:
    """Whether it is one of our own, or was said by somebody who has been erased."""
    known = select(Message.id).where(col(Message.connection_id) == connection.connection_id)
    known = known.where(col(Message.external_id).in_([external_id, erased_id]))
    return await session.scalar(known.limit(1)) is not None


async def _edit_early(
    session: AsyncSession,
    vault: Vault,
    connection: ConnectionRef,
    erased_id: str,
    text: str,
    edited_at: datetime,
    author: str | Names,
) -> None:
    early = await _early(session, connection, erased_id)
    if early is not None and (early.edited_at is None or edited_at < early.edited_at):
        return
    known = await aliases.called(session, vault, connection, author)
    # Held, so that the contact is not erased before this is there to be erased, too.
    held = select(col(Contact.erased_at)).where(col(Contact.id) == known.contact_id)
    if (await session.execute(held.with_for_update(key_share=True, read=True))).scalar_one() is not None:
        raise Unavailable("The contact is being erased; the edit may come again.")
    cipher = await _cipher(session, vault, connection, known.contact_id)
    early = early or EarlyChange(
        tenant_id=connection.tenant_id, connection_id=connection.connection_id, erased_id=erased_id
    )
    early.contact_id, early.edited_at = known.contact_id, edited_at
    early.sealed = cipher.seal(EARLY, early.id, messages.storable(text))
    session.add(early)


async def _remove_early(session: AsyncSession, connection: ConnectionRef, erased_id: str) -> None:
    early = await _early(session, connection, erased_id)
    early = early or EarlyChange(
        tenant_id=connection.tenant_id, connection_id=connection.connection_id, erased_id=erased_id
    )
    early.contact_id = early.sealed = early.edited_at = None
    session.add(early)


async def _early(session: AsyncSession, connection: ConnectionRef, erased_id: str) -> EarlyChange | None:
    of_message = select(EarlyChange).where(col(EarlyChange.connection_id) == connection.connection_id)
    found: EarlyChange | None = await session.scalar(of_message.where(col(EarlyChange.erased_id) == erased_id))
    return found


async def _cipher(session: AsyncSession, vault: Vault, connection: ConnectionRef, contact_id: UUID) -> ContactCipher:
    known = (await vault.ciphers(session, [contact_id])).get(contact_id)
    return known or await vault.cipher(session, connection.tenant_id, contact_id)
