"""Documents: files as they are handed in, and all documents with what became of them. Reading them is not done here."""

import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal
from uuid import UUID

from sqlalchemy import LargeBinary, func, literal, or_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import defer
from sqlmodel import col, select

from konstruct import audit
from konstruct.billing import enforcing
from konstruct.db import among
from konstruct.errors import BadInput, Conflict, NotFound
from konstruct.identity import new_id
from konstruct.knowledge import sources, syncs
from konstruct.tables import KnowledgeChunk, KnowledgeContent, KnowledgeDocument, KnowledgeSource
from konstruct.tables.base import utc_now

LARGEST: Final = 20_000_000
"""Bytes of one file."""
LONGEST_NAME: Final = 255
MOST_CALLED_SO: Final = 10

State = Literal["waiting", "indexed", "duplicate", "failed"]


@dataclass(frozen=True)
class Put:
    document_id: UUID
    outcome: Literal["new", "changed", "unchanged"]


async def put(
    session: AsyncSession,
    tenant_id: UUID,
    source_key: str,
    name: str,
    content: bytes,
    *,
    media_type: str | None = None,
    actor: str,
) -> Put:
    """Takes in a file, or a new version of the file of this name, to be read soon.

    Raises:
        NotFound: there is no such source.
        BadInput: the source takes no files, or this is none that can be taken.
        OverPlan: as much is known as the tenant's plan includes.
    """
    name = _checked(name, content)
    row = await _held_files(session, source_key)
    known = await session.scalar(_named(row.id, name))
    if known is not None and known.status != "failed" and await _is_same(session, known.id, content):
        return Put(known.id, "unchanged")
    if known is None:
        # How much text is in it is found when it is read; then it is judged again.
        await enforcing.require_knowledge(session)
    document = known or KnowledgeDocument(tenant_id=tenant_id, id=new_id(), source_id=row.id, name=name, title=name)
    document.status, document.error = "waiting", None
    document.media_type, document.size = media_type, len(content)
    document.seen_in, document.updated_at, document.tries = None, utc_now(), 0
    session.add(document)
    await session.flush()
    await session.execute(
        insert(KnowledgeContent)
        .values(tenant_id=tenant_id, document_id=document.id, content=content)
        .on_conflict_do_update(index_elements=["tenant_id", "document_id"], set_={"content": content})
    )
    sources.ask(row)
    _record(session, row, "changed" if known else "added", name, actor)
    return Put(document.id, "changed" if known else "new")


async def remove(session: AsyncSession, tenant_id: UUID, source_key: str, name: str, actor: str) -> None:
    """Raises NotFound; BadInput when the source is one whose documents are removed where they come from."""
    row = await _held_files(session, source_key)
    document = await session.scalar(_named(row.id, unicodedata.normalize("NFC", name)))
    if document is None:
        raise NotFound(f"There is no document {name!r} in {source_key!r}.")
    await syncs.leave(session, row, [document.id])
    await syncs.count_done(session, row)
    _record(session, row, "removed", name, actor)


async def get(session: AsyncSession, document_id: UUID) -> KnowledgeDocument:
    """Raises NotFound."""
    document = await session.scalar(select(KnowledgeDocument).where(col(KnowledgeDocument.id) == document_id))
    if document is None:
        raise NotFound("There is no such document.")
    return document


async def listing(
    session: AsyncSession,
    source_key: str,
    *,
    state: State | None = None,
    called: str = "",
    at_most: int = 100,
    after: UUID | None = None,
    before: UUID | None = None,
) -> Sequence[KnowledgeDocument]:
    """In the order in which they were first found, those after the document ``after``; raises NotFound.

    ``called``: what their names or titles hold. ``before``: the latest so many of those before this document.
    """
    source_id = await sources.find_id(session, source_key)
    id_ = col(KnowledgeDocument.id)
    wanted: list[Any] = [col(KnowledgeDocument.source_id) == source_id]
    if state is not None:
        wanted.append(col(KnowledgeDocument.status) == state)
    if called:
        wanted.append(
            or_(
                col(KnowledgeDocument.name).icontains(called, autoescape=True),
                col(KnowledgeDocument.title).icontains(called, autoescape=True),
            )
        )
    if after is not None:
        wanted.append(id_ > after)
    if before is not None:
        wanted.append(id_ < before)
    order = id_.desc() if before is not None else id_
    found = (await session.scalars(select(KnowledgeDocument).where(*wanted).order_by(order).limit(at_most))).all()
    return found[::-1] if before is not None else found


async def several(session: AsyncSession, document_ids: Collection[UUID]) -> Sequence[KnowledgeDocument]:
    """Those of them that there are."""
    return (
        await session.scalars(select(KnowledgeDocument).where(among(col(KnowledgeDocument.id), document_ids)))
    ).all()


async def counts(session: AsyncSession, source_id: UUID | None = None) -> dict[UUID, dict[str, int]]:
    """How many documents each source has, or this one alone, by what became of them."""
    each = col(KnowledgeDocument.source_id), col(KnowledgeDocument.status)
    query = select(*each, func.count()).group_by(*each)
    rows = await session.execute(query if source_id is None else query.where(each[0] == source_id))
    found: dict[UUID, dict[str, int]] = {}
    for source_id, status, count in rows:
        found.setdefault(source_id, {})[status] = count
    return found


async def passages(
    session: AsyncSession, document_id: UUID, *, after: int = -1, at_most: int = 20
) -> Sequence[KnowledgeChunk]:
    """As they are searched, in the document's order: those after the place ``after``."""
    return (
        await session.scalars(
            select(KnowledgeChunk)
            .options(defer(KnowledgeChunk.words))  # type: ignore[arg-type]  # SQLModel's attributes are columns here.
            .where(col(KnowledgeChunk.document_id) == document_id, col(KnowledgeChunk.position) > after)
            .order_by(col(KnowledgeChunk.position))
            .limit(at_most)
        )
    ).all()


async def read_again(session: AsyncSession, tenant_id: UUID, document_id: UUID, actor: str) -> KnowledgeSource:
    """Has one that could not be read tried again: its file, or all that its site has. Gives its source.

    Raises:
        NotFound: there is no such document.
        Conflict: there is nothing to be tried again.
    """
    document = await get(session, document_id)
    row = await sources.held(session, document.source_id)
    await session.refresh(document)
    if document.status != "failed":
        raise Conflict(f"{document.name} is not one that could not be read.")
    if row.kind == "files":
        document.status, document.error, document.seen_in, document.updated_at = "waiting", None, None, utc_now()
    sources.ask(row)
    _record(session, row, "tried_again", document.name, actor)
    return row


async def called(session: AsyncSession, source_keys: Collection[str], name: str) -> Sequence[KnowledgeDocument]:
    """What can be read in these sources and has this name or, behind those, this title."""
    is_named = func.lower(col(KnowledgeDocument.name)) == name.lower()
    return (
        await session.scalars(
            select(KnowledgeDocument)
            .join(KnowledgeSource, col(KnowledgeSource.id) == col(KnowledgeDocument.source_id))
            .where(col(KnowledgeSource.key).in_(source_keys), col(KnowledgeSource.status) != "removed")
            .where(col(KnowledgeDocument.status).in_(("indexed", "duplicate")))
            .where(or_(is_named, func.lower(col(KnowledgeDocument.title)) == name.lower()))
            .order_by(is_named.desc(), col(KnowledgeDocument.id))
            .limit(MOST_CALLED_SO)
        )
    ).all()


async def content_of(session: AsyncSession, document_id: UUID) -> bytes:
    """What was handed in; raises NotFound."""
    content = await session.scalar(
        select(col(KnowledgeContent.content)).where(col(KnowledgeContent.document_id) == document_id)
    )
    if content is None:
        raise NotFound("There is no such file any more.")
    return content


async def _held_files(session: AsyncSession, source_key: str) -> KnowledgeSource:
    row = await sources.held(session, await sources.find_id(session, source_key))
    if row.kind != "files":
        raise BadInput(f"What is in {source_key!r} comes from {row.url}: it is changed and removed there.")
    return row


def _named(source_id: UUID, name: str) -> Any:
    return select(KnowledgeDocument).where(
        col(KnowledgeDocument.source_id) == source_id, col(KnowledgeDocument.name) == name
    )


async def _is_same(session: AsyncSession, document_id: UUID, content: bytes) -> bool:
    return bool(
        await session.scalar(
            select(col(KnowledgeContent.content) == literal(content, LargeBinary)).where(
                col(KnowledgeContent.document_id) == document_id
            )
        )
    )


def _record(session: AsyncSession, row: KnowledgeSource, what: str, name: str, actor: str) -> None:
    audit.record(
        session,
        tenant_id=row.tenant_id,
        actor=actor,
        action=f"knowledge.document_{what}",
        source=row.key,
        document=name,
    )


def _checked(name: str, content: bytes) -> str:
    name = unicodedata.normalize("NFC", name)
    if not name.strip() or len(name) > LONGEST_NAME or not name.isprintable():
        raise BadInput(f"A document needs a name of one line, of at most {LONGEST_NAME} characters.")
    if not content:
        raise BadInput(f"{name} is empty.")
    if len(content) > LARGEST:
        raise BadInput(f"{name} has {len(content):,} bytes; {LARGEST:,} are the most that a document may have.")
    return name
