"""Routes of whether contacts are asked how they were helped, and when."""

from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.api import shapes
from gateway.api.access import Access
from gateway.api.shapes import Given
from konstruct import api_keys
from konstruct.api_keys import Principal
from konstruct.db import Database
from konstruct.satisfaction import terms
from konstruct.satisfaction.terms import LONGEST_QUESTION, MOST_DAYS, MOST_MINUTES


class Satisfaction(Given):
    enabled: bool = False
    after_person: Annotated[bool, Field(description="Once a person has resolved it or handed it back.")] = True
    after_quiet: Annotated[bool, Field(description="Once an employee's answer has been the last word so long.")] = True
    quiet_minutes: Annotated[int, Field(ge=2, le=MOST_MINUTES)] = 30
    every_days: Annotated[int, Field(ge=1, le=MOST_DAYS, description="A person is asked once in so many at most.")] = 7
    employees: list[str] = Field([], max_length=100, description="Keys; none: all of them.")
    connections: list[str] = Field([], max_length=100, description="Keys of channels; none: all of them.")
    question: Annotated[
        str, Field(max_length=LONGEST_QUESTION, description="Empty: it is asked in the contact's language.")
    ] = ""


def router(access: Access, database: Database) -> APIRouter:
    routes = APIRouter(prefix="/settings", tags=["settings"])

    @routes.get("/satisfaction")
    async def show_satisfaction(caller: Annotated[Principal, access.needs("settings:read")]) -> Satisfaction:
        async with database.tenant_session(caller.tenant_id) as session:
            return await _chosen(session)

    @routes.put("/satisfaction", openapi_extra=shapes.takes(Satisfaction))
    async def put_satisfaction(
        caller: Annotated[Principal, access.needs("settings:write")], request: Request
    ) -> Satisfaction:
        """All of it at once: what is left out is as it is for everybody."""
        given = await shapes.read(request, Satisfaction)
        async with database.tenant_session(caller.tenant_id) as session:
            actor = await api_keys.actor_of(session, caller.key_id)
            await terms.change(session, caller.tenant_id, given.model_dump(), actor=actor)
            return await _chosen(session)

    return routes


async def _chosen(session: AsyncSession) -> Satisfaction:
    chosen = vars(await terms.read(session))
    return Satisfaction(**{name: list(value) if isinstance(value, tuple) else value for name, value in chosen.items()})
