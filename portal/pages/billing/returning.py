"""Where people come back to from Stripe's pages: what they did there is looked up at once, not waited for."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from konstruct import pacing as paces
from konstruct.billing import checking_out, entitlements, subscriptions
from konstruct.errors import PaymentsRefused, PaymentsUnavailable, TooMany
from portal import billing_words, pacing
from portal.access import Member, may
from portal.pages.billing.changing import paying
from portal.rendering import Toast, redirect, render
from portal.services import services

router = APIRouter(prefix="/t/{tenant}/billing")

Reader = Annotated[Member, Depends(may("billing.read"))]
_LATER: Final = "Stripe does not answer just now. What you did there is known here as soon as it does."


@router.get("/done")
async def done(request: Request, member: Reader, session_id: str = "") -> Response:
    here, problem = services(request), None
    try:
        await pacing.keep(request, member, paces.STRIPE)
        await checking_out.done(here.database, paying(request), member.tenant_id, session_id)
    except (PaymentsUnavailable, TooMany):
        problem = _LATER
    async with here.database.tenant_session(member.tenant_id) as session:
        entitled = await entitlements.of(session)
    # What stands on every page was read before Stripe was asked.
    request.state.entitled = entitled
    account = subscriptions.billed(entitled.account)
    return render(
        request,
        "pages/billing/done.html",
        account=account,
        entitled=entitled,
        is_live=account.status in subscriptions.LIVE,
        problem=problem,
        words=billing_words,
    )


@router.get("/back")
async def back(request: Request, member: Reader, was: str = "") -> Response:
    here, payments = services(request), paying(request)
    try:
        await pacing.keep(request, member, paces.STRIPE)
        await subscriptions.sync(here.database, payments, member.tenant_id)
        async with here.database.tenant_session(member.tenant_id) as session:
            said = billing_words.changed(was, await entitlements.of(session))
        toast = Toast(said) if said else None
    except (PaymentsUnavailable, PaymentsRefused, TooMany):
        toast = Toast(_LATER, "warning")
    return redirect(request, f"/t/{member.tenant_slug}/billing", toast=toast)


@router.post("/look")
async def look(request: Request, member: Reader) -> Response:
    """Asks Stripe anew, where what is shown may be old."""
    await pacing.keep(request, member, paces.STRIPE)
    await subscriptions.sync(services(request).database, paying(request), member.tenant_id)
    return redirect(request, f"/t/{member.tenant_slug}/billing", toast=Toast("This is what Stripe says now."))
