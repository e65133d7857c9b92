"""Sources of knowledge: where documents come from, how often they are looked for there, and whose word they are."""

import re
import unicodedata
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from typing import Any, Final, Literal, get_args
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct import audit, tenant_settings
from konstruct.billing import enforcing
from konstruct.errors import BadInput, Conflict, NotFound
from konstruct.identity import new_id
from konstruct.tables import KnowledgeDocument, KnowledgeSource
from konstruct.tables.base import utc_now

Kind = Literal["files", "page", "sitemap"]

LEAST_INTERVAL: Final = timedelta(minutes=15)
LONGEST_INTERVAL: Final = timedelta(days=365)
LONGEST_URL: Final = 2_000
LONGEST_TITLE: Final = 200

_KEY: Final = re.compile(r"[a-z][a-z0-9-]{0,62}")
_INTERVAL: Final = re.compile(r"\s*([0-9]{1,6})?\s*(minute|hour|day|week)s?\s*")


@dataclass(frozen=True)
class SourceSettings:
    """``url``: the page, or the sitemap; none of files. ``title``: the key, when it is empty."""

    kind: Kind
    title: str = ""
    url: str | None = None
    sync_every: timedelta | None = None
    is_trusted: bool = False
    """Whether nobody but the tenant writes what is in it."""


def interval(text: str) -> timedelta:
    """Reads ``1 day``, ``6 hours``, ``week``; raises BadInput for what is none, too short or too long."""
    match = _INTERVAL.fullmatch(text)
    every = timedelta(**{f"{match[2]}s": int(match[1] or 1)}) if match else timedelta(0)
    if not LEAST_INTERVAL <= every <= LONGEST_INTERVAL:
        raise BadInput(
            f"“{text}” is no interval: write how often, from 15 minutes to a year, for example 1 day or 6 hours."
        )
    return every


async def put(session: AsyncSession, tenant_id: UUID, key: str, settings: SourceSettings, actor: str) -> list[str]:
    """Makes the source, or alters it; says which fields changed, all of them for a new one.

    Raises:
        BadInput: the key or a setting cannot be used.
        Conflict: the key is of a source of another kind.
        OverPlan: as much is known as the tenant's plan includes.
    """
    check_settings(key, settings)
    wanted = {
        "kind": settings.kind,
        "title": settings.title or key,
        "url": settings.url,
        "is_trusted": settings.is_trusted,
        "sync_every_seconds": int(settings.sync_every.total_seconds()) if settings.sync_every else None,
    }
    is_new = await session.scalar(
        insert(KnowledgeSource)
        .values(
            tenant_id=tenant_id,
            id=new_id(),
            key=key,
            status="removed",
            status_changed_at=utc_now(),
            found=0,
            done=0,
            created_at=utc_now(),
            **wanted,
        )
        .on_conflict_do_nothing(index_elements=["tenant_id", "key"])
        .returning(col(KnowledgeSource.id))
    )
    row = (
        await session.scalars(select(KnowledgeSource).where(col(KnowledgeSource.key) == key).with_for_update())
    ).one()
    was_removed = row.status == "removed"
    if not was_removed and row.kind != settings.kind:
        raise Conflict(f"The source {key!r} is of kind {row.kind}: remove it first, or choose another key.")
    changed = [name for name, value in wanted.items() if is_new or was_removed or getattr(row, name) != value]
    for name, value in wanted.items():
        setattr(row, name, value)
    if was_removed:
        await enforcing.require_knowledge(session)
        row.found = row.done = 0
        row.synced_at = row.sync_id = None
        turn(row, "idle")
    if settings.kind != "files" and {"url", "sync_every_seconds"} & set(changed):
        # What is under way looks in the wrong place, and finds itself superseded.
        row.sync_id = None
        turn(row, "waiting")
        row.next_sync_at = utc_now()
    if changed:
        audit.record(
            session,
            tenant_id=tenant_id,
            actor=actor,
            action="knowledge.source_added" if was_removed else "knowledge.source_changed",
            source=key,
            fields=changed,
        )
    return changed


async def add(session: AsyncSession, tenant_id: UUID, settings: SourceSettings, actor: str) -> str:
    """Makes one whose key is made of its title; gives the key. Raises as ``put`` does, and Conflict where there is one
    of this address already."""
    # Of two who make one at once, the later one sees that of the other.
    await tenant_settings.locked(session, tenant_id)
    known = {row.key: row for row in await session.scalars(select(KnowledgeSource))}
    there = [row for row in known.values() if row.status != "removed"]
    twin = next((row for row in there if settings.url and row.url == settings.url), None)
    if twin is not None:
        raise Conflict(f"“{twin.title}” is read from this address already.")
    plain = unicodedata.normalize("NFKD", settings.title).encode("ascii", "ignore").decode().lower()
    start = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:50].strip("-")
    start = start if _KEY.fullmatch(start) else f"source-{start}".strip("-")
    numbered = (start if number == 1 else f"{start}-{number}" for number in count(1))
    # Not that of one that was removed either: an employee may still name it, and would search this one.
    key = next(each for each in numbered if each not in known)
    await put(session, tenant_id, key, settings, actor)
    return key


async def remove(session: AsyncSession, tenant_id: UUID, key: str, actor: str) -> None:
    """With all its documents; raises NotFound when there is none."""
    row = await held(session, await find_id(session, key))
    gone = await session.execute(delete(KnowledgeDocument).where(col(KnowledgeDocument.source_id) == row.id))
    turn(row, "removed")
    row.found = row.done = 0
    row.next_sync_at = row.sync_id = None
    audit.record(
        session,
        tenant_id=tenant_id,
        actor=actor,
        action="knowledge.source_removed",
        source=key,
        documents=gone.rowcount,  # type: ignore[attr-defined]  # A delete's result has one.
    )


async def find_id(session: AsyncSession, key: str) -> UUID:
    return (await called(session, key)).id


async def called(session: AsyncSession, key: str) -> KnowledgeSource:
    """Raises NotFound, also for one that was removed."""
    row = await session.scalar(select(KnowledgeSource).where(*_there(), col(KnowledgeSource.key) == key))
    return _known(row, key)


async def held(session: AsyncSession, source_id: UUID) -> KnowledgeSource:
    """Held until the end of the transaction, as whatever changes its documents must; raises NotFound.

    Always taken before its documents, so that no two wait for each other.
    """
    row = await session.scalar(
        select(KnowledgeSource)
        .where(*_there(), col(KnowledgeSource.id) == source_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    return _known(row, str(source_id))


async def listing(session: AsyncSession) -> list[KnowledgeSource]:
    """By their keys, without those that were removed."""
    return list(await session.scalars(select(KnowledgeSource).where(*_there()).order_by(col(KnowledgeSource.key))))


async def request_sync(session: AsyncSession, tenant_id: UUID, key: str, actor: str) -> UUID:
    """Has what is there looked for again, as soon as may be; nothing, while that is under way. The source's id."""
    row = await held(session, await find_id(session, key))
    ask(row)
    audit.record(session, tenant_id=tenant_id, actor=actor, action="knowledge.sync_requested", source=key)
    return row.id


def ask(row: KnowledgeSource) -> None:
    """A synchronisation that is under way looks for what came meanwhile before it ends."""
    if row.status != "syncing":
        turn(row, "waiting")
        row.next_sync_at = utc_now()


def turn(row: KnowledgeSource, status: str, reason: str | None = None) -> None:
    row.status, row.status_reason, row.status_changed_at = status, reason, utc_now()


def _there() -> list[Any]:
    return [col(KnowledgeSource.status) != "removed"]


def _known(row: KnowledgeSource | None, named: str) -> KnowledgeSource:
    if row is None:
        raise NotFound(f"There is no knowledge source {named!r}.")
    return row


def check_settings(key: str, settings: SourceSettings) -> None:
    """Raises BadInput."""
    if not _KEY.fullmatch(key):
        raise BadInput(
            f"{key!r} is no key of a source: use lower-case letters, digits and hyphens, at most 63, a letter first."
        )
    if settings.kind not in get_args(Kind):
        raise BadInput(f"{settings.kind!r} is no kind of source: choose files, page or sitemap.")
    if len(settings.title) > LONGEST_TITLE or not settings.title.isprintable():
        raise BadInput(f"The title of {key} must be one line of at most {LONGEST_TITLE} characters.")
    if settings.sync_every is not None and not LEAST_INTERVAL <= settings.sync_every <= LONGEST_INTERVAL:
        raise BadInput(f"{key} can be synchronised from every 15 minutes to once a year.")
    if settings.kind == "files":
        if settings.url or settings.sync_every:
            raise BadInput(f"{key} takes files that are handed in: it has neither an address nor an interval.")
    elif not _is_address(settings.url or ""):
        raise BadInput(f"{key} needs the whole address of a {settings.kind}, such as https://example.com/help.")


def _is_address(url: str) -> bool:
    """Whether it may be asked is for the web's own door to say."""
    try:
        parts = urlsplit(url)
        return (
            len(url) <= LONGEST_URL
            and url.isprintable()
            and " " not in url
            and parts.scheme in ("http", "https")
            and bool(parts.hostname)
            and "@" not in parts.netloc
            and (parts.port is None or parts.port > 0)
        )
    except ValueError:
        return False
