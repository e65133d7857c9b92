"""Routes of versions: what was published, what differs, and that an earlier one serves again."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, Field

from gateway.api import shapes
from gateway.api.access import Access
from gateway.api.employee_publishing import Differences, Published
from gateway.api.employee_shapes import Content, Difference, EmployeeKey
from gateway.api.shapes import Given, Shown
from konstruct import api_keys
from konstruct.api_keys import Principal
from konstruct.db import Database
from konstruct.designs import comparing, drafting, publishing, reviewing, versions
from konstruct.designs.content import of_version
from konstruct.tables import EmployeeVersion

Number = Annotated[int, Path(ge=1, le=1_000_000_000)]


class Version(Shown):
    number: int
    name: str
    published_by: str = Field(description="user:… for a person, api:… for an API key; empty for the command line.")
    published_at: datetime
    note: str
    restored_from: int | None = Field(description="The version that this one is again.")


class Versions(BaseModel):
    published: int = Field(description="The one that serves; 0 for none.")
    versions: list[Version] = Field(description="The latest first.")
    next: int | None = Field(description="What `before` has to be for the next page; null when this one is empty.")


class VersionsPage(Given):
    limit: Annotated[int, Field(ge=1, le=100)] = 50
    before: Annotated[int | None, Field(ge=1, le=1_000_000_000, description="The `next` of the page before.")] = None


class WholeVersion(Version):
    content: Content

    @classmethod
    def of(cls, row: EmployeeVersion) -> "WholeVersion":
        content = Content.model_validate(of_version(row))
        return cls(**Version.model_validate(row).model_dump(), content=content)


class Against(Given):
    against: Annotated[
        str, Field(pattern="^(before|published|draft|[1-9][0-9]{0,8})$", description="Or a version's number.")
    ] = "before"


class Restoring(Given):
    over: Annotated[int, Field(ge=1, description="The version that was published when this was decided.")]
    note: Annotated[str, Field(max_length=publishing.LONGEST_NOTE, description="Why, for people.")] = ""


def router(access: Access, database: Database) -> APIRouter:
    routes = APIRouter(prefix="/employees/{key}/versions", tags=["employees"])

    @routes.get("")
    async def list_versions(
        caller: Annotated[Principal, access.needs("employees:read")],
        key: EmployeeKey,
        page: Annotated[VersionsPage, Query()],
    ) -> Versions:
        async with database.tenant_session(caller.tenant_id) as session:
            draft = await drafting.read(session, key)
            found = await versions.every(session, draft.employee_id, at_most=page.limit, before=page.before)
        return Versions(
            published=draft.published_version,
            versions=[Version.model_validate(row) for row in found],
            next=found[-1].number if found else None,
        )

    @routes.get("/{number}")
    async def show_version(
        caller: Annotated[Principal, access.needs("employees:read")], key: EmployeeKey, number: Number
    ) -> WholeVersion:
        async with database.tenant_session(caller.tenant_id) as session:
            draft = await drafting.read(session, key)
            return WholeVersion.of(await versions.called(session, draft.employee_id, number))

    @routes.get("/{number}/changes")
    async def compare_version(
        caller: Annotated[Principal, access.needs("employees:read")],
        key: EmployeeKey,
        number: Number,
        asked: Annotated[Against, Query()],
    ) -> Differences:
        """What this version has otherwise."""
        async with database.tenant_session(caller.tenant_id) as session:
            draft = await drafting.read(session, key)
            found = await versions.called(session, draft.employee_id, number)
            other = await reviewing.other(session, draft, number, asked.against)
        differences = comparing.compare(other.content, of_version(found))
        return Differences(against=other.title, differences=[Difference.of(each) for each in differences])

    @routes.post("/{number}/restore", status_code=201, openapi_extra=shapes.takes(Restoring))
    async def roll_back(
        caller: Annotated[Principal, access.needs("employees:write")],
        key: EmployeeKey,
        number: Number,
        request: Request,
    ) -> Published:
        """Publishes it again, as a new version. An open draft stays."""
        given = await shapes.read(request, Restoring)
        async with database.tenant_session(caller.tenant_id) as session:
            actor = await api_keys.actor_of(session, caller.key_id)
            done = await publishing.roll_back(session, key, number, over=given.over, note=given.note, actor=actor)
        return Published.model_validate(done)

    return routes
