"""Routes of how long a business keeps what was said, and of what a shorter time would remove."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.api import shapes
from gateway.api.access import Access
from gateway.api.shapes import Given, Shown
from konstruct import api_keys, retention
from konstruct.api_keys import Principal
from konstruct.db import Database
from konstruct.errors import Conflict
from konstruct.retention import Periods


class Days(Given):
    """Null: for good. Files and memories go with the messages that they are of, if not before."""

    messages: Annotated[int | None, Field(ge=retention.LEAST_DAYS, le=retention.MOST_DAYS)] = None
    files: Annotated[int | None, Field(ge=retention.LEAST_DAYS, le=retention.MOST_DAYS)] = None
    memories: Annotated[int | None, Field(ge=retention.LEAST_DAYS, le=retention.MOST_DAYS)] = None

    def periods(self) -> Periods:
        return Periods(self.messages, self.files, self.memories)


class Run(Shown):
    started_at: datetime
    ended_at: datetime | None
    messages: int
    files: int
    memories: int


class Retention(BaseModel):
    days: Days
    last_run: Run | None = Field(description="The last time that something was looked for that is too old.")


class NewRetention(Days):
    may_remove: Annotated[
        bool, Field(description="Needed where something goes that would have stayed: it cannot be brought back.")
    ] = False


class Amount(Shown):
    conversations: int
    messages: int
    files: int
    memories: int


def router(access: Access, database: Database) -> APIRouter:
    routes = APIRouter(prefix="/settings", tags=["settings"])

    @routes.get("/retention")
    async def show_retention(caller: Annotated[Principal, access.needs("settings:read")]) -> Retention:
        async with database.tenant_session(caller.tenant_id) as session:
            return await _retention(session)

    @routes.get("/retention/preview")
    async def preview_retention(
        caller: Annotated[Principal, access.needs("settings:read")], days: Annotated[Days, Query()]
    ) -> Amount:
        """How much would go now, if these were the days."""
        async with database.tenant_session(caller.tenant_id) as session:
            return Amount.model_validate(await retention.preview(session, days.periods()))

    @routes.put("/retention", openapi_extra=shapes.takes(NewRetention))
    async def put_retention(
        caller: Annotated[Principal, access.needs("settings:write")], request: Request
    ) -> Retention:
        """What is older goes within the hour, and cannot be brought back."""
        given = await shapes.read(request, NewRetention)
        async with database.tenant_session(caller.tenant_id) as session:
            actor = await api_keys.actor_of(session, caller.key_id)
            if given.periods().shortens(await retention.settings(session)) and not given.may_remove:
                gone = await retention.preview(session, given.periods())
                counts = ", ".join(f"{count:,} {name}" for name, count in asdict(gone).items())
                raise Conflict(f"This would let go of {counts}. Send may_remove: true if that is meant.")
            await retention.change(session, caller.tenant_id, given.periods(), actor=actor)
            return await _retention(session)

    return routes


async def _retention(session: AsyncSession) -> Retention:
    run = await retention.last_run(session)
    return Retention(
        days=Days(**asdict(await retention.settings(session))),
        last_run=Run.model_validate(run) if run is not None else None,
    )
