"""Routes of drafts: what employees are to be, changed on top of what was seen and of nothing else."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncSession

from gateway import bodies
from gateway.api import shapes
from gateway.api.access import Access
from gateway.api.employee_shapes import Draft, EmployeeKey, Fields
from gateway.api.outside import Outside
from gateway.api.shapes import Given
from konstruct import api_keys, pacing
from konstruct.api_keys import Principal
from konstruct.db import Database
from konstruct.designs import drafting, pictures
from konstruct.designs.content import Content as Kept
from konstruct.designs.drafting import Draft as Drafted
from konstruct.designs.drafting import Overtaken
from konstruct.errors import Conflict
from konstruct.ports import Limiter

Revision = Annotated[int, Field(ge=0, description="Of the draft that was looked at.")]


class Seen(Given):
    revision: Revision


class Changes(Seen):
    content: Fields = Field(description="What is to be changed; fields that are left out stay as they are.")


def router(access: Access, database: Database, limiter: Limiter, outside: Outside) -> APIRouter:
    routes = APIRouter(prefix="/employees/{key}", tags=["employees"])

    @routes.get("/draft")
    async def show_draft(caller: Annotated[Principal, access.needs("employees:read")], key: EmployeeKey) -> Draft:
        """Or what is published, where nobody has begun to change it."""
        async with database.tenant_session(caller.tenant_id) as session:
            return Draft.model_validate(await drafting.read(session, key))

    @routes.patch("/draft", openapi_extra=shapes.takes(Changes))
    async def change_draft(
        caller: Annotated[Principal, access.needs("employees:write")], key: EmployeeKey, request: Request
    ) -> Draft:
        """Saved whole or not: only publishing asks that all is there."""
        given = await shapes.read(request, Changes)
        async with database.tenant_session(caller.tenant_id) as session:
            return await changed(session, caller, key, given.revision, given.content.content())

    @routes.delete("/draft")
    async def discard_draft(
        caller: Annotated[Principal, access.needs("employees:write")], key: EmployeeKey, seen: Annotated[Seen, Query()]
    ) -> Draft:
        """Back to what is published. What was in it can be brought back until something else is saved."""
        async with database.tenant_session(caller.tenant_id) as session:
            actor = await api_keys.actor_of(session, caller.key_id)
            return _draft(await drafting.discard(session, key, revision=seen.revision, actor=actor))

    @routes.post("/draft/bring-back", openapi_extra=shapes.takes(Seen))
    async def bring_draft_back(
        caller: Annotated[Principal, access.needs("employees:write")], key: EmployeeKey, request: Request
    ) -> Draft:
        given = await shapes.read(request, Seen)
        async with database.tenant_session(caller.tenant_id) as session:
            actor = await api_keys.actor_of(session, caller.key_id)
            return _draft(await drafting.bring_back(session, key, revision=given.revision, actor=actor))

    @routes.post("/draft/take-in", openapi_extra=shapes.takes(Seen))
    async def take_in_published(
        caller: Annotated[Principal, access.needs("employees:write")], key: EmployeeKey, request: Request
    ) -> Draft:
        """Brings a draft that is behind up to what was published since, but for what it changes itself."""
        given = await shapes.read(request, Seen)
        async with database.tenant_session(caller.tenant_id) as session:
            actor = await api_keys.actor_of(session, caller.key_id)
            return _draft(await drafting.take_in(session, key, revision=given.revision, actor=actor))

    @routes.put(
        "/draft/picture",
        openapi_extra={
            "requestBody": {
                "required": True,
                "description": f"A JPEG, PNG, WebP or GIF of at most {pictures.LARGEST_UPLOAD} bytes.",
                "content": {"*/*": {"schema": {"type": "string", "format": "binary"}}},
            }
        },
    )
    async def put_picture(
        caller: Annotated[Principal, access.needs("employees:write")],
        key: EmployeeKey,
        seen: Annotated[Seen, Query()],
        request: Request,
    ) -> Draft:
        content = await bodies.read(request, most_bytes=pictures.LARGEST_UPLOAD, time_limit=60.0)
        await pacing.count(limiter, caller.tenant_id, pacing.PICTURES)
        small = await pictures.made_small(outside.pictures, content)
        async with database.tenant_session(caller.tenant_id) as session:
            kept = await pictures.keep(session, caller.tenant_id, small)
            return await changed(session, caller, key, seen.revision, {"picture": str(kept)})

    @routes.delete("/draft/picture")
    async def remove_picture(
        caller: Annotated[Principal, access.needs("employees:write")], key: EmployeeKey, seen: Annotated[Seen, Query()]
    ) -> Draft:
        async with database.tenant_session(caller.tenant_id) as session:
            return await changed(session, caller, key, seen.revision, {"picture": None})

    async def changed(session: AsyncSession, caller: Principal, key: str, revision: int, given: Kept) -> Draft:
        actor = await api_keys.actor_of(session, caller.key_id)
        # Held before it is read, so that what is left out is as it was in this very revision.
        before = await drafting.of(session, await drafting.locked(session, key))
        content: dict[str, Any] = {**before.content, **given}
        return _draft(await drafting.save(session, key, content, revision=revision, actor=actor))

    return routes


def _draft(done: Drafted | Overtaken) -> Draft:
    return Draft.model_validate(seen_last(done))


def seen_last(done: object) -> object:
    """Raises Conflict where it was not done, for somebody has saved since."""
    if isinstance(done, Overtaken):
        raise Conflict(f"The draft is at revision {done.draft.revision} by now: look at it again. Nothing was changed.")
    return done
