"""All employees of a tenant, and the page on which a new one is begun."""

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from starlette.responses import Response

from konstruct.designs import drafting, listing, serving, starts
from konstruct.errors import BadInput
from portal import channel_words
from portal.access import Member, may
from portal.rendering import Toast, redirect, render
from portal.services import services

router = APIRouter()


@router.get("/t/{tenant}/employees")
async def employees(request: Request, member: Annotated[Member, Depends(may("employees.read"))]) -> Response:
    async with services(request).database.tenant_session(member.tenant_id) as session:
        found = await listing.employees(session)
        channels = {each.key: each for each in await serving.connections(session)}
    # One may have been disconnected between the two looks.
    found = [
        replace(each, serves=tuple(at for at in each.serves if at.partition("/")[0] in channels)) for each in found
    ]
    return render(
        request,
        "pages/employees/list.html",
        employees=[each for each in found if each.archived_at is None],
        archived=[each for each in found if each.archived_at is not None],
        channels=channels,
        words=channel_words,
    )


@router.get("/t/{tenant}/employees/new")
async def new(request: Request, member: Annotated[Member, Depends(may("employees.edit"))]) -> Response:
    return _form(request, "support", "")


@router.post("/t/{tenant}/employees/new")
async def create(
    request: Request,
    member: Annotated[Member, Depends(may("employees.edit"))],
    start: Annotated[str, Form()] = "support",
    name: Annotated[str, Form()] = "",
) -> Response:
    chosen = starts.called(start)
    if chosen is None:
        return _form(request, "support", name, {"start": "Choose what to begin from."})
    content = chosen.content()
    try:
        async with services(request).database.tenant_session(member.tenant_id) as session:
            given = {**content, "name": name.strip() or content["name"]}
            employee = await drafting.create(session, member.tenant_id, given, actor=member.actor)
    except BadInput as error:
        return _form(request, start, name, {"name": str(error)})
    toast = Toast("The employee is a draft now. Nobody is answered by it until you publish.")
    return redirect(request, f"/t/{member.tenant_slug}/employees/{employee.key}", toast=toast)


def _form(request: Request, start: str, name: str, errors: dict[str, str] | None = None) -> Response:
    return render(
        request,
        "pages/employees/new.html",
        422 if errors else 200,
        starts=starts.STARTS,
        start=start,
        name=name,
        errors=errors or {},
    )
