"""Whether a contact may be written to: who asked to be left alone, and who has written again since."""

from typing import Final
from uuid import UUID

from sqlalchemy import bindparam
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct import audit
from konstruct.errors import NotFound
from konstruct.tables import Contact
from konstruct.tables.base import utc_now
from konstruct.vault import Vault

REASON: Final = "consent reason"
"""What ciphers call the purpose of what somebody says who speaks for a contact."""

OPTED_OUT = "They asked not to be written to any more. They can be answered again as soon as they write themselves."
"""What agents are told."""

_OPTED_OUT = select(col(Contact.opted_out_at)).where(col(Contact.id) == bindparam("contact_id"))


async def opt_out(session: AsyncSession, contact_id: UUID, *, by: str) -> bool:
    """From now on nothing is sent to them, whoever would send it; False where that holds already.

    ``by``: who the trail says it was. Raises NotFound when the session's tenant has no such contact.
    """
    contact = await _locked(session, contact_id)
    if contact.opted_out_at is not None:
        return False
    contact.opted_out_at = utc_now()
    _record(session, contact, "contact.opted_out", by)
    return True


async def opt_in(session: AsyncSession, contact_id: UUID, *, by: str) -> bool:
    """They may be written to again; False where they may already. Raises as ``opt_out`` does."""
    contact = await _locked(session, contact_id)
    if contact.opted_out_at is None:
        return False
    contact.opted_out_at = None
    _record(session, contact, "contact.opted_in", by)
    return True


async def state_wish(
    session: AsyncSession, vault: Vault, contact_id: UUID, *, is_out: bool, by: str, reason: str
) -> bool:
    """What a contact said elsewhere, as somebody says who heard it; False where it is so already.

    ``reason``: how they know; sealed, since it may tell of the contact. Raises NotFound as ``opt_out`` does, and for
    one who was erased.
    """
    contact = await _locked(session, contact_id)
    if contact.erased_at is not None:
        raise NotFound("There is no such contact.")
    if (contact.opted_out_at is not None) is is_out:
        return False
    contact.opted_out_at = utc_now() if is_out else None
    cipher = await vault.cipher(session, contact.tenant_id, contact_id)
    sealed = cipher.seal(REASON, contact_id, reason)
    _record(session, contact, "contact.opted_out" if is_out else "contact.opted_in", by, sealed)
    return True


async def has_opted_out(session: AsyncSession, contact_id: UUID) -> bool:
    return await session.scalar(_OPTED_OUT, {"contact_id": contact_id}) is not None


async def _locked(session: AsyncSession, contact_id: UUID) -> Contact:
    contact = await session.scalar(select(Contact).where(col(Contact.id) == contact_id).with_for_update(key_share=True))
    if contact is None:
        raise NotFound("There is no such contact.")
    return contact


def _record(session: AsyncSession, contact: Contact, action: str, by: str, reason: bytes | None = None) -> None:
    audit.record(session, tenant_id=contact.tenant_id, actor=by, action=action, subject_id=contact.id, content=reason)
