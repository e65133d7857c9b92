"""Sources of knowledge: all of them, and one with its documents, how far it is, and who searches it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, cast, get_args
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from konstruct import temporal
from konstruct.designs import using
from konstruct.designs.using import User
from konstruct.errors import Unavailable
from konstruct.identity import id_in
from konstruct.knowledge import documents, sources
from konstruct.tables import KnowledgeDocument, KnowledgeSource
from portal import knowledge_words
from portal.access import Member, may
from portal.knowledge_words import State
from portal.rendering import Toast, redirect, render
from portal.services import services

router = APIRouter(prefix="/t/{tenant}/knowledge")

Reader = Annotated[Member, Depends(may("knowledge.read"))]
Editor = Annotated[Member, Depends(may("knowledge.edit"))]

PAGE: Final = 50
STATES: Final = get_args(documents.State)


@dataclass(frozen=True)
class Shown:
    row: KnowledgeSource
    counts: dict[str, int]
    users: Sequence[User]

    @property
    def state(self) -> State:
        return knowledge_words.state(self.row, self.counts)

    @property
    def is_busy(self) -> bool:
        return knowledge_words.is_busy(self.row)

    @property
    def documents(self) -> int:
        return sum(self.counts.values())


@router.get("")
async def every(request: Request, member: Reader) -> Response:
    async with services(request).database.tenant_session(member.tenant_id) as session:
        rows = await sources.listing(session)
        counts = await documents.counts(session)
        users = await using.users(session)
    shown = [Shown(row, counts.get(row.id, {}), users.of_source(row.key)) for row in rows]
    return render(request, "pages/knowledge/list.html", block="sources", sources=shown, words=knowledge_words)


@router.get("/{source}")
async def one(
    request: Request, member: Reader, source: str, state: str = "", q: str = "", after: str = "", before: str = ""
) -> Response:
    return await page(request, member, source, state=state, q=q, after=after, before=before)


@router.post("/{source}/sync")
async def sync(request: Request, member: Editor, source: str) -> Response:
    async with services(request).database.tenant_session(member.tenant_id) as session:
        source_id = await sources.request_sync(session, member.tenant_id, source, member.actor)
    await start_sync(request, member, source_id)
    return redirect(request, url(member, source), toast=Toast("It is read again."))


async def start_sync(request: Request, member: Member, source_id: UUID) -> None:
    """When Temporal is away the sweep does so later, and until then the page says that it waits."""
    try:
        await temporal.start_sync(await services(request).temporal(), member.tenant_id, source_id)
    except Unavailable:
        return


def url(member: Member, source: str = "") -> str:
    base = f"/t/{member.tenant_slug}/knowledge"
    return f"{base}/{source}" if source else base


async def shown(session: AsyncSession, key: str) -> Shown:
    """Raises NotFound."""
    row = await sources.called(session, key)
    counts = (await documents.counts(session, row.id)).get(row.id, {})
    return Shown(row, counts, (await using.users(session)).of_source(key))


async def page(
    request: Request,
    member: Member,
    source: str,
    *,
    status: int = 200,
    state: str = "",
    q: str = "",
    after: str = "",
    before: str = "",
    **more: Any,
) -> Response:
    """``more``: what an act has to say."""
    wanted = cast(documents.State, state) if state in STATES else None
    words = q.strip()[:200]
    later, earlier = id_in(after), id_in(before)
    async with services(request).database.tenant_session(member.tenant_id) as session:
        found = await shown(session, source)
        rows = await documents.listing(
            session, source, state=wanted, called=words, at_most=PAGE + 1, after=later, before=earlier
        )
        rows, has_more = (rows[-PAGE:] if earlier else rows[:PAGE]), len(rows) > PAGE
        originals = await _originals(session, rows)
    return render(
        request,
        "pages/knowledge/source.html",
        status,
        block="live",
        shown=found,
        documents=rows,
        originals=originals,
        state=wanted or "",
        states=STATES,
        q=words,
        earlier=rows[0].id if rows and (later or (earlier and has_more)) else None,
        later=rows[-1].id if rows and (earlier or has_more) else None,
        words=knowledge_words,
        largest=documents.LARGEST,
        **({"results": [], "confirm_error": None} | more),
    )


async def _originals(session: AsyncSession, rows: Sequence[KnowledgeDocument]) -> dict[UUID, str]:
    """The names of what is searched in place of duplicates."""
    wanted = {row.duplicate_of for row in rows if row.duplicate_of}
    return {each.id: each.name for each in await documents.several(session, wanted)} if wanted else {}
