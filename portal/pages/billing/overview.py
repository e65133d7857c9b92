"""The page of billing: the plan and its state, what is used, all plans beside each other; and invoices, from Stripe."""

from dataclasses import dataclass
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from konstruct import pacing as paces
from konstruct.billing import allowances, changing, entitlements, plans
from konstruct.billing.entitlements import Entitlement
from konstruct.billing.plans import FREE, Every, Plan
from konstruct.billing.subscriptions import LIVE
from konstruct.billing_ports import InvoiceFacts, Preview
from konstruct.budgets import alerts
from konstruct.errors import PaymentsRefused, PaymentsUnavailable, TooMany
from portal import billing_words, pacing
from portal.access import Member, may
from portal.pages.billing.changing import let_forms_lead_to_stripe
from portal.rendering import is_partial, render
from portal.services import services

router = APIRouter(prefix="/t/{tenant}/billing")

_FIRST: Final = 5
"""So many invoices stand beside the plan."""

Reader = Annotated[Member, Depends(may("billing.read"))]
Offer = Literal["current", "upgrade", "downgrade", "every", "trial", "subscribe", "cancel", "talk", "none"]


@dataclass(frozen=True)
class Offered:
    plan: Plan
    offer: Offer
    """What its button does."""


@router.get("")
async def show(request: Request, member: Reader, every: str = "") -> Response:
    here = services(request)
    async with here.database.tenant_session(member.tenant_id) as session:
        entitled = await entitlements.of(session)
        used = await allowances.of(session, entitled)
        listed = await plans.listed(session)
        if (badges := getattr(request.state, "badges", {})).get("billing"):
            # What this page shows needs no badge any more.
            badges["billing"] = 0
            await alerts.see(session, "plan", member.user_id)
    account = entitled.account
    if here.payments is not None:
        let_forms_lead_to_stripe(request)
    chosen: Every = "year" if (every or (account and account.billed_every)) == "year" else "month"
    return render(
        request,
        "pages/billing/billing.html",
        entitled=entitled,
        account=account,
        used=used,
        every=chosen,
        offers=[Offered(plan, _offer(plan, chosen, entitled, listed)) for plan in listed],
        by_key={plan.key: plan for plan in listed},
        is_live=account is not None and account.status in LIVE,
        can_pay=here.payments is not None,
        sales_email=here.settings.sales_email,
        words=billing_words,
    )


@router.get("/invoices")
async def invoices(request: Request, member: Reader) -> Response:
    here = services(request)
    async with here.database.tenant_session(member.tenant_id) as session:
        account = (await entitlements.of(session)).account
    found: list[InvoiceFacts] = []
    coming: Preview | None = None
    problem = None
    if here.payments is not None and account is not None and account.customer_id is not None:
        try:
            await pacing.keep(request, member, paces.INVOICES)
            found = await changing.invoices(here.database, here.payments, member.tenant_id)
            coming = await changing.next_invoice(here.database, here.payments, member.tenant_id)
        except (PaymentsUnavailable, PaymentsRefused, TooMany) as error:
            problem = str(error)
    return render(
        request,
        "pages/billing/invoices.html",
        block="part",
        shown=_FIRST if is_partial(request) else len(found),
        found=found,
        coming=coming,
        problem=problem,
        words=billing_words,
    )


def _offer(plan: Plan, every: Every, entitled: Entitlement, listed: list[Plan]) -> Offer:
    account = entitled.account
    if account is None:
        return "none"
    is_live = account.status in LIVE
    if plan.key == (account.plan if is_live else FREE):
        return "every" if is_live and every in plan.prices and account.billed_every != every else "current"
    if plan.on_request:
        return "talk"
    if not is_live:
        if every not in plan.prices:
            return "none"
        return "trial" if plan.trial_days and not account.had_trial else "subscribe"
    if plan.key == FREE:
        return "none" if account.ends_at is not None else "cancel"
    if every not in plan.prices:
        return "none"
    order = [each.key for each in listed]
    is_more = account.plan not in order or order.index(plan.key) > order.index(account.plan)
    return "upgrade" if is_more else "downgrade"
