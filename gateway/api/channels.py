"""Routes of channels: which there are, how they are, who serves them, and taking one out of use."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.api import shapes
from gateway.api.access import Access
from gateway.api.outside import Outside
from gateway.api.shapes import Given, Shown
from konstruct import api_keys, connections
from konstruct.api_keys import Principal
from konstruct.connecting import disconnecting, leaving, naming, overview, serving, setup
from konstruct.connecting.overview import Seen
from konstruct.db import Database
from konstruct.errors import Mistakes
from konstruct.identity import ConnectionId
from konstruct.vault import Vault

Room = Annotated[str, Path(pattern="^[CDG][A-Z0-9]{1,30}$", description="The id of a channel in Slack, as C0123ABCD.")]


class Server(Shown):
    key: str = Field(description="The employee's.")
    name: str
    is_archived: bool


class Binding(BaseModel):
    channel: str
    employee: Server


class Channel(Shown):
    id: UUID
    key: str
    kind: str = Field(description="slack, whatsapp or console.")
    title: str = Field(description="What the account is called.")
    status: str = Field(description="active; revoked, uninstalled, restricted: by the channel; disconnected: by you.")
    status_reason: str | None = Field(description="A sentence, or the channel's own code.")
    status_changed_at: datetime
    employee: Server = Field(description="Who answers, wherever no binding says otherwise.")
    bindings: list[Binding] = Field(description="Rooms that others serve.")
    functions: list[str] = Field(description="What it is for; all where there are none.")
    last_event_at: datetime | None = Field(description="When the channel last told us something.")
    token_expires_at: datetime | None
    renewal_problem: str | None = Field(description="Why its token could not be renewed.")

    @classmethod
    def of(cls, seen: Seen) -> "Channel":
        return cls(
            id=seen.connection_id,
            title=naming.title(seen),
            employee=Server.model_validate(seen.employee),
            bindings=[Binding(channel=room, employee=Server.model_validate(by)) for room, by in seen.bindings],
            functions=list(seen.functions),
            **{name: getattr(seen, name) for name in _PLAIN},
        )


_PLAIN = (
    *("key", "kind", "status", "status_reason", "status_changed_at"),
    *("last_event_at", "token_expires_at", "renewal_problem"),
)


class Channels(BaseModel):
    channels: list[Channel] = Field(description="Those in use first.")


class Lack(Shown):
    setting: str
    says: str
    stops_it: bool = Field(description="Whether nothing can be connected without it.")


class Setup(BaseModel):
    """What whoever runs the deployment has yet to set."""

    slack: list[Lack]
    whatsapp: list[Lack]


class Serving(Given):
    employee: Annotated[str, Field(min_length=1, max_length=100, description="The key of who is to answer.")]


class Functions(Given):
    functions: Annotated[list[Annotated[str, Field(max_length=serving.LONGEST_FUNCTION)]], Field(max_length=100)]


class Disconnected(BaseModel):
    channel: Channel
    left_to_do: str | None = Field(description="What is to be done by hand, where the channel could not be told.")


def router(access: Access, database: Database, vault: Vault, outside: Outside) -> APIRouter:
    routes = APIRouter(prefix="/channels", tags=["channels"])

    @routes.get("")
    async def list_channels(caller: Annotated[Principal, access.needs("channels:read")]) -> Channels:
        async with database.tenant_session(caller.tenant_id) as session:
            return Channels(channels=[Channel.of(seen) for seen in await overview.every(session)])

    @routes.get("/setup")
    async def show_setup(caller: Annotated[Principal, access.needs("channels:read")]) -> Setup:
        """What this deployment lacks for channels to be connected; empty lists where it lacks nothing."""

        def told(lacks: Sequence[setup.Lack]) -> list[Lack]:
            return [Lack.model_validate(lack) for lack in lacks]

        return Setup(slack=told(setup.slack(outside.settings)), whatsapp=told(setup.whatsapp(outside.settings)))

    @routes.get("/{channel_id:uuid}")
    async def show_channel(caller: Annotated[Principal, access.needs("channels:read")], channel_id: UUID) -> Channel:
        async with database.tenant_session(caller.tenant_id) as session:
            return Channel.of(await overview.one(session, channel_id))

    @routes.put("/{channel_id:uuid}/employee", openapi_extra=shapes.takes(Serving))
    async def serve_channel(
        caller: Annotated[Principal, access.needs("channels:write")], channel_id: UUID, request: Request
    ) -> Channel:
        """From now on new conversations are this employee's; those that have begun stay with theirs."""
        given = await shapes.read(request, Serving)
        async with database.tenant_session(caller.tenant_id) as session:
            actor = await api_keys.actor_of(session, caller.key_id)
            employee_id = await employee_called(session, given.employee)
            await serving.serve(session, ConnectionId(channel_id), employee_id, actor=actor)
            return Channel.of(await overview.one(session, channel_id))

    @routes.put("/{channel_id:uuid}/bindings/{room}", openapi_extra=shapes.takes(Serving))
    async def bind_room(
        caller: Annotated[Principal, access.needs("channels:write")], channel_id: UUID, room: Room, request: Request
    ) -> Channel:
        """Gives one room of a Slack workspace an employee of its own."""
        given = await shapes.read(request, Serving)
        async with database.tenant_session(caller.tenant_id) as session:
            actor = await api_keys.actor_of(session, caller.key_id)
            employee_id = await employee_called(session, given.employee)
            await serving.bind(session, ConnectionId(channel_id), room, employee_id, actor=actor)
            return Channel.of(await overview.one(session, channel_id))

    @routes.delete("/{channel_id:uuid}/bindings/{room}")
    async def unbind_room(
        caller: Annotated[Principal, access.needs("channels:write")], channel_id: UUID, room: Room
    ) -> Channel:
        """The room is served as the rest of its workspace is."""
        async with database.tenant_session(caller.tenant_id) as session:
            actor = await api_keys.actor_of(session, caller.key_id)
            await serving.unbind(session, ConnectionId(channel_id), room, actor=actor)
            return Channel.of(await overview.one(session, channel_id))

    @routes.put("/{channel_id:uuid}/functions", openapi_extra=shapes.takes(Functions))
    async def describe_channel(
        caller: Annotated[Principal, access.needs("channels:write")], channel_id: UUID, request: Request
    ) -> Channel:
        """Says what it is for: whatever else people ask for there is declined."""
        given = await shapes.read(request, Functions)
        async with database.tenant_session(caller.tenant_id) as session:
            actor = await api_keys.actor_of(session, caller.key_id)
            functions = serving.read_functions("\n".join(given.functions))
            await serving.describe(session, ConnectionId(channel_id), functions, actor=actor)
            return Channel.of(await overview.one(session, channel_id))

    @routes.delete("/{channel_id:uuid}")
    async def disconnect_channel(
        caller: Annotated[Principal, access.needs("channels:write")], channel_id: UUID
    ) -> Disconnected:
        """Its tokens are deleted, and nobody who writes there is answered any more. Conversations are kept."""
        async with database.tenant_session(caller.tenant_id) as session:
            seen = await overview.one(session, channel_id)
            account = await connections.open_account(session, vault, seen.connection_id)
        left_to_do = await leaving.leave(database, outside.slack, outside.whatsapp, account)
        async with database.tenant_session(caller.tenant_id) as session:
            actor = await api_keys.actor_of(session, caller.key_id)
            await disconnecting.disconnect(session, seen.connection_id, actor=actor)
            return Disconnected(channel=Channel.of(await overview.one(session, channel_id)), left_to_do=left_to_do)

    return routes


async def employee_called(session: AsyncSession, key: str) -> UUID:
    """Raises Mistakes where there is none."""
    found = next((each for each in await overview.employees(session) if each.key == key), None)
    if found is None:
        raise Mistakes({"employee": "There is no such employee."})
    return found.employee_id
