"""Routes of tools: which the tenant has, how each stands, what it is, and that a server's changed one is accepted."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.api import shapes
from gateway.api.access import Access
from gateway.api.shapes import Given, Shown
from konstruct import api_keys
from konstruct.api_keys import Principal
from konstruct.db import Database
from konstruct.designs import using
from konstruct.tools import defining, editing, registry
from konstruct.tools.builtin import BUILTINS, CHOOSABLE
from konstruct.vault import Vault

ToolKey = Annotated[str, Path(pattern="^[a-z][a-z0-9-]{0,62}$")]


class Tool(Shown):
    name: str = Field(description="As an employee is given it; of what a server offers, server/tool.")
    kind: str
    description: str = Field(description="What a model is told of it. A server's own is a stranger's text.")
    risk: str
    state: str = Field(description="active; down, refused: its server; changed, gone: not as accepted; removed.")
    reason: str | None
    listed_at: datetime | None
    offered: dict[str, Any] | None = Field(description="What a changed one is offered as now.")


class BuiltIn(BaseModel):
    name: str
    description: str
    risk: str


class Tools(BaseModel):
    tools: list[Tool]
    built_in: list[BuiltIn] = Field(description="What every tenant has.")


class Defined(BaseModel):
    key: str
    kind: Literal["http", "mcp"]
    definition: dict[str, Any] = Field(description="As it is stored; of an HTTP tool, the request is under `request`.")
    secret_ends_in: str | None = Field(description="null: it has none; empty: one that is too short to show its end.")
    status: str
    status_reason: str | None
    listed_at: datetime | None
    looked_at: datetime | None = Field(description="null: its server is about to be asked.")
    employees: list[str] = Field(description="The keys of those that have it, or one of the server's tools.")


class Accepted(Given):
    name: Annotated[str, Field(pattern="^[a-z][a-z0-9-]{0,62}/.{1,200}$", description="server/tool")]
    digest: Annotated[str, Field(min_length=1, max_length=100, description="Of what was looked at, in `offered`.")]


def router(access: Access, database: Database, vault: Vault) -> APIRouter:
    routes = APIRouter(prefix="/tools", tags=["tools"])

    @routes.get("")
    async def list_tools(caller: Annotated[Principal, access.needs("tools:read")]) -> Tools:
        return await listed(caller)

    @routes.post("/accept", openapi_extra=shapes.takes(Accepted))
    async def accept(caller: Annotated[Principal, access.needs("tools:write")], request: Request) -> Tools:
        """Takes a server's tool as it is offered now, which is otherwise than it was."""
        accepted = await shapes.read(request, Accepted)
        key, _, name = accepted.name.partition("/")
        async with database.tenant_session(caller.tenant_id) as session:
            actor = await api_keys.actor_of(session, caller.key_id)
            await defining.accept(session, key, name, accepted.digest, actor)
        return await listed(caller)

    @routes.get("/{key}")
    async def show_tool(caller: Annotated[Principal, access.needs("tools:read")], key: ToolKey) -> Defined:
        async with database.tenant_session(caller.tenant_id) as session:
            return await described(session, vault, key)

    async def listed(caller: Principal) -> Tools:
        async with database.tenant_session(caller.tenant_id) as session:
            found = await registry.listing(session)
        built_in = [
            BuiltIn(name=name, description=BUILTINS[name].spec.description, risk=BUILTINS[name].risk)
            for name in sorted(CHOOSABLE)
        ]
        return Tools(tools=[Tool.model_validate(each) for each in found], built_in=built_in)

    return routes


async def described(session: AsyncSession, vault: Vault, key: str) -> Defined:
    """Raises NotFound."""
    tool = await defining.called(session, key)
    users = await using.users(session)
    named = users.of_tool(tool.key) if tool.kind == "http" else users.of_server(tool.key)
    return Defined(
        key=tool.key,
        kind="http" if tool.kind == "http" else "mcp",
        definition=tool.definition,
        secret_ends_in=await editing.last_four(session, vault, tool),
        status=tool.status,
        status_reason=tool.status_reason,
        listed_at=tool.listed_at,
        looked_at=tool.looked_at,
        employees=[user.key for user in named],
    )
