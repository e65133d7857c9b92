"""Documents of a source: handed in, several at a time, looked at passage by passage, tried again, and removed."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from fastapi import APIRouter, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.datastructures import UploadFile
from starlette.responses import JSONResponse, Response

from konstruct.errors import BadInput, NotFound, TooMany
from konstruct.knowledge import documents, sources
from konstruct.ports import Limit
from konstruct.tables import KnowledgeDocument
from portal import knowledge_words, pacing
from portal.access import Member
from portal.pages.knowledge.sources import Editor, Reader, page, start_sync, url
from portal.rendering import Toast, redirect, render
from portal.services import services

router = APIRouter(prefix="/t/{tenant}/knowledge")

MOST_FILES: Final = 50
"""That one form hands in; with scripts each file is a request of its own."""
PASSAGES: Final = 20
_MOST_UPLOADS: Final = Limit(600, timedelta(minutes=10))
_SAYS: Final = {"new": "Taken in.", "changed": "Taken in as a new version.", "unchanged": "It is here already."}


@dataclass(frozen=True)
class Result:
    """What came of one file."""

    name: str
    says: str
    is_taken: bool


@router.post("/{source}/documents")
async def upload(request: Request, member: Editor, source: str) -> Response:
    async with request.form(max_files=MOST_FILES, max_fields=10) as form:
        given = [each for each in form.getlist("files") if isinstance(each, UploadFile) and each.filename]
        results = [await _taken(request, member, source, each) for each in given]
    if any(each.is_taken for each in results):
        async with services(request).database.tenant_session(member.tenant_id) as session:
            source_id = await sources.find_id(session, source)
        await start_sync(request, member, source_id)
    if request.headers.get("accept") == "application/json":
        return JSONResponse([vars(each) for each in results])
    if not results:
        return await page(request, member, source, status=422, results=[Result("", "Choose a file first.", False)])
    if not all(each.is_taken for each in results):
        return await page(request, member, source, status=422, results=results)
    many = "One file is" if len(results) == 1 else f"{len(results)} files are"
    return redirect(request, url(member, source), toast=Toast(f"{many} taken in, and read now."))


async def _taken(request: Request, member: Member, source: str, given: UploadFile) -> Result:
    """Raises NotFound when there is no such source; whatever is wrong with a file is a result."""
    name, content = (given.filename or "").replace("\\", "/").rpartition("/")[2], b""
    try:
        await pacing.count(request, member, "documents", _MOST_UPLOADS, "Files were handed in very often just now.")
        content = await given.read(documents.LARGEST + 1)
        async with services(request).database.tenant_session(member.tenant_id) as session:
            put = await documents.put(
                session,
                member.tenant_id,
                source,
                name,
                content,
                media_type=(given.content_type or "")[:200] or None,
                actor=member.actor,
            )
    except (BadInput, TooMany) as error:
        told = str(error)
        if isinstance(error, BadInput) and len(content) > documents.LARGEST:
            told = f"It is larger than {documents.LARGEST // 1_000_000} MB: split it into smaller files."
        return Result(name, told, False)
    return Result(name, _SAYS[put.outcome], True)


@router.get("/{source}/documents/{document_id}")
async def one(request: Request, member: Reader, source: str, document_id: UUID, after: int = -1) -> Response:
    """A document's passages, as they are searched; those behind the place ``after``."""
    async with services(request).database.tenant_session(member.tenant_id) as session:
        row = await sources.called(session, source)
        document = await _of(session, row.id, document_id)
        original = await documents.several(session, [document.duplicate_of] if document.duplicate_of else [])
        found = await documents.passages(session, document_id, after=max(-1, min(after, 10**6)), at_most=PASSAGES + 1)
    return render(
        request,
        "pages/knowledge/document.html",
        source=row,
        document=document,
        original=original[0] if original else None,
        passages=found[:PASSAGES],
        after=after,
        more=found[PASSAGES - 1].position if len(found) > PASSAGES else None,
        words=knowledge_words,
    )


async def _of(session: AsyncSession, source_id: UUID, document_id: UUID) -> KnowledgeDocument:
    """Raises NotFound for one of another source, too."""
    document = await documents.get(session, document_id)
    if document.source_id != source_id:
        raise NotFound("There is no such document.")
    return document


@router.post("/{source}/documents/{document_id}/again")
async def again(request: Request, member: Editor, source: str, document_id: UUID) -> Response:
    async with services(request).database.tenant_session(member.tenant_id) as session:
        await _of(session, await sources.find_id(session, source), document_id)
        row = await documents.read_again(session, member.tenant_id, document_id, member.actor)
    await start_sync(request, member, row.id)
    return redirect(request, url(member, source), toast=Toast("It is tried again."))


@router.post("/{source}/documents/{document_id}/remove")
async def remove(request: Request, member: Editor, source: str, document_id: UUID) -> Response:
    async with services(request).database.tenant_session(member.tenant_id) as session:
        source_id = await sources.find_id(session, source)
        document = await _of(session, source_id, document_id)
        await documents.remove(session, member.tenant_id, source, document.name, member.actor)
    # Whatever said the same is read in its place.
    await start_sync(request, member, source_id)
    return redirect(request, url(member, source), toast=Toast(f"“{document.title}” is not searched any more."))
