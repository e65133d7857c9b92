"""The businesses that a person belongs to: one more, and leaving one."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from konstruct.accounts import businesses, throttle
from konstruct.errors import BadInput, Conflict, TooMany
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
    found = services(request)
    try:
        await throttle.business(found.limiter, person.user_id)
        slug = await businesses.found(found.database, person.user_id, name, person.time_zone, is_billed=found.bills)
    except (BadInput, Conflict, TooMany) as error:
        return render(request, "pages/tenants/new.html", error.status, name=name, errors={"name": str(error)})
    return redirect(request, f"/t/{slug}/setup")
