"""The first page: whoever is signed in goes on to their tenant; and of that, what needs attention."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from konstruct import attention, onboarding
from portal import attention_words
from portal.access import Member, anybody, may, visitor
from portal.pages.onboarding import stepper
from portal.rendering import redirect, render
from portal.services import services

router = APIRouter()


@router.get("/", dependencies=[Depends(anybody())])
async def first(request: Request) -> Response:
    person = await visitor(request)
    if person is None:
        return redirect(request, "/sign-in")
    return redirect(request, f"/t/{person.seats[0].slug}/home" if person.seats else "/account/tenants/new")


@router.get("/t/{tenant}/home")
async def home(request: Request, member: Annotated[Member, Depends(may("home.read"))]) -> Response:
    async with services(request).database.tenant_session(member.tenant_id) as session:
        matters = await attention.matters(session)
        progress = await onboarding.progress(session)
    leads_to_setup = member.may("onboarding.edit") and not progress.is_over
    return render(
        request,
        "pages/home/home.html",
        told=[attention_words.tell(matter, member) for matter in matters],
        steps=stepper(progress) if leads_to_setup else None,
        has_channel=progress.connection is not None,
    )
