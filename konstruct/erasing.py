"""Erasing a person: asked for in a row, carried out step by step, so that what was cut off goes on where it was."""

import asyncio
import json
from datetime import timedelta
from typing import Final
from uuid import UUID

from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct import aliases, contacts, repeating
from konstruct.contacts import Erased
from konstruct.db import Database
from konstruct.errors import KonstructError, NotFound, Unavailable
from konstruct.identity import new_id
from konstruct.ports import Windows
from konstruct.tables import Contact, ContactErasure
from konstruct.tables.base import utc_now
from konstruct.vault import Vault

ATTEMPTS: Final = 5
BETWEEN_ATTEMPTS: Final = timedelta(seconds=1)
_PURPOSE: Final = "contact erasure"
_BROKE: Final = "Something went wrong on our side. It is tried again."


async def ask(session: AsyncSession, tenant_id: UUID, contact_id: UUID, *, actor: str) -> UUID:
    """Puts down that a person is to be erased; the same erasure where that is under way already.

    Raises NotFound when the session's tenant has no such contact, or they were erased before.
    """
    held = select(col(Contact.id)).where(col(Contact.id) == contact_id, col(Contact.erased_at).is_(None))
    if await session.scalar(held.with_for_update()) is None:
        raise NotFound("There is no such contact.")
    known = await session.scalar(
        select(col(ContactErasure.id)).where(
            col(ContactErasure.contact_id) == contact_id, col(ContactErasure.ended_at).is_(None)
        )
    )
    if known is not None:
        return known
    erasure_id = new_id()
    session.add(ContactErasure(tenant_id=tenant_id, id=erasure_id, contact_id=contact_id, asked_by=actor))
    return erasure_id


async def carry_out(
    database: Database, vault: Vault, windows: Windows, tenant_id: UUID, erasure_id: UUID
) -> ContactErasure:
    """Does what is left of it; what was done stays done, and what was cut off is done again.

    Raises:
        NotFound: there is no such erasure.
        Unavailable: it could not be finished now; the row says how far it is.
    """
    try:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                async with database.tenant_session(tenant_id) as session:
                    await _shred(session, vault, await _held(session, erasure_id))
                break
            except Unavailable:
                # Somebody may be answering this person right now; then one of the two has to wait.
                if attempt == ATTEMPTS:
                    raise
                await asyncio.sleep(BETWEEN_ATTEMPTS.total_seconds())
        async with database.tenant_session(tenant_id) as session:
            erasure = await _held(session, erasure_id)
            names, conversation_ids = await _left(session, vault, erasure)
        if erasure.ended_at is not None:
            return erasure
        await contacts.forget_quarantined_of(database, Erased(0, 0, 0), names)
        is_clear = await windows.drop(tenant_id, conversation_ids)
        async with database.tenant_session(tenant_id) as session:
            erasure = await _held(session, erasure_id)
            erasure.events_removed_at = erasure.events_removed_at or utc_now()
            # What lies in a cache that does not answer is unreadable without the key, and ends in a day.
            erasure.is_cache_clear, erasure.ended_at = is_clear, erasure.ended_at or utc_now()
            erasure.sealed, erasure.error = None, None
        return erasure
    except Exception as error:
        await _note_failed(database, tenant_id, erasure_id, error)
        raise


async def _shred(session: AsyncSession, vault: Vault, erasure: ContactErasure) -> None:
    """With the names under which what lies elsewhere is found: they are gone with all the rest."""
    erasure.attempts += 1
    if erasure.shredded_at is not None:
        return
    tenant_id = erasure.tenant_id
    person = await session.scalar(select(col(Contact.person_id)).where(col(Contact.id) == erasure.contact_id))
    theirs = await contacts.of_person(session, person) if person else []
    kinds = {each.contact_id: each.kind for each in theirs}
    names = [(kinds[of], name) for of, name in await aliases.names_of(session, vault, list(kinds))]
    try:
        erased = await contacts.erase(session, tenant_id, erasure.contact_id, actor=erasure.asked_by)
        await repeating.remember(session, vault, erased.said)
    except NotFound:
        # Somebody had the same person erased under another of their contacts meanwhile.
        erased, names = Erased(0, 0, 0), []
    left = {
        "names": sorted({*erased.external_ids, *names}),
        "conversations": [str(each) for each in erased.conversation_ids],
    }
    told = {"left": SecretStr(json.dumps(left))}
    erasure.sealed = await vault.seal(session, tenant_id, _PURPOSE, erasure.id, told)
    erasure.contacts, erasure.conversations = erased.contacts, len(erased.conversation_ids)
    erasure.messages, erasure.memories = erased.messages, erased.memories
    erasure.shredded_at = utc_now()


async def _left(
    session: AsyncSession, vault: Vault, erasure: ContactErasure
) -> tuple[list[tuple[str, str]], list[UUID]]:
    if erasure.sealed is None:
        return [], []
    opened = await vault.open(session, erasure.tenant_id, _PURPOSE, erasure.id, erasure.sealed)
    left = json.loads(opened["left"].get_secret_value())
    return [(kind, name) for kind, name in left["names"]], [UUID(each) for each in left["conversations"]]


async def _note_failed(database: Database, tenant_id: UUID, erasure_id: UUID, error: Exception) -> None:
    """As far as the database answers: it may be what is away."""
    try:
        async with database.tenant_session(tenant_id) as session:
            erasure = await _held(session, erasure_id)
            erasure.error = str(error) if isinstance(error, KonstructError) else _BROKE
    except KonstructError:
        return


async def _held(session: AsyncSession, erasure_id: UUID) -> ContactErasure:
    query = select(ContactErasure).where(col(ContactErasure.id) == erasure_id).with_for_update()
    found = (await session.scalars(query)).one_or_none()
    if found is None:
        raise NotFound("There is no such erasure.")
    return found


async def latest(session: AsyncSession, contact_id: UUID) -> ContactErasure | None:
    """Of this contact, or of another who was the same person."""
    person = select(col(Contact.person_id)).where(col(Contact.id) == contact_id).scalar_subquery()
    theirs = select(col(Contact.id)).where(col(Contact.person_id) == person)
    query = select(ContactErasure).where(col(ContactErasure.contact_id).in_(theirs))
    return (await session.scalars(query.order_by(col(ContactErasure.asked_at).desc()).limit(1))).one_or_none()


async def unfinished(session: AsyncSession) -> list[ContactErasure]:
    """The oldest first, a hundred at most."""
    query = select(ContactErasure).where(col(ContactErasure.ended_at).is_(None))
    return list(await session.scalars(query.order_by(col(ContactErasure.asked_at)).limit(100)))
