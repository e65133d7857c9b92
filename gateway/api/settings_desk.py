"""Routes of the desk: where handoffs are shown, the people who take conversations over, and their groups."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.api import shapes
from gateway.api.access import Access
from gateway.api.shapes import Given, Shown
from konstruct import api_keys
from konstruct.api_keys import Principal
from konstruct.db import Database
from konstruct.desk import editing, people
from konstruct.desk.people import Ending, Ringing

DeskKey = Annotated[str, Path(min_length=1, max_length=100, description="As rules and handoffs name it.")]
Term = Annotated[str | None, Field(max_length=100, description="Of open hours, such as 15 minutes.")]


class Person(Given):
    name: Annotated[str, Field(max_length=200)]
    slack: Annotated[str | None, Field(max_length=100, description="Their user's id there.")] = None
    email: Annotated[str | None, Field(max_length=254)] = None


class Hours(Given):
    """Each day such as 09:00-12:00, 13:00-17:00; closed on days that are not named."""

    time_zone: Annotated[str | None, Field(max_length=100, description="The business's if left out.")] = None
    mon: str | None = None
    tue: str | None = None
    wed: str | None = None
    thu: str | None = None
    fri: str | None = None
    sat: str | None = None
    sun: str | None = None
    closed: list[str] = Field([], max_length=400, description="Days such as 2026-12-25.")


class Group(Given):
    people: Annotated[list[str], Field(max_length=100, description="Keys of people at the desk, in their order.")]
    ring: Ringing = "all_at_once"
    then: Annotated[Ending, Field(description="What is done when nobody came.")] = "apologise"
    hours: Annotated[Hours | None, Field(description="When it is asked; null for always.")] = None
    ring_for: Term = None
    remind_every: Term = None
    tell_contact_every: Term = None
    email_after: Term = None
    give_up_after: Term = None

    def written(self) -> dict[str, Any]:
        """As a manifest would have it."""
        written = self.model_dump(exclude_none=True)
        if not self.hours or not self.hours.closed:
            written.get("hours", {}).pop("closed", None)
        return written


class PutGroup(Group):
    is_default: Annotated[bool, Field(description="Whether handoffs that name nobody go to it.")] = False


class NewGroup(PutGroup):
    name: Annotated[str, Field(min_length=1, max_length=200, description="Its key is made of it.")]


class Place(Given):
    connection: Annotated[str | None, Field(max_length=100, description="The key of a Slack workspace.")] = None
    channel: Annotated[str | None, Field(max_length=100, description="The id of a channel in it.")] = None


class Member(Shown):
    """Who may take conversations over by their role in the team, and is none of the desk's people."""

    key: str
    name: str


class Desk(BaseModel):
    place: Place = Field(description="Where in Slack handoffs are shown.")
    people: dict[str, Person] = Field(description="By their keys.")
    members: list[Member]
    groups: dict[str, Group] = Field(description="By their keys.")
    default: str = Field(description="The group for handoffs that name nobody; everyone where there are no groups.")


class Made(BaseModel):
    key: str


def router(access: Access, database: Database) -> APIRouter:
    routes = APIRouter(prefix="/settings/desk", tags=["settings"])

    @routes.get("")
    async def show_desk(caller: Annotated[Principal, access.needs("settings:read")]) -> Desk:
        async with database.tenant_session(caller.tenant_id) as session:
            return await _desk(session)

    @routes.put("/place", openapi_extra=shapes.takes(Place))
    async def put_place(caller: Annotated[Principal, access.needs("settings:write")], request: Request) -> Desk:
        given = await shapes.read(request, Place)
        async with database.tenant_session(caller.tenant_id) as session:
            actor = await api_keys.actor_of(session, caller.key_id)
            await editing.put_place(session, caller.tenant_id, given.connection, given.channel, actor=actor)
            return await _desk(session)

    @routes.post("/people", status_code=201, openapi_extra=shapes.takes(Person))
    async def add_person(caller: Annotated[Principal, access.needs("settings:write")], request: Request) -> Made:
        given = await shapes.read(request, Person)
        return Made(key=await _put_person(database, caller, None, given))

    @routes.put("/people/{key}", openapi_extra=shapes.takes(Person))
    async def put_person(
        caller: Annotated[Principal, access.needs("settings:write")], key: DeskKey, request: Request
    ) -> Made:
        given = await shapes.read(request, Person)
        return Made(key=await _put_person(database, caller, key, given))

    @routes.delete("/people/{key}", status_code=204)
    async def remove_person(caller: Annotated[Principal, access.needs("settings:write")], key: DeskKey) -> None:
        """Refused while they have a conversation, were asked something, or are named by rules."""
        async with database.tenant_session(caller.tenant_id) as session:
            actor = await api_keys.actor_of(session, caller.key_id)
            await editing.remove_person(session, caller.tenant_id, key, actor=actor)

    @routes.post("/groups", status_code=201, openapi_extra=shapes.takes(NewGroup))
    async def add_group(caller: Annotated[Principal, access.needs("settings:write")], request: Request) -> Made:
        given = await shapes.read(request, NewGroup)
        return Made(key=await _put_group(database, caller, None, given, given.name))

    @routes.put("/groups/{key}", openapi_extra=shapes.takes(PutGroup))
    async def put_group(
        caller: Annotated[Principal, access.needs("settings:write")], key: DeskKey, request: Request
    ) -> Made:
        given = await shapes.read(request, PutGroup)
        return Made(key=await _put_group(database, caller, key, given))

    @routes.delete("/groups/{key}", status_code=204)
    async def remove_group(caller: Annotated[Principal, access.needs("settings:write")], key: DeskKey) -> None:
        """What waits for it is then the default group's."""
        async with database.tenant_session(caller.tenant_id) as session:
            actor = await api_keys.actor_of(session, caller.key_id)
            await editing.remove_group(session, caller.tenant_id, key, actor=actor)

    return routes


async def _desk(session: AsyncSession) -> Desk:
    written, known = await editing.load(session), await people.settings(session)
    return Desk(
        place=Place(connection=written.get("connection"), channel=written.get("channel")),
        people={key: Person(**person) for key, person in written["people"].items()},
        members=[Member.model_validate(member) for member in known.members],
        groups={key: Group(**group) for key, group in written["groups"].items()},
        default=known.default.key,
    )


async def _put_person(database: Database, caller: Principal, key: str | None, given: Person) -> str:
    async with database.tenant_session(caller.tenant_id) as session:
        actor = await api_keys.actor_of(session, caller.key_id)
        return await editing.put_person(session, caller.tenant_id, key, given.model_dump(), actor=actor)


async def _put_group(database: Database, caller: Principal, key: str | None, given: PutGroup, name: str = "") -> str:
    group = given.written()
    is_default = group.pop("is_default")
    group.pop("name", None)
    async with database.tenant_session(caller.tenant_id) as session:
        actor = await api_keys.actor_of(session, caller.key_id)
        return await editing.put_group(
            session, caller.tenant_id, key, group, name=name, is_default=is_default, actor=actor
        )
