"""Words that agents need again and again, kept for the whole tenant under a short key."""

import re
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import delete, func
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct import audit, tenant_settings
from konstruct.errors import Conflict, Mistakes, NotFound
from konstruct.identity import new_id
from konstruct.tables import CannedReply
from konstruct.tables.base import utc_now

MOST: Final = 500
MOST_OF_KEY: Final = 40
MOST_OF_TITLE: Final = 80
MOST_OF_TEXT: Final = 4_000
KEPT_FOR: Final = timedelta(days=1)
"""How long one that was removed can be had back."""

_KEY: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_NO_KEY: Final = "new"
"""What the page for another one is called."""
_PLACES: Final = re.compile(r"\{(contact|agent|business)\}")
_ANY: Final = re.compile(r"\{([a-z_]+)\}")


async def listing(session: AsyncSession) -> list[CannedReply]:
    """Of the session's tenant, by their keys."""
    kept = select(CannedReply).where(col(CannedReply.removed_at).is_(None)).order_by(col(CannedReply.key))
    return list(await session.scalars(kept))


async def get(session: AsyncSession, key: str) -> CannedReply:
    """Raises NotFound."""
    found = await _find(session, key)
    if found is None or found.removed_at is not None:
        raise NotFound("There is no such saved reply; somebody may have removed it.")
    return found


async def put(
    session: AsyncSession,
    tenant_id: UUID,
    key: str,
    title: str,
    text: str,
    *,
    former: str | None = None,
    may_exist: bool = False,
    actor: str,
) -> str:
    """Adds one, or changes the one that was called ``former``; gives its key. ``may_exist``: one that has it
    is changed.

    Raises:
        Mistakes: by field, with a sentence for each.
        NotFound: there is none that is called ``former``.
        Conflict: there are too many already.
    """
    key, title, text = key.strip().lower().removeprefix("/"), title.strip(), text.strip().replace("\r\n", "\n")
    if mistakes := _mistakes(key, title, text):
        raise Mistakes(mistakes)
    # One after the other, so that they can be counted and no two get one key.
    await tenant_settings.locked(session, tenant_id)
    found = await _find(session, key)
    is_there = found is not None and found.removed_at is None
    changed: CannedReply | None
    if former is not None:
        changed = await get(session, former)
        if is_there and found is not changed:
            raise Mistakes({"key": f"“/{key}” is another saved reply."})
    elif is_there and not may_exist:
        raise Mistakes({"key": f"“/{key}” is a saved reply already."})
    else:
        changed = found if is_there else None
    if found is not None and not is_there:
        await session.delete(found)
        await session.flush()
    if changed is None:
        if await _count(session) >= MOST:
            raise Conflict(f"There are {MOST} saved replies, which is as many as there can be: remove one first.")
        changed = CannedReply(tenant_id=tenant_id, id=new_id(), key=key, title=title, body=text, created_by=actor)
        session.add(changed)
        action = "added"
    elif (changed.key, changed.title, changed.body) == (key, title, text):
        return key
    else:
        changed.key, changed.title, changed.body, changed.updated_at = key, title, text, utc_now()
        action = "changed"
    _record(session, tenant_id, actor, action, key)
    return key


async def remove(session: AsyncSession, tenant_id: UUID, key: str, *, actor: str) -> None:
    """Raises NotFound."""
    found = await get(session, key)
    found.removed_at = utc_now()
    await session.execute(delete(CannedReply).where(col(CannedReply.removed_at) < utc_now() - KEPT_FOR))
    _record(session, tenant_id, actor, "removed", key)


async def restore(session: AsyncSession, tenant_id: UUID, key: str, *, actor: str) -> None:
    """Has one back that was removed. Once more is no error. Raises NotFound, and Conflict as ``put`` does."""
    await tenant_settings.locked(session, tenant_id)
    found = await _find(session, key)
    if found is None:
        raise NotFound("It was removed too long ago to be had back.")
    if found.removed_at is None:
        return
    if await _count(session) >= MOST:
        raise Conflict(f"There are {MOST} saved replies, which is as many as there can be: remove one first.")
    found.removed_at = None
    _record(session, tenant_id, actor, "restored", key)


def filled(text: str, *, contact: str, agent: str, business: str) -> str:
    """With names in their places. One that is not known leaves no gap."""
    names = {"contact": contact, "agent": agent, "business": business}
    put_in = _PLACES.sub(lambda place: names[place[1]], text)
    return put_in if contact else re.sub(r" +([,.!?])", r"\1", put_in)


def _mistakes(key: str, title: str, text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    if not _KEY.fullmatch(key):
        found["key"] = f"Use small letters, digits and hyphens, {MOST_OF_KEY} at most."
    elif key == _NO_KEY:
        found["key"] = "This word is taken: choose another one."
    if not title:
        found["title"] = "Give it a title."
    elif len(title) > MOST_OF_TITLE or not title.isprintable():
        found["title"] = f"Use at most {MOST_OF_TITLE} characters, in one line."
    unknown = sorted({place for place in _ANY.findall(text) if not _PLACES.fullmatch(f"{{{place}}}")})
    if not text:
        found["text"] = "Write what it says."
    elif len(text) > MOST_OF_TEXT:
        found["text"] = f"Use at most {MOST_OF_TEXT:,} characters."
    elif "\0" in text:
        found["text"] = "It holds a character that cannot be kept."
    elif unknown:
        known = "there are {contact}, {agent} and {business}"
        found["text"] = f"“{{{unknown[0]}}}” is nothing that is filled in; {known}."
    return found


async def _find(session: AsyncSession, key: str) -> CannedReply | None:
    found: CannedReply | None = await session.scalar(select(CannedReply).where(col(CannedReply.key) == key))
    return found


async def _count(session: AsyncSession) -> int:
    kept = select(func.count()).select_from(CannedReply).where(col(CannedReply.removed_at).is_(None))
    return await session.scalar(kept) or 0


def _record(session: AsyncSession, tenant_id: UUID, actor: str, what: str, key: str) -> None:
    audit.record(session, tenant_id=tenant_id, actor=actor, action=f"saved_reply.{what}", key=key)
