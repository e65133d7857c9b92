"""Routes of what a business says of itself: its name, models, limits, approvals, what it demands; and its API keys."""

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.api import shapes
from gateway.api.access import Access
from gateway.api.shapes import Given, Shown
from konstruct import api_keys, tenant_settings
from konstruct.accounts import tenant_factors
from konstruct.api_keys import Principal
from konstruct.db import Database
from konstruct.tenant_settings import in_words


class Limits(Given):
    """Each such as 20/minute; null for what holds for everybody."""

    contact: Annotated[str | None, Field(max_length=100)] = None
    connection: Annotated[str | None, Field(max_length=100)] = None
    tenant: Annotated[str | None, Field(max_length=100)] = None


class Approvals(Given):
    connection: Annotated[str | None, Field(max_length=100, description="The key of a Slack workspace.")] = None
    channel: Annotated[str | None, Field(max_length=100, description="The id of a channel in it.")] = None
    deciders: list[str] = Field(
        [], max_length=100, description="Ids of people in Slack; everybody in the channel if empty."
    )
    expires_after: Annotated[str | None, Field(max_length=100, description="Such as 6 hours or 3 days.")] = None


class Business(BaseModel):
    slug: str = Field(description="Its short name, in the portal's addresses.")
    name: str
    time_zone: str
    models: list[str] = Field(description="Asked for employees that name none, the first one first.")
    limits: Limits = Field(description="How many messages may come in.")
    approvals: Approvals = Field(description="Where approvals are asked for.")


class Basics(Given):
    name: Annotated[str, Field(max_length=200)]
    time_zone: Annotated[str, Field(max_length=100, description="Such as Europe/Berlin.")]


class Models(Given):
    models: Annotated[list[str], Field(max_length=10, description="Such as anthropic/claude-sonnet-4-5.")]


class SecondFactor(BaseModel):
    is_required: bool = Field(description="Whether everybody in the team needs one.")
    with_factor: int = Field(description="How many have one.")
    without: list[str] = Field(description="The names of those who have none.")


class Demand(Given):
    is_required: bool


class ApiKey(Shown):
    name: str
    scopes: list[str]
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


class ApiKeys(BaseModel):
    api_keys: list[ApiKey] = Field(description="Oldest first, revoked ones too. Keys themselves are kept by nobody.")


def router(access: Access, database: Database) -> APIRouter:
    routes = APIRouter(prefix="/settings", tags=["settings"])

    @routes.get("")
    async def show_settings(caller: Annotated[Principal, access.needs("settings:read")]) -> Business:
        async with database.tenant_session(caller.tenant_id) as session:
            return await _business(session)

    @routes.put("/basics", openapi_extra=shapes.takes(Basics))
    async def put_basics(caller: Annotated[Principal, access.needs("settings:write")], request: Request) -> Business:
        given = await shapes.read(request, Basics)
        async with database.tenant_session(caller.tenant_id) as session:
            actor = await api_keys.actor_of(session, caller.key_id)
            await tenant_settings.change_basics(
                session, caller.tenant_id, name=given.name, time_zone=given.time_zone.strip(), actor=actor
            )
            return await _business(session)

    @routes.put("/models", openapi_extra=shapes.takes(Models))
    async def put_models(caller: Annotated[Principal, access.needs("settings:write")], request: Request) -> Business:
        given = await shapes.read(request, Models)
        async with database.tenant_session(caller.tenant_id) as session:
            actor = await api_keys.actor_of(session, caller.key_id)
            await tenant_settings.change_models(session, caller.tenant_id, given.models, actor=actor)
            return await _business(session)

    @routes.put("/limits", openapi_extra=shapes.takes(Limits))
    async def put_limits(caller: Annotated[Principal, access.needs("settings:write")], request: Request) -> Business:
        given = await shapes.read(request, Limits)
        async with database.tenant_session(caller.tenant_id) as session:
            actor = await api_keys.actor_of(session, caller.key_id)
            limits = {name: limit or "" for name, limit in given.model_dump().items()}
            await tenant_settings.change_limits(session, caller.tenant_id, limits, actor=actor)
            return await _business(session)

    @routes.put("/approvals", openapi_extra=shapes.takes(Approvals))
    async def put_approvals(caller: Annotated[Principal, access.needs("settings:write")], request: Request) -> Business:
        given = await shapes.read(request, Approvals)
        async with database.tenant_session(caller.tenant_id) as session:
            actor = await api_keys.actor_of(session, caller.key_id)
            await tenant_settings.change_approvals(session, caller.tenant_id, given.model_dump(), actor=actor)
            return await _business(session)

    @routes.get("/second-factor")
    async def show_second_factor(caller: Annotated[Principal, access.needs("settings:read")]) -> SecondFactor:
        async with database.tenant_session(caller.tenant_id) as session:
            return SecondFactor(**vars(await tenant_factors.standing(session)))

    @routes.put("/second-factor", openapi_extra=shapes.takes(Demand))
    async def demand_second_factor(
        caller: Annotated[Principal, access.needs("settings:write")], request: Request
    ) -> SecondFactor:
        """Whoever has none is led to add one before anything else is shown to them."""
        given = await shapes.read(request, Demand)
        async with database.tenant_session(caller.tenant_id) as session:
            actor = await api_keys.actor_of(session, caller.key_id)
            await tenant_factors.require(session, caller.tenant_id, given.is_required, actor=actor)
            return SecondFactor(**vars(await tenant_factors.standing(session)))

    @routes.get("/api-keys")
    async def list_api_keys(caller: Annotated[Principal, access.needs("settings:read")]) -> ApiKeys:
        """Keys are made and revoked by people, in the portal or by command."""
        async with database.tenant_session(caller.tenant_id) as session:
            return ApiKeys(api_keys=[ApiKey.model_validate(each) for each in await api_keys.listing(session)])

    return routes


async def _business(session: AsyncSession) -> Business:
    kept = await tenant_settings.read(session)
    seconds = kept.approvals.get("expires_after_seconds")
    return Business(
        slug=kept.slug,
        name=kept.name,
        time_zone=kept.time_zone,
        models=kept.models,
        limits=Limits(**kept.limits),
        approvals=Approvals(
            connection=kept.approvals.get("connection"),
            channel=kept.approvals.get("channel"),
            deciders=kept.approvals.get("deciders", []),
            expires_after=in_words(timedelta(seconds=seconds)) if seconds else None,
        ),
    )
