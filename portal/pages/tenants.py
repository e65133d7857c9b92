"""The businesses that a person belongs to: one more, and leaving one."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from konstruct.accounts import businesses
from konstruct.errors import BadInput, Conflict
from portal.access import Person, signed_in
from portal.entering import Text
from portal.rendering import redirect, render
from portal.services import services

router = APIRouter()

Known = Annotated[Person, Depends(signed_in())]


@router.get("/account/tenants/new")
async def ask(request: Request, person: Known) -> Response:
    return render(request, "pages/tenants/new.html", name="")


@router.post("/account/tenants/new")
async def create(request: Request, person: Known, name: Text = "") -> Response:
    try:
        slug = await businesses.found(services(request).database, person.user_id, name, person.time_zone)
    except (BadInput, Conflict) as error:
        return render(request, "pages/tenants/new.html", 422, name=name, errors={"name": str(error)})
    return redirect(request, f"/t/{slug}/setup")
