"""Routes of what employees are begun from, and of their pictures."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import BaseModel

from gateway.api.access import Access
from gateway.api.employee_shapes import Content
from gateway.api.shapes import Shown
from konstruct.api_keys import Principal
from konstruct.db import Database
from konstruct.designs import pictures, starts


class Start(Shown):
    key: str
    title: str
    summary: str
    content: Content

    @classmethod
    def of(cls, start: starts.Start) -> "Start":
        content = Content.model_validate(start.content())
        return cls(key=start.key, title=start.title, summary=start.summary, content=content)


class Starts(BaseModel):
    starting_points: list[Start]


def router(access: Access, database: Database) -> APIRouter:
    routes = APIRouter(tags=["employees"])

    @routes.get("/starting-points")
    async def list_starting_points(caller: Annotated[Principal, access.needs("employees:read")]) -> Starts:
        """What a new employee can be begun from."""
        return Starts(starting_points=[Start.of(each) for each in starts.STARTS])

    @routes.get(
        "/employee-pictures/{picture_id}",
        response_class=Response,
        responses={200: {"content": {"image/jpeg": {}}, "description": "The picture."}},
    )
    async def show_picture(caller: Annotated[Principal, access.needs("employees:read")], picture_id: UUID) -> Response:
        async with database.tenant_session(caller.tenant_id) as session:
            content = await pictures.get(session, caller.tenant_id, picture_id)
        return Response(content, media_type="image/jpeg")

    return routes
