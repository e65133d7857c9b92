"""What an owner does about the plan: each act is looked over here first, and done at Stripe's own pages if they can."""

from datetime import datetime, timedelta
from typing import Annotated, Final, Literal
from urllib.parse import quote, urlsplit

from fastapi import APIRouter, Depends, Form, Request
from pydantic import AwareDatetime
from starlette.responses import Response

from konstruct import pacing as paces
from konstruct.billing import allowances, changing, checking_out, entitlements, plans, subscriptions
from konstruct.billing.changing import Visit
from konstruct.billing.checking_out import Buyer, Urls
from konstruct.billing.plans import FREE, Every
from konstruct.billing_ports import Payments
from konstruct.errors import BadInput
from konstruct.tables import BillingAccount
from konstruct.tables.base import utc_now
from portal import billing_words, pacing
from portal.access import Member, may
from portal.guard import allow_form_target
from portal.rendering import Toast, redirect, render
from portal.services import services

router = APIRouter(prefix="/t/{tenant}/billing")

Owner = Annotated[Member, Depends(may("billing.edit", recent=True))]
_HOSTED: Final = ("https://checkout.stripe.com", "https://billing.stripe.com", "https://invoice.stripe.com")
_REAL: Final = "https://api.stripe.com"


@router.get("/change")
async def review(request: Request, member: Owner, plan: str = "", every: Every = "month") -> Response:
    here, payments = services(request), paying(request)
    async with here.database.tenant_session(member.tenant_id) as session:
        entitled = await entitlements.of(session)
        account = subscriptions.billed(entitled.account)
        chosen = plans.for_sale(await plans.listed(session), plan, every)
        used = await allowances.of(session, entitled)
    preview, kind = None, "subscribe"
    if account.status in subscriptions.LIVE:
        await pacing.keep(request, member, paces.STRIPE)
        preview = await changing.preview(here.database, payments, member.tenant_id, plan, every)
        kind = "later" if account.period_end is not None and preview.at >= account.period_end else "now"
    elif chosen.trial_days and not account.had_trial:
        kind = "trial"
    let_forms_lead_to_stripe(request)
    return render(
        request,
        "pages/billing/change.html",
        kind=kind,
        plan=chosen,
        every=every,
        current=entitled.plan,
        preview=preview,
        is_trial=account.status == "trialing",
        first_paid_at=account.trial_ends_at or utc_now() + timedelta(days=chosen.trial_days),
        lost=billing_words.lost(used, entitled, chosen),
        words=billing_words,
    )


@router.post("/change")
async def change(
    request: Request,
    member: Owner,
    plan: Annotated[str, Form()] = "",
    every: Annotated[Every, Form()] = "month",
    shown_at: Annotated[AwareDatetime | None, Form()] = None,
) -> Response:
    """To Stripe: to pay for the first subscription, or to confirm or pay for how this one changes."""
    here, payments = services(request), paying(request)
    account = await _account(request, member)
    if account.status in subscriptions.LIVE:
        return await _visit(request, member, "change", plan, every, shown_at)
    await pacing.keep(request, member, paces.STRIPE)
    urls = Urls(f"{_base(request, member)}/done?session_id={checking_out.SESSION_ID}", _base(request, member))
    who = Buyer(member.actor, member.email)
    opened = await checking_out.open(here.database, payments, member.tenant_id, plan, every, who, urls)
    return redirect(request, opened.url)


@router.post("/portal")
async def visit(request: Request, member: Owner, to: Annotated[Literal["home", "card"], Form()] = "home") -> Response:
    return await _visit(request, member, to)


@router.get("/cancel")
async def look_over_end(request: Request, member: Owner) -> Response:
    paying(request)
    async with services(request).database.tenant_session(member.tenant_id) as session:
        entitled = await entitlements.of(session)
        account = subscriptions.billed(entitled.account)
        left = await plans.by_key(session, FREE)
        used = await allowances.of(session, entitled)
    let_forms_lead_to_stripe(request)
    return render(
        request,
        "pages/billing/cancel.html",
        is_live=account.status in subscriptions.LIVE and account.ends_at is None,
        account=account,
        current=entitled.plan,
        left=left,
        lost=billing_words.lost(used, entitled, left),
    )


@router.post("/cancel")
async def cancel(request: Request, member: Owner) -> Response:
    return await _visit(request, member, "cancel")


@router.post("/resume")
async def resume(request: Request, member: Owner) -> Response:
    here, payments = services(request), paying(request)
    await pacing.keep(request, member, paces.STRIPE)
    await changing.resume(here.database, payments, member.tenant_id, actor=member.actor)
    said = "The subscription goes on as it was."
    return redirect(request, f"/t/{member.tenant_slug}/billing", toast=Toast(said))


async def _visit(
    request: Request,
    member: Member,
    to: Visit,
    plan: str = "",
    every: Every = "month",
    shown_at: datetime | None = None,
) -> Response:
    here, payments = services(request), paying(request)
    await pacing.keep(request, member, paces.STRIPE)
    # By the time they come back, Stripe may have told of what they did.
    was = quote(billing_words.mark(await _account(request, member)), safe="")
    back = f"{_base(request, member)}/back?was={was}"
    opened = await changing.portal(
        *(here.database, payments, member.tenant_id, to),
        actor=member.actor,
        return_url=back,
        plan_key=plan,
        every=every,
        shown_at=shown_at,
    )
    return redirect(request, opened.url)


async def _account(request: Request, member: Member) -> BillingAccount:
    async with services(request).database.tenant_session(member.tenant_id) as session:
        return subscriptions.billed((await entitlements.of(session)).account)


def _base(request: Request, member: Member) -> str:
    """As browsers reach it, for Stripe to lead back to."""
    return f"{services(request).settings.portal_address}/t/{member.tenant_slug}/billing"


def paying(request: Request) -> Payments:
    found = services(request).payments
    if found is None:
        raise BadInput("Plans are changed by whoever runs this Konstruct: it is not connected to Stripe.")
    return found


def let_forms_lead_to_stripe(request: Request) -> None:
    api = urlsplit(services(request).settings.stripe_api_url)
    origin = f"{api.scheme}://{api.netloc}"
    for each in _HOSTED if origin == _REAL else (origin,):
        allow_form_target(request, each)
