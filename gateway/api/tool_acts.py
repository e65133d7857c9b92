"""Routes that make tools, alter and remove them, try them out, and have servers of tools looked at and judged."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import Field, JsonValue, SecretStr
from temporalio.client import Client

from gateway.api import shapes
from gateway.api.access import Access
from gateway.api.outside import Outside
from gateway.api.shapes import Given, Shown
from gateway.api.tools import Defined, ToolKey, described
from konstruct import api_keys
from konstruct.api_keys import Principal
from konstruct.db import Database
from konstruct.errors import TooMany
from konstruct.identity import new_id
from konstruct.ports import Limiter
from konstruct.tools import defining, editing, looking, schemas, trying
from konstruct.tools.policy import Risk
from konstruct.vault import Vault


class WantedTool(Given):
    kind: Literal["http", "mcp"]
    definition: Annotated[
        dict[str, JsonValue],
        Field(
            description="As in a file for `konstruct apply`, without kind and secret: url, description, parameters, …"
        ),
    ]
    secret: Annotated[
        str | None,
        Field(
            description="Left out, the one that is kept stays, as long as it goes to the same host.", max_length=4_000
        ),
    ] = None


class Trial(Given):
    arguments: Annotated[dict[str, JsonValue], Field(default_factory=dict)]
    may_act: Annotated[bool, Field(description="Needed of a tool that does more than look.")] = False
    attempt: Annotated[UUID | None, Field(description="Sent as the idempotency key, where the tool sends one.")] = None


class Tried(Shown):
    method: str
    url: str
    headers: list[tuple[str, str]]
    body: str
    status: int | None = Field(description="null: no answer came.")
    media_type: str
    answer: str = Field(description="As it came, up to 20,000 characters.")
    result: str | None = Field(description="What an employee is shown of it.")
    complaint: str = Field(description="Why it is shown none.")
    may_have_acted: bool
    seconds: float


class Risks(Given):
    risks: Annotated[dict[str, Risk], Field(description="By the names that the server has for its tools.")]


def router(
    access: Access, database: Database, vault: Vault, client: Client, outside: Outside, limiter: Limiter
) -> APIRouter:
    routes = APIRouter(prefix="/tools", tags=["tools"])

    @routes.put("/{key}", openapi_extra=shapes.takes(WantedTool))
    async def put_tool(
        caller: Annotated[Principal, access.needs("tools:write")], key: ToolKey, request: Request
    ) -> Defined:
        """Makes the tool, or alters it to be as the body says. A server is asked what it offers."""
        wanted = await shapes.read(request, WantedTool)
        async with database.tenant_session(caller.tenant_id) as session:
            tool = await editing.put(
                session,
                vault,
                caller.tenant_id,
                key,
                wanted.kind,
                wanted.definition,
                secret=SecretStr(wanted.secret) if wanted.secret else None,
                is_new=None,
                actor=await api_keys.actor_of(session, caller.key_id),
            )
            await session.flush()
            tool_id, is_server = tool.id, tool.kind == "mcp"
        if is_server:
            await looking.start(client, caller.tenant_id, tool_id)
        return await shown(caller, key)

    @routes.delete("/{key}", status_code=204)
    async def remove_tool(caller: Annotated[Principal, access.needs("tools:write")], key: ToolKey) -> None:
        """Employees go without it; its secret is deleted, and what was done with it stays on record."""
        async with database.tenant_session(caller.tenant_id) as session:
            await defining.remove(session, key, await api_keys.actor_of(session, caller.key_id))

    @routes.post("/{key}/try", openapi_extra=shapes.takes(Trial))
    async def try_tool(
        caller: Annotated[Principal, access.needs("tools:write")], key: ToolKey, request: Request
    ) -> Tried:
        """Makes an HTTP tool's request for real. What comes back is without the tool's secret."""
        trial = await shapes.read(request, Trial)
        bucket = ("tenant", f"{{tools-tried}}:{caller.tenant_id}", trying.MOST_TRIES)
        verdict = await limiter.check(request.state.request_id, [bucket])
        if not verdict.allowed:
            raise TooMany("Tools were tried very often just now.", verdict.retry_after)
        async with database.tenant_session(caller.tenant_id) as session:
            actor = await api_keys.actor_of(session, caller.key_id)
        tried = await trying.try_out(
            *(database, vault, outside.web, caller.tenant_id, key, schemas.canonical(trial.arguments)),
            attempt=trial.attempt or new_id(),
            may_act=trial.may_act,
            actor=actor,
        )
        return Tried.model_validate(tried)

    @routes.post("/{key}/check", status_code=202)
    async def check_server(caller: Annotated[Principal, access.needs("tools:write")], key: ToolKey) -> Defined:
        """Has a server asked what it offers; `looked_at` says when that was done."""
        async with database.tenant_session(caller.tenant_id) as session:
            tool_id = (await looking.request(session, key)).id
        await looking.start(client, caller.tenant_id, tool_id)
        return await shown(caller, key)

    @routes.post("/{key}/risks", openapi_extra=shapes.takes(Risks))
    async def judge_tools(
        caller: Annotated[Principal, access.needs("tools:write")], key: ToolKey, request: Request
    ) -> Defined:
        """Says what some of a server's tools may do. What nobody has judged counts as `sends`."""
        wanted = await shapes.read(request, Risks)
        async with database.tenant_session(caller.tenant_id) as session:
            actor = await api_keys.actor_of(session, caller.key_id)
            await editing.judge(session, vault, key, dict(wanted.risks), actor=actor)
        return await shown(caller, key)

    async def shown(caller: Principal, key: str) -> Defined:
        async with database.tenant_session(caller.tenant_id) as session:
            return await described(session, vault, key)

    return routes
