"""Routes of saved replies: what agents write again and again."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel, Field

from gateway.api import shapes
from gateway.api.access import Access
from gateway.api.shapes import Given, Shown
from konstruct import api_keys, saved_replies
from konstruct.api_keys import Principal
from konstruct.db import Database
from konstruct.saved_replies import MOST_OF_TEXT, MOST_OF_TITLE

Key = Annotated[str, Path(pattern="^[a-z0-9][a-z0-9-]{0,39}$", description="What an agent types after a slash.")]


class Reply(Shown):
    key: str
    title: str
    text: str = Field(validation_alias="body", description="{contact}, {agent} and {business} stand for names.")
    updated_at: datetime


class Replies(BaseModel):
    replies: list[Reply] = Field(description="By their keys.")


class Wanted(Given):
    title: Annotated[str, Field(min_length=1, max_length=MOST_OF_TITLE)]
    text: Annotated[str, Field(min_length=1, max_length=MOST_OF_TEXT)]


def router(access: Access, database: Database) -> APIRouter:
    routes = APIRouter(prefix="/saved-replies", tags=["handoffs"])

    @routes.get("")
    async def list_saved_replies(caller: Annotated[Principal, access.needs("handoffs:read")]) -> Replies:
        async with database.tenant_session(caller.tenant_id) as session:
            return Replies(replies=[Reply.model_validate(each) for each in await saved_replies.listing(session)])

    @routes.get("/{key}")
    async def show_saved_reply(caller: Annotated[Principal, access.needs("handoffs:read")], key: Key) -> Reply:
        async with database.tenant_session(caller.tenant_id) as session:
            return Reply.model_validate(await saved_replies.get(session, key))

    @routes.put("/{key}", openapi_extra=shapes.takes(Wanted))
    async def put_saved_reply(
        caller: Annotated[Principal, access.needs("settings:write")], key: Key, request: Request
    ) -> Reply:
        """Makes one, or changes the one of this key."""
        given = await shapes.read(request, Wanted)
        async with database.tenant_session(caller.tenant_id) as session:
            actor = await api_keys.actor_of(session, caller.key_id)
            put = (session, caller.tenant_id, key, given.title, given.text)
            kept = await saved_replies.put(*put, may_exist=True, actor=actor)
            return Reply.model_validate(await saved_replies.get(session, kept))

    @routes.delete("/{key}", status_code=204)
    async def remove_saved_reply(caller: Annotated[Principal, access.needs("settings:write")], key: Key) -> Response:
        async with database.tenant_session(caller.tenant_id) as session:
            actor = await api_keys.actor_of(session, caller.key_id)
            await saved_replies.remove(session, caller.tenant_id, key, actor=actor)
        return Response(status_code=204)

    return routes
