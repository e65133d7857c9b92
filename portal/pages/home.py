"""The first page: whoever is signed in goes on to their tenant; and of that, what needs attention."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from konstruct import attention, onboarding
from konstruct.reports import outcomes, periods, usage
from konstruct.reports.periods import Period
from konstruct.tables.base import utc_now
from portal import attention_words, report_words
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
        today = await _today(session, member) if member.may("reports.read") else []
    leads_to_setup = member.may("onboarding.edit") and not progress.is_over
    return render(
        request,
        "pages/home/home.html",
        told=[attention_words.tell(matter, member) for matter in matters],
        steps=stepper(progress) if leads_to_setup else None,
        has_channel=progress.connection is not None,
        today=today,
    )


async def _today(session: AsyncSession, member: Member) -> list[dict[str, str]]:
    """The day so far in four numbers, each with the report that it is of; nothing while nobody wrote."""
    zone, now = await periods.zone(session), utc_now()
    day = now.astimezone(zone).date()
    period = Period(day, day, zone, now)
    handled = (await outcomes.read(session, period)).total.handled
    spent, _ = await usage.total(session, period.start, period.end)
    if not handled.conversations and not spent.calls:
        return []
    words, asked = report_words, f"?from={day}&to={day}"
    to_outcomes, to_usage = (f"/t/{member.tenant_slug}/{page}{asked}" for page in ("outcomes", "usage"))
    reply = handled.first_reply
    return [
        {
            "title": "Conversations",
            "value": words.count(handled.conversations),
            "note": f"{words.count(handled.unanswered)} not answered" if handled.unanswered else "all answered",
            "href": to_outcomes,
        },
        {
            "title": "Resolved without a person",
            "value": words.share(handled.resolved_share),
            "note": f"{words.count(handled.with_people)} with people",
            "href": to_outcomes,
        },
        {
            "title": "Time to first reply",
            "value": words.seconds(reply.median),
            "note": f"9 of 10 within {words.seconds(reply.ninetieth)}" if reply.count else "nothing to measure",
            "href": to_outcomes,
        },
        {
            "title": "Cost of models",
            "value": words.money(spent.cost),
            "note": f"{words.money(spent.own)} of it on your own keys"
            if spent.own
            else words.many(spent.calls, "call", "calls"),
            "href": to_usage,
        },
    ]
