"""Routes of documents: uploads, what became of each, and a search to try out what can be found in them."""

import re
from datetime import datetime
from typing import Annotated, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from temporalio.client import Client

from gateway import bodies
from gateway.api import shapes
from gateway.api.access import Access
from gateway.api.shapes import Given, Shown, SourceKey
from gateway.api.sources import start_sync
from konstruct import api_keys
from konstruct.api_keys import Principal
from konstruct.db import Database
from konstruct.knowledge import documents, sources, trying
from konstruct.vault import Vault

UPLOAD_SECONDS: Final = 120.0
"""For all of one file."""

# A tool such as curl says this of whatever it sends.
_SAYS_NOTHING: Final = "application/x-www-form-urlencoded"
_MEDIA_TYPE: Final = re.compile(r"[!-~]{1,100}/[ -~]{1,100}")


class Document(Shown):
    id: UUID
    name: str
    title: str
    link: str | None
    media_type: str | None
    size: int = Field(description="Bytes.")
    status: documents.State
    error: str | None = Field(description="A sentence, where it could not be read.")
    chunks: int = Field(description="Passages that it was cut into.")
    duplicate_of: UUID | None = Field(description="The document of the same content that is searched in its place.")
    indexed_at: datetime | None
    updated_at: datetime


class Documents(BaseModel):
    documents: list[Document] = Field(description="In the order in which they were first found.")
    next: UUID | None = Field(description="What `after` has to be for the next page; null when this one is empty.")


class DocumentsPage(Given):
    state: documents.State | None = None
    called: Annotated[str, Field(max_length=200, description="What names or titles hold.")] = ""
    limit: Annotated[int, Field(ge=1, le=100)] = 50
    after: UUID | None = Field(None, description="The `next` of the page before.")


class Uploaded(BaseModel):
    id: UUID
    outcome: Literal["new", "changed", "unchanged"]


class Chunk(Shown):
    position: int
    headings: list[str]
    text: str
    page: int | None


class Chunks(BaseModel):
    passages: list[Chunk] = Field(description="As they are searched, in the document's order.")
    next: int | None = Field(description="What `after` has to be for the next page; null when this one is empty.")


class ChunksPage(Given):
    limit: Annotated[int, Field(ge=1, le=100)] = 50
    after: Annotated[int, Field(ge=-1, le=1_000_000)] = -1


class Question(Given):
    query: Annotated[str, Field(min_length=1, max_length=2_000)]
    sources: Annotated[list[str] | None, Field(max_length=100, description="Their keys; all sources if left out.")] = (
        None
    )
    limit: Annotated[int, Field(ge=1, le=20)] = 8


class Passage(Shown):
    document_id: UUID
    source_key: str
    title: str
    link: str | None
    headings: list[str]
    text: str
    page: int | None
    score: float
    is_trusted: bool


class Passages(BaseModel):
    passages: list[Passage] = Field(description="What an employee would be shown, best first.")
    misses: list[Passage] = Field(description="What comes next, and is not near enough.")
    by_meaning: bool = Field(description="false: no worker answered in time, and it was looked up by its words alone.")


def router(access: Access, database: Database, vault: Vault, client: Client) -> APIRouter:
    routes = APIRouter(prefix="/knowledge", tags=["knowledge"])

    @routes.get("/sources/{key}/documents")
    async def list_documents(
        caller: Annotated[Principal, access.needs("knowledge:read")],
        key: SourceKey,
        page: Annotated[DocumentsPage, Query()],
    ) -> Documents:
        async with database.tenant_session(caller.tenant_id) as session:
            found = await documents.listing(
                session, key, state=page.state, called=page.called, at_most=page.limit, after=page.after
            )
        return Documents(
            documents=[Document.model_validate(row) for row in found], next=found[-1].id if found else None
        )

    @routes.post(
        "/sources/{key}/documents",
        status_code=202,
        openapi_extra={
            "requestBody": {
                "required": True,
                "description": f"The file itself, of at most {documents.LARGEST} bytes.",
                "content": {"*/*": {"schema": {"type": "string", "format": "binary"}}},
            }
        },
    )
    async def upload(
        caller: Annotated[Principal, access.needs("knowledge:write")],
        key: SourceKey,
        name: Annotated[str, Query(description="Of the file. The same name again is a new version of it.")],
        request: Request,
    ) -> Uploaded:
        """Takes the file in; it is read soon, and its document says what came of that."""
        content = await bodies.read(request, most_bytes=documents.LARGEST, time_limit=UPLOAD_SECONDS)
        async with database.tenant_session(caller.tenant_id) as session:
            actor = await api_keys.actor_of(session, caller.key_id)
            put = await documents.put(
                session, caller.tenant_id, key, name, content, media_type=_media_type(request), actor=actor
            )
            source_id = await sources.find_id(session, key)
        await start_sync(client, caller.tenant_id, source_id)
        return Uploaded(id=put.document_id, outcome=put.outcome)

    @routes.get("/documents/{document_id}")
    async def show_document(
        caller: Annotated[Principal, access.needs("knowledge:read")], document_id: UUID
    ) -> Document:
        async with database.tenant_session(caller.tenant_id) as session:
            return Document.model_validate(await documents.get(session, document_id))

    @routes.get("/documents/{document_id}/passages")
    async def list_passages(
        caller: Annotated[Principal, access.needs("knowledge:read")],
        document_id: UUID,
        page: Annotated[ChunksPage, Query()],
    ) -> Chunks:
        async with database.tenant_session(caller.tenant_id) as session:
            await documents.get(session, document_id)
            found = await documents.passages(session, document_id, after=page.after, at_most=page.limit)
        return Chunks(
            passages=[Chunk.model_validate(each) for each in found], next=found[-1].position if found else None
        )

    @routes.post("/documents/{document_id}/again", status_code=202)
    async def read_again(caller: Annotated[Principal, access.needs("knowledge:write")], document_id: UUID) -> Document:
        """Has one that could not be read tried again; of a web site, with all else that is there."""
        async with database.tenant_session(caller.tenant_id) as session:
            actor = await api_keys.actor_of(session, caller.key_id)
            source = await documents.read_again(session, caller.tenant_id, document_id, actor)
            document = Document.model_validate(await documents.get(session, document_id))
        await start_sync(client, caller.tenant_id, source.id)
        return document

    @routes.delete("/documents/{document_id}", status_code=204)
    async def remove_document(caller: Annotated[Principal, access.needs("knowledge:write")], document_id: UUID) -> None:
        """Only of files that were handed in; what comes from a web site is removed there."""
        async with database.tenant_session(caller.tenant_id) as session:
            document = await documents.get(session, document_id)
            source = await sources.held(session, document.source_id)
            actor = await api_keys.actor_of(session, caller.key_id)
            await documents.remove(session, caller.tenant_id, source.key, document.name, actor)

    @routes.post("/search", openapi_extra=shapes.takes(Question))
    async def search_knowledge(
        caller: Annotated[Principal, access.needs("knowledge:read")], request: Request
    ) -> Passages:
        """As employees search: by meaning and by words."""
        question = await shapes.read(request, Question)
        answer = await trying.ask(
            *(database, vault, client, caller.tenant_id, question.query),
            source_keys=question.sources,
            at_most=question.limit,
        )
        return Passages(
            passages=[Passage.model_validate(passage) for passage in answer.passages],
            misses=[Passage.model_validate(passage) for passage in answer.misses],
            by_meaning=answer.by_meaning,
        )

    return routes


def _media_type(request: Request) -> str | None:
    said = request.headers.get("content-type", "")
    return said if _MEDIA_TYPE.fullmatch(said) and not said.startswith(_SAYS_NOTHING) else None
