"""Routes of the sources of knowledge: what they are, how far their documents are, and that they are looked at again."""

from contextlib import suppress
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from temporalio.client import Client

from gateway.api import shapes
from gateway.api.access import Access
from gateway.api.outside import Outside
from gateway.api.shapes import Given, Shown, SourceKey
from konstruct import api_keys, temporal
from konstruct.api_keys import Principal
from konstruct.db import Database
from konstruct.designs import using
from konstruct.errors import BadInput, Unavailable, WebError
from konstruct.knowledge import checking, sources
from konstruct.knowledge.sources import Kind, SourceSettings


class Source(Shown):
    key: str
    kind: Kind
    title: str
    url: str | None
    is_trusted: bool
    sync_every_seconds: int | None
    status: Literal["idle", "waiting", "syncing", "failed", "removed"]
    status_reason: str | None = Field(description="A sentence, where something is amiss.")
    found: int = Field(description="Documents that the latest synchronisation found.")
    done: int = Field(description="How many of these are settled, well or not.")
    synced_at: datetime | None
    next_sync_at: datetime | None
    created_at: datetime


class SourceShown(Source):
    employees: list[str] = Field(description="The keys of those that search it.")


class Address(Given):
    kind: Literal["page", "sitemap"]
    url: Annotated[str, Field(max_length=2_000)]


class Checked(BaseModel):
    pages: int = Field(description="How many would be read.")
    examples: list[str]
    reason: str | None = Field(description="A sentence, where those are not all that there are.")


class Sources(BaseModel):
    sources: list[Source]


class WantedSource(Given):
    kind: Kind
    title: Annotated[str, Field(description="What people call it; the key, if it is left out.")] = ""
    url: Annotated[str | None, Field(description="Of the page or the sitemap.")] = None
    sync_every: Annotated[str | None, Field(description="Such as 6 hours or 1 day.")] = None
    is_trusted: Annotated[bool, Field(description="Whether nobody but the tenant writes what is in it.")] = False

    def settings(self) -> SourceSettings:
        every = sources.interval(self.sync_every) if self.sync_every is not None else None
        return SourceSettings(self.kind, self.title, self.url, every, self.is_trusted)


async def start_sync(client: Client, tenant_id: UUID, source_id: UUID) -> None:
    """Has what waits in a source looked at now. When Temporal is away the sweep does so later."""
    with suppress(Unavailable):
        await temporal.start_sync(client, tenant_id, source_id)


def router(access: Access, database: Database, client: Client, outside: Outside) -> APIRouter:
    routes = APIRouter(prefix="/knowledge", tags=["knowledge"])

    @routes.get("/sources")
    async def list_sources(caller: Annotated[Principal, access.needs("knowledge:read")]) -> Sources:
        async with database.tenant_session(caller.tenant_id) as session:
            return Sources(sources=[Source.model_validate(row) for row in await sources.listing(session)])

    @routes.get("/sources/{key}")
    async def show_source(caller: Annotated[Principal, access.needs("knowledge:read")], key: SourceKey) -> SourceShown:
        async with database.tenant_session(caller.tenant_id) as session:
            row = await sources.called(session, key)
            users = (await using.users(session)).of_source(key)
        return SourceShown(**Source.model_validate(row).model_dump(), employees=[user.key for user in users])

    @routes.post("/check", openapi_extra=shapes.takes(Address))
    async def check_address(caller: Annotated[Principal, access.needs("knowledge:write")], request: Request) -> Checked:
        """Asks an address as a source would be asked, and keeps nothing."""
        address = await shapes.read(request, Address)
        try:
            found = await checking.check(outside.web, address.kind, address.url)
        except WebError as error:
            raise BadInput(str(error)) from None
        return Checked(pages=found.pages, examples=list(found.examples), reason=found.reason)

    @routes.put("/sources/{key}", openapi_extra=shapes.takes(WantedSource))
    async def put_source(
        caller: Annotated[Principal, access.needs("knowledge:write")], key: SourceKey, request: Request
    ) -> Source:
        """Makes the source, or alters it to be as the body says."""
        wanted = (await shapes.read(request, WantedSource)).settings()
        async with database.tenant_session(caller.tenant_id) as session:
            actor = await api_keys.actor_of(session, caller.key_id)
            await sources.put(session, caller.tenant_id, key, wanted, actor)
            row = await sources.called(session, key)
        if row.status == "waiting":
            await start_sync(client, caller.tenant_id, row.id)
        return Source.model_validate(row)

    @routes.delete("/sources/{key}", status_code=204)
    async def remove_source(caller: Annotated[Principal, access.needs("knowledge:write")], key: SourceKey) -> None:
        """With all its documents."""
        async with database.tenant_session(caller.tenant_id) as session:
            actor = await api_keys.actor_of(session, caller.key_id)
            await sources.remove(session, caller.tenant_id, key, actor)

    @routes.post("/sources/{key}/sync", status_code=202)
    async def sync(caller: Annotated[Principal, access.needs("knowledge:write")], key: SourceKey) -> Source:
        """Has what is there looked for again; nothing, while that is under way."""
        async with database.tenant_session(caller.tenant_id) as session:
            actor = await api_keys.actor_of(session, caller.key_id)
            source_id = await sources.request_sync(session, caller.tenant_id, key, actor)
            row = await sources.called(session, key)
        await start_sync(client, caller.tenant_id, source_id)
        return Source.model_validate(row)

    return routes
