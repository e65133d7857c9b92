"""The route of what needs somebody, as the portal's Home shows it."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field

from gateway.api.access import Access
from gateway.api.channels import Channel
from konstruct import attention
from konstruct.api_keys import Principal
from konstruct.attention import Kind
from konstruct.db import Database


class Matter(BaseModel):
    kind: Kind
    name: str = Field(description="Of what it is about, as people call it.")
    key: str = Field(description="Of what it is about, where it has one here.")
    count: int
    since: datetime | None
    reason: str | None
    percent: int = Field(
        description="How much of a budget, or of the month's messages, is used, where it is about them."
    )
    channel: Channel | None = Field(description="Where it is about one.")


class Matters(BaseModel):
    matters: list[Matter] = Field(description="The most pressing kinds first.")


def router(access: Access, database: Database) -> APIRouter:
    routes = APIRouter(tags=["attention"])

    @routes.get("/attention")
    async def show_attention(caller: Annotated[Principal, access.needs("reports:read")]) -> Matters:
        """Who waits for people, what is broken, and what is not published."""
        async with database.tenant_session(caller.tenant_id) as session:
            found = await attention.matters(session)
        return Matters(
            matters=[
                Matter(
                    kind=each.kind,
                    name=each.name,
                    key=each.key,
                    count=each.count,
                    since=each.since,
                    reason=each.reason,
                    percent=each.percent,
                    channel=Channel.of(each.connection) if each.connection is not None else None,
                )
                for each in found
            ]
        )

    return routes
