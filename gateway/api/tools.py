"""Routes of tools: which the tenant has, whether they are good, and that a server's changed one is accepted."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from gateway.api import shapes
from gateway.api.access import Access
from gateway.api.shapes import Given, Shown
from konstruct import api_keys
from konstruct.api_keys import Principal
from konstruct.db import Database
from konstruct.tools import defining, registry


class Tool(Shown):
    name: str = Field(description="As an employee is given it; of what a server offers, server/tool.")
    kind: str
    description: str = Field(description="What a model is told of it. A server's own is a stranger's text.")
    risk: str
    state: str = Field(description="active; down, refused: its server; changed, gone: not as accepted; removed.")
    reason: str | None
    listed_at: datetime | None
    offered: dict[str, Any] | None = Field(description="What a changed one is offered as now.")


class Tools(BaseModel):
    tools: list[Tool]


class Accepted(Given):
    name: Annotated[str, Field(pattern="^[a-z][a-z0-9-]{0,62}/.{1,200}$", description="server/tool")]
    digest: Annotated[str, Field(min_length=1, max_length=100, description="Of what was looked at, in `offered`.")]


def router(access: Access, database: Database) -> APIRouter:
    routes = APIRouter(prefix="/tools", tags=["tools"])

    @routes.get("")
    async def list_tools(caller: Annotated[Principal, access.needs("tools:read")]) -> Tools:
        async with database.tenant_session(caller.tenant_id) as session:
            return Tools(tools=[Tool.model_validate(each) for each in await registry.listing(session)])

    @routes.post("/accept", openapi_extra=shapes.takes(Accepted))
    async def accept(caller: Annotated[Principal, access.needs("tools:write")], request: Request) -> Tools:
        """Takes a server's tool as it is offered now, which is otherwise than it was."""
        accepted = await shapes.read(request, Accepted)
        key, _, name = accepted.name.partition("/")
        async with database.tenant_session(caller.tenant_id) as session:
            actor = await api_keys.actor_of(session, caller.key_id)
            await defining.accept(session, key, name, accepted.digest, actor)
            return Tools(tools=[Tool.model_validate(each) for each in await registry.listing(session)])

    return routes
