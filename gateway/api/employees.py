"""Routes of employees as a whole: which there are, how one is begun, and archived."""

from datetime import datetime
from typing import Annotated
from uuid import UUID, uuid5

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from gateway.api import shapes
from gateway.api.access import Access
from gateway.api.employee_shapes import EmployeeKey
from gateway.api.shapes import Given, IdempotencyKey, Shown
from konstruct import api_keys
from konstruct.api_keys import Principal
from konstruct.db import Database
from konstruct.designs import archiving, drafting, listing, starts
from konstruct.errors import Mistakes, NotFound


class Employee(Shown):
    key: str = Field(description="What it goes by here; it stays whatever the employee is called.")
    name: str
    role: str
    picture: UUID | None
    published_version: int = Field(description="0 until it was published.")
    published_at: datetime | None
    has_draft: bool = Field(description="Whether somebody has begun to change it.")
    archived_at: datetime | None
    serves: list[str] = Field(description="Channels by their keys; one room of a channel as main-slack/C012.")


class Employees(BaseModel):
    employees: list[Employee] = Field(description="By name, those that are archived last.")


class NewEmployee(Given):
    start: Annotated[str, Field(description="The key of a starting point.")] = "blank"
    name: Annotated[str, Field(max_length=200, description="What people see; the starting point's if left out.")] = ""


def router(access: Access, database: Database) -> APIRouter:
    routes = APIRouter(tags=["employees"])

    @routes.get("/employees")
    async def list_employees(caller: Annotated[Principal, access.needs("employees:read")]) -> Employees:
        async with database.tenant_session(caller.tenant_id) as session:
            return Employees(employees=[Employee.model_validate(each) for each in await listing.employees(session)])

    @routes.post("/employees", status_code=201, openapi_extra=shapes.takes(NewEmployee))
    async def create_employee(
        caller: Annotated[Principal, access.needs("employees:write")], request: Request, idempotency_key: IdempotencyKey
    ) -> Employee:
        """Begins one as a draft: nobody is answered by it until it is published."""
        given = await shapes.read(request, NewEmployee)
        start = starts.called(given.start)
        if start is None:
            raise Mistakes(
                {"start": f"There is no such one; there are {', '.join(each.key for each in starts.STARTS)}."}
            )
        content = start.content()
        content["name"] = given.name.strip() or content["name"]
        async with database.tenant_session(caller.tenant_id) as session:
            actor = await api_keys.actor_of(session, caller.key_id)
            made = await drafting.create(
                session, caller.tenant_id, content, actor=actor, employee_id=_id(caller, idempotency_key)
            )
        return await shown(caller, made.key)

    @routes.get("/employees/{key}")
    async def show_employee(caller: Annotated[Principal, access.needs("employees:read")], key: EmployeeKey) -> Employee:
        return await shown(caller, key)

    @routes.post("/employees/{key}/duplicate", status_code=201)
    async def duplicate_employee(
        caller: Annotated[Principal, access.needs("employees:write")], key: EmployeeKey, idempotency_key: IdempotencyKey
    ) -> Employee:
        """A new one with what is in this one's draft, or else published."""
        async with database.tenant_session(caller.tenant_id) as session:
            actor = await api_keys.actor_of(session, caller.key_id)
            made = await drafting.duplicate(session, key, actor=actor, employee_id=_id(caller, idempotency_key))
        return await shown(caller, made.key)

    @routes.post("/employees/{key}/archive")
    async def archive_employee(
        caller: Annotated[Principal, access.needs("employees:write")], key: EmployeeKey
    ) -> Employee:
        """It takes no new conversations from then on. Refused as long as a channel is served by it."""
        async with database.tenant_session(caller.tenant_id) as session:
            actor = await api_keys.actor_of(session, caller.key_id)
            await archiving.archive(session, key, actor=actor)
        return await shown(caller, key)

    @routes.post("/employees/{key}/unarchive")
    async def unarchive_employee(
        caller: Annotated[Principal, access.needs("employees:write")], key: EmployeeKey
    ) -> Employee:
        async with database.tenant_session(caller.tenant_id) as session:
            actor = await api_keys.actor_of(session, caller.key_id)
            await archiving.restore(session, key, actor=actor)
        return await shown(caller, key)

    async def shown(caller: Principal, key: str) -> Employee:
        async with database.tenant_session(caller.tenant_id) as session:
            found = next((each for each in await listing.employees(session) if each.key == key), None)
        if found is None:
            raise NotFound("There is no such employee.")
        return Employee.model_validate(found)

    return routes


def _id(caller: Principal, idempotency_key: str) -> UUID:
    """The same key again leads to the same employee."""
    return uuid5(caller.key_id, f"employee:{idempotency_key}")
