"""Taking note of what is done, by whom; written as the last statement of the transaction that does it."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from konstruct import db
from konstruct.audit import chain
from konstruct.identity import new_id

_NOTES: Final = "audit notes"

_APPEND: Final = text(
    "select audit_append(cast(:ids as uuid[]), cast(:conversations as uuid[]), cast(:actors as text[]),"
    " cast(:actions as text[]), cast(:subjects as uuid[]), cast(:payloads as bytea[]), cast(:contents as bytea[]))"
)


@dataclass(frozen=True)
class _Note:
    conversation_id: UUID | None
    actor: str
    action: str
    subject_id: UUID | None
    payload: bytes
    content: bytes | None


def record(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    actor: str,
    action: str,
    conversation_id: UUID | None = None,
    subject_id: UUID | None = None,
    content: bytes | None = None,
    **detail: object,
) -> None:
    """What is noted here is in the trail when the transaction has committed, and only then.

    Args:
        conversation_id: Whose chain it belongs to; without it, to the tenant's own.
        subject_id: The contact whom it is about.
        content: Sealed by the caller under that contact's key. It stays for ever; what is to be forgotten is the key.
        detail: Ids, counts and names of fields; never what somebody said, never a secret. Fractions become strings.

    Raises:
        ValueError: the session is another tenant's, or in a savepoint, which may be undone without this being undone.
        TypeError: ``detail`` holds something that is no text, number, truth value, id, list or mapping.
    """
    if tenant_id != session.info["tenant"]:
        raise ValueError("An audit event is recorded in a session of the tenant whom it concerns.")
    if session.in_nested_transaction():
        raise ValueError("An audit event is recorded outside of savepoints.")
    notes: list[_Note] | None = session.info.get(_NOTES)
    if notes is None:
        notes = session.info[_NOTES] = []
        db.before_commit(session, _append)
    notes.append(_Note(conversation_id, actor, action, subject_id, chain.canonical(detail), content))


async def _append(session: AsyncSession) -> None:
    # All at once and last: whoever appends to the same chain waits from here to the commit.
    notes: list[_Note] = session.info[_NOTES]
    await session.execute(
        _APPEND,
        {
            "ids": [new_id() for _ in notes],
            "conversations": [note.conversation_id for note in notes],
            "actors": [note.actor for note in notes],
            "actions": [note.action for note in notes],
            "subjects": [note.subject_id for note in notes],
            "payloads": [note.payload for note in notes],
            "contents": [note.content for note in notes],
        },
    )
