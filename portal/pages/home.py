"""The first page: whoever is signed in goes on to their tenant, others to sign in."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from portal.access import Member, anybody, may, visitor
from portal.rendering import redirect, render

router = APIRouter()


@router.get("/", dependencies=[Depends(anybody())])
async def first(request: Request) -> Response:
    person = await visitor(request)
    if person is None:
        return redirect(request, "/sign-in")
    return redirect(request, f"/t/{person.seats[0].slug}/home" if person.seats else "/account/tenants/new")


@router.get("/t/{tenant}/home")
async def home(request: Request, member: Annotated[Member, Depends(may("home.read"))]) -> Response:
    return render(request, "pages/home/home.html")
