"""All that is held of a person, as one document of JSON for themselves, written piece by piece; and what one event of
the trail holds sealed."""

import json
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import or_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct import audit, consent, consults, contact_book
from konstruct.contact_book import Known
from konstruct.db import Database
from konstruct.errors import Misconfigured
from konstruct.files import showing
from konstruct.handoffs.owning import REASON
from konstruct.tables import AuditEvent, Conversation, Handoff, Message, Rating
from konstruct.tools import calls
from konstruct.vault import ContactCipher, Vault
from konstruct.window import MESSAGE, Line

KIND: Final = "konstruct person v1"
AT_ONCE: Final = 500
"""Rows of one transaction; somebody who reads slowly holds none open."""


async def note(session: AsyncSession, vault: Vault, tenant_id: UUID, contact_id: UUID, *, actor: str) -> None:
    """That it was handed out, in the trail, before any of it is. Raises NotFound as ``contact_book.entry`` does."""
    await contact_book.entry(session, vault, contact_id)
    audit.record(session, tenant_id=tenant_id, actor=actor, action="contact.exported", subject_id=contact_id)


async def export(database: Database, vault: Vault, tenant_id: UUID, contact_id: UUID) -> AsyncIterator[str]:
    """Pieces of the document, in their order. What somebody has had forgotten or erased is not in it.

    Raises NotFound when the tenant has no such contact.
    """
    async with database.tenant_session(tenant_id) as session:
        known = await contact_book.read(session, vault, contact_id)
        ids = [each.contact_id for each in known.contacts]
        head = _head(known) | {
            "handoffs": await _handoffs(session, vault, ids),
            "ratings": await _ratings(session, ids),
        }
    # Without its end: what follows goes on within.
    yield _written(head)[:-1] + ',"conversations":['
    comma = ""
    async for conversation in _conversations(database, tenant_id, ids):
        yield f'{comma}{_written(_about(conversation))[:-1]},"messages":['
        comma, inner = ",", ""
        async for said in _messages(database, vault, conversation, set(ids)):
            yield inner + _written(said)
            inner = ","
        yield "]}"
    yield '],"trail":['
    comma = ""
    async for event in _trail(database, tenant_id, ids):
        yield comma + _written(event)
        comma = ","
    yield "]}\n"


def _written(document: Mapping[str, Any]) -> str:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"), default=_plain)


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _head(known: Known) -> dict[str, Any]:
    return {
        "kind": KIND,
        "exported_at": datetime.now(UTC),
        "person": known.asked.person_id,
        "contacts": [
            {
                "id": each.contact_id,
                "channel": each.kind,
                "connection": each.connection,
                "external_id": each.external_id,
                "name": each.name,
                "other_names": list(known.names.get(each.contact_id, ())),
                "since": each.since,
                "opted_out_at": each.opted_out_at,
                "erased_at": each.erased_at,
            }
            for each in known.contacts
        ],
        "facts": [
            {
                "id": each.fact_id,
                "text": each.text,
                "learned_at": each.happened_at,
                "confidence": round(each.confidence, 4),
                "conversation": each.conversation_id,
            }
            for each in known.facts
        ],
    }


async def _handoffs(session: AsyncSession, vault: Vault, ids: Collection[UUID]) -> list[dict[str, Any]]:
    ciphers = await vault.ciphers(session, ids)
    rows = await session.scalars(
        select(Handoff).where(col(Handoff.contact_id).in_(ids)).order_by(col(Handoff.created_at))
    )
    return [
        {
            "id": row.id,
            "conversation": row.conversation_id,
            "state": row.state,
            "cause": row.cause,
            "reason": ciphers[row.contact_id].open(REASON, row.id, row.sealed_reason)
            if row.contact_id in ciphers
            else None,
            "asked_at": row.created_at,
            "ended_at": row.ended_at,
        }
        for row in rows
    ]


async def _ratings(session: AsyncSession, ids: Collection[UUID]) -> list[dict[str, Any]]:
    rows = await session.scalars(select(Rating).where(col(Rating.contact_id).in_(ids)).order_by(col(Rating.asked_at)))
    return [
        {
            "id": row.id,
            "conversation": row.conversation_id,
            "score": row.score,
            "asked_at": row.asked_at,
            "answered_at": row.answered_at,
        }
        for row in rows
    ]


async def _conversations(database: Database, tenant_id: UUID, ids: Collection[UUID]) -> AsyncIterator[Conversation]:
    """Those in which they said something or were told something, the oldest first."""
    latest: UUID | None = None
    while True:
        took_part = select(col(Message.conversation_id)).where(col(Message.contact_id).in_(ids))
        is_theirs = or_(col(Conversation.contact_id).in_(ids), col(Conversation.id).in_(took_part))
        query = select(Conversation).where(is_theirs)
        query = query.where(~col(Conversation.is_rehearsal)).order_by(col(Conversation.id)).limit(AT_ONCE)
        if latest is not None:
            query = query.where(col(Conversation.id) > latest)
        async with database.tenant_session(tenant_id) as session:
            found = (await session.scalars(query)).all()
        for each in found:
            yield each
        if len(found) < AT_ONCE:
            return
        latest = found[-1].id


def _about(conversation: Conversation) -> dict[str, Any]:
    return {
        "id": conversation.id,
        "contact": conversation.contact_id,
        "began_at": conversation.created_at,
        "last_message_at": conversation.last_message_at,
    }


async def _messages(
    database: Database, vault: Vault, conversation: Conversation, ids: set[UUID]
) -> AsyncIterator[dict[str, Any]]:
    """What was said by or to them; what others said in the same thread is the others' own."""
    seq, ours = 0, {None} if conversation.contact_id in ids else set[UUID | None]()
    while True:
        query = (
            select(Message)
            .where(col(Message.conversation_id) == conversation.id, col(Message.seq) > seq)
            .order_by(col(Message.seq))
            .limit(AT_ONCE)
        )
        async with database.tenant_session(conversation.tenant_id) as session:
            rows = (await session.scalars(query)).all()
            theirs = [row for row in rows if row.contact_id in ids | ours]
            ciphers = await vault.ciphers(session, {row.contact_id for row in theirs if row.contact_id})
            files = await showing.attached(session, ciphers, [row.id for row in theirs])
        for row in theirs:
            yield _said(row, ciphers, files.get(row.id, ()))
        if len(rows) < AT_ONCE:
            return
        seq = rows[-1].seq


def _said(row: Message, ciphers: Mapping[UUID, ContactCipher], files: Sequence[showing.Attached]) -> dict[str, Any]:
    return {
        "id": row.id,
        "at": row.created_at,
        "by": row.author,
        "signed": row.signed,
        "state": row.state,
        "text": Line.of(row).text(ciphers),
        "files": [
            {
                "id": each.file_id,
                "name": each.name,
                "media_type": each.media_type,
                "size": each.size,
                "state": each.state,
            }
            for each in files
        ],
    }


async def _trail(database: Database, tenant_id: UUID, ids: Sequence[UUID]) -> AsyncIterator[dict[str, Any]]:
    """What the trail says of them, without what is sealed in it: that is what was said, which stands above."""
    for contact_id in ids:
        before: UUID | None = None
        while True:
            async with database.tenant_session(tenant_id) as session:
                found: list[AuditEvent] = await audit.find(session, subject_id=contact_id, limit=AT_ONCE, before=before)
            for event in found:
                yield {
                    "id": event.id,
                    "at": event.created_at,
                    "actor": event.actor,
                    "action": event.action,
                    "conversation": event.conversation_id,
                    "detail": event.detail,
                }
            if len(found) < AT_ONCE:
                break
            before = found[-1].id


# Of each the purpose, and which id in the detail it is sealed for; the contact's own where that has none.
_SEALED: Final[Mapping[str, tuple[str, str]]] = {
    "tool.proposed": (calls.ARGUMENTS, "call_id"),
    "consult.answered": (consults.ANSWER, "consult_id"),
    "message.edited": (MESSAGE, "message_id"),
    "contact.opted_out": (consent.REASON, ""),
    "contact.opted_in": (consent.REASON, ""),
}
_OF_TOOLS: Final = (calls.RESULT, "call_id")


async def content_of(session: AsyncSession, vault: Vault, event: AuditEvent) -> str | None:
    """What was said there, as long as the contact's key is there; else None."""
    if event.content is None or event.subject_id is None:
        return None
    cipher = (await vault.ciphers(session, [event.subject_id])).get(event.subject_id)
    purpose, row = _SEALED.get(event.action, _OF_TOOLS)
    if cipher is None:
        return None
    try:
        return cipher.open(purpose, UUID(str(event.detail[row])) if row else event.subject_id, event.content)
    except (Misconfigured, KeyError, ValueError):
        # Sealed for a place that this version does not know.
        return None
