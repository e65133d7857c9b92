"""``billing_ports.Payments`` over Stripe's own SDK. Amounts stay the integers that they are there."""

import dataclasses
import functools
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import datetime
from typing import Any, Concatenate, Final, ParamSpec, TypeVar
from uuid import UUID

import stripe
from stripe.params import InvoiceCreatePreviewParams
from stripe.params.billing_portal import SessionCreateParams as PortalParams
from stripe.params.billing_portal import SessionCreateParamsFlowData as FlowParams
from stripe.params.checkout import SessionCreateParams as CheckoutParams
from stripe.params.checkout import SessionCreateParamsLineItem as LineItem

from konstruct.adapters import stripe_changes
from konstruct.adapters import stripe_facts as facts
from konstruct.adapters.stripe_calls import StripeCalls
from konstruct.adapters.stripe_facts import Json
from konstruct.billing_ports import (
    CheckoutFacts,
    CustomerFacts,
    Flow,
    Hosted,
    InvoiceFacts,
    Preview,
    SubscriptionFacts,
)
from konstruct.errors import PaymentsRefused
from konstruct.settings import Settings

TENANT: Final = "konstruct_tenant"
"""In the metadata of what we make: whose it is."""
CONFIGURATION: Final = ("konstruct", "plans")
"""In the metadata of the portal configuration that `konstruct billing sync` makes."""
_PAGE: Final = 100


P = ParamSpec("P")
T = TypeVar("T")
Method = Callable[Concatenate["StripePayments", P], Coroutine[Any, Any, T]]


def _translated(method: Method[P, T]) -> Method[P, T]:
    """What is read from an answer that is none of Stripe's fails as the call would."""

    @functools.wraps(method)
    async def call(self: "StripePayments", /, *args: P.args, **kwargs: P.kwargs) -> T:
        async with self._calls.translated():
            return await method(self, *args, **kwargs)

    return call


class StripePayments:
    """Every method says what it asks for in Stripe's own words; what may be done twice without harm is said as well."""

    def __init__(self, calls: StripeCalls) -> None:
        self._calls = calls
        self._v1 = calls.v1

    async def close(self) -> None:
        await self._calls.close()

    @_translated
    async def make_customer(self, tenant_id: UUID, name: str, email: str, *, attempt: str) -> str:
        """One too many has no subscription, and costs nothing."""
        params: stripe.params.CustomerCreateParams = {
            "name": name,
            "email": email,
            "metadata": {TENANT: str(tenant_id)},
        }
        made = await self._calls.made(attempt, params, lambda options: self._v1.customers.create_async(params, options))
        return made.id

    @_translated
    async def open_checkout(
        self,
        customer_id: str,
        lookup_keys: Sequence[str],
        *,
        tenant_id: UUID,
        trial_days: int,
        success_url: str,
        cancel_url: str,
        attempt: str,
    ) -> Hosted:
        """One too many that nobody is sent to expires after a day."""
        prices = [await self._price(key) for key in lookup_keys]
        metadata = {TENANT: str(tenant_id)}
        params: CheckoutParams = {
            "mode": "subscription",
            "customer": customer_id,
            "client_reference_id": str(tenant_id),
            "line_items": [_line_item(price) for price in prices],
            "success_url": success_url,
            "cancel_url": cancel_url,
            "metadata": metadata,
            "subscription_data": {"metadata": metadata},
        }
        if trial_days:
            params["subscription_data"]["trial_period_days"] = trial_days
        made = await self._calls.made(
            attempt, params, lambda options: self._v1.checkout.sessions.create_async(params, options)
        )
        if (page := facts.page_at(made.url)) is None:
            # What an idempotency key kept is from when it was open; a session without a page is no use to anybody.
            raise PaymentsRefused("Stripe opened no page to pay at. Try again.", "no_page")
        return Hosted(made.id, page)

    @_translated
    async def close_checkout(self, session_id: str) -> None:
        if (await self._session(session_id))["status"] != "open":
            return
        try:
            await self._calls.made(
                f"close/{session_id}",
                {},
                lambda options: self._v1.checkout.sessions.expire_async(session_id, {}, options),
            )
        except PaymentsRefused:
            # Somebody completed it meanwhile.
            if (await self._session(session_id))["status"] == "open":
                raise

    @_translated
    async def checkout(self, session_id: str) -> CheckoutFacts:
        found = await self._session(session_id)
        customer = facts.id_of(found.get("customer"))
        return CheckoutFacts(customer or "", found["status"], facts.id_of(found.get("subscription")))

    async def _session(self, session_id: str) -> Json:
        return (await self._calls.asked(self._v1.checkout.sessions.retrieve_async(session_id))).to_dict()

    @_translated
    async def look(self, customer_id: str) -> CustomerFacts:
        # Nothing of it is expanded: one that was deleted has nothing to expand.
        customer = (await self._calls.asked(self._v1.customers.retrieve_async(customer_id))).to_dict()
        if customer.get("deleted"):
            return CustomerFacts(is_deleted=True, subscription=None, others=(), had_trial=False)
        ordered = facts.counting(await self._subscriptions(customer_id))
        chosen = await self._facts(ordered[0], customer) if ordered else None
        return CustomerFacts(
            is_deleted=False,
            subscription=chosen,
            others=tuple(sorted(each["id"] for each in ordered[1:] if each["status"] in facts.LIVE)),
            had_trial=any(each.get("trial_start") is not None for each in ordered),
        )

    async def _subscriptions(self, customer_id: str) -> list[Json]:
        page = await self._v1.subscriptions.list_async(
            {
                "customer": customer_id,
                "status": "all",
                "limit": _PAGE,
                "expand": ["data.latest_invoice", "data.default_payment_method", "data.schedule"],
            }
        )
        return [each.to_dict() async for each in page.auto_paging_iter()]

    async def _facts(self, found: Json, customer: Json) -> SubscriptionFacts:
        change, unpaid = facts.coming(found), None
        key = None
        if change is not None:
            key = facts.lookup_key((await self._v1.prices.retrieve_async(change[0])).to_dict())
        if found["status"] in ("past_due", "unpaid"):
            unpaid = await self._unpaid_since(found)
        return facts.subscription_facts(
            found,
            card=await self._card(found, customer),
            next_key=key,
            next_at=change[1] if change else None,
            unpaid_since=unpaid,
        )

    async def _unpaid_since(self, found: Json) -> int | None:
        page = await self._v1.invoices.list_async({"subscription": found["id"], "status": "open", "limit": _PAGE})
        waiting = [each async for each in page.auto_paging_iter()]
        tried = [each.created for each in waiting if each.attempted] or [each.created for each in waiting]
        if tried:
            return min(tried)
        # Somebody gave the invoice up at Stripe, and the subscription is not paid all the same.
        latest = found.get("latest_invoice")
        return int(latest["created"]) if isinstance(latest, Mapping) else None

    async def _card(self, found: Json, customer: Json) -> Json | None:
        """That which its invoices are charged to: its own, else the customer's."""
        held = found.get("default_payment_method") or (customer.get("invoice_settings") or {}).get(
            "default_payment_method"
        )
        if isinstance(held, str):
            held = (await self._v1.payment_methods.retrieve_async(held)).to_dict()
        return held.get("card") if isinstance(held, Mapping) else None

    @_translated
    async def preview_change(self, subscription_id: str, lookup_keys: Sequence[str], at: datetime) -> Preview:
        """What waits for the period's end costs nothing before, and neither does a change within a trial: ``at`` is
        then when it is made."""
        found, prices = await self._to_change(subscription_id, lookup_keys)
        item, is_there = facts.licensed(found), stripe_changes.is_for_portal(found, prices)
        free = Preview(due=0, currency=prices[0]["currency"], at=at, lines=(), is_asked_there=is_there)
        if facts.waits(item["price"], prices[0]):
            return dataclasses.replace(free, at=facts.certain(item["current_period_end"]))
        if found["status"] == "trialing":
            return free
        params: InvoiceCreatePreviewParams = {
            "subscription": subscription_id,
            "subscription_details": {
                "items": [{**each} for each in stripe_changes.items(found, prices)],
                "proration_behavior": "always_invoice",
            },
        }
        if (moment := facts.within_period(item, at)) is not None:
            params["subscription_details"]["proration_date"] = moment
        invoice = await self._calls.asked(self._v1.invoices.create_preview_async(params))
        return facts.preview(invoice.to_dict(), at, is_asked_there=is_there)

    @_translated
    async def change(
        self,
        customer_id: str,
        subscription_id: str,
        lookup_keys: Sequence[str],
        *,
        at: datetime,
        return_url: str,
        attempt: str,
    ) -> Hosted:
        found, prices = await self._to_change(subscription_id, lookup_keys)
        item = facts.licensed(found)
        if stripe_changes.is_for_portal(found, prices):
            then = _then(return_url)
            then["type"] = "subscription_update_confirm"
            then["subscription_update_confirm"] = {
                "subscription": subscription_id,
                "items": [{"id": item["id"], "price": prices[0]["id"], "quantity": 1}],
            }
            return await self._open_portal(customer_id, return_url, then, attempt)
        page = None
        if facts.waits(item["price"], prices[0]):
            await stripe_changes.arrange(self._calls, found, prices, attempt)
        else:
            moment = None if found["status"] == "trialing" else facts.within_period(item, at)
            page = await stripe_changes.make(self._calls, found, prices, moment, attempt)
        return Hosted(subscription_id, page or return_url)

    async def _to_change(self, subscription_id: str, lookup_keys: Sequence[str]) -> tuple[Json, list[Json]]:
        found = await self._subscription(subscription_id, expand="schedule")
        prices: list[Json] = [await self._price(key) for key in lookup_keys]
        held = facts.licensed(found)["price"]
        if held["id"] == prices[0]["id"]:
            raise PaymentsRefused("This is the plan that the subscription has already.", "same_price")
        if facts.waits(held, prices[0]) and found.get("cancel_at"):
            # Else it would go on, against what somebody has decided.
            raise PaymentsRefused(
                "The subscription is to end before this would hold: have it go on first, then change it.", "is_to_end"
            )
        return found, prices

    @_translated
    async def next_invoice(self, subscription_id: str) -> Preview | None:
        found = await self._subscription(subscription_id, expand="schedule")
        if found["status"] not in facts.LIVE:
            return None
        # Of a subscription by itself Stripe shows what it goes on as; what it changes to is known to its schedule.
        asked: InvoiceCreatePreviewParams = {"subscription": subscription_id}
        if facts.coming(found) is not None:
            asked = {"schedule": found["schedule"]["id"]}
        try:
            invoice = await self._calls.asked(self._v1.invoices.create_preview_async(asked))
        except PaymentsRefused as error:
            if error.code == "invoice_upcoming_none":
                return None
            raise
        ends = min(item["current_period_end"] for item in found["items"]["data"])
        return facts.preview(invoice.to_dict(), facts.certain(ends))

    @_translated
    async def open_portal(self, customer_id: str, *, return_url: str, flow: Flow | None, attempt: str) -> Hosted:
        then = None
        if flow is not None:
            then = _then(return_url)
            if flow.kind == "cancel" and flow.subscription_id is not None:
                then["type"] = "subscription_cancel"
                then["subscription_cancel"] = {"subscription": flow.subscription_id}
        return await self._open_portal(customer_id, return_url, then, attempt)

    async def _open_portal(self, customer_id: str, return_url: str, then: FlowParams | None, attempt: str) -> Hosted:
        params: PortalParams = {
            "customer": customer_id,
            "configuration": await self._configuration(),
            "return_url": return_url,
        }
        if then is not None:
            params["flow_data"] = then
        made = await self._calls.made(
            attempt, params, lambda options: self._v1.billing_portal.sessions.create_async(params, options)
        )
        if (page := facts.page_at(made.url)) is None:
            raise PaymentsRefused("Stripe opened no page. Try again.", "no_page")
        return Hosted(made.id, page)

    async def _configuration(self) -> str:
        name, value = CONFIGURATION
        page = await self._v1.billing_portal.configurations.list_async({"active": True, "limit": _PAGE})
        async for each in page.auto_paging_iter():
            if (each.to_dict().get("metadata") or {}).get(name) == value:
                return each.id
        raise PaymentsRefused(
            "Stripe's portal is not set up for this deployment yet: run `konstruct billing sync`.", "no_configuration"
        )

    @_translated
    async def resume(self, subscription_id: str, *, attempt: str) -> None:
        """Done twice, it changes nothing the second time."""
        found = await self._subscription(subscription_id, expand="schedule")
        # As long as a schedule has it, Stripe takes no other word on when it ends.
        if await stripe_changes.release(self._calls, found, attempt):
            found = await self._subscription(subscription_id)
        change: stripe.params.SubscriptionUpdateParams
        if found.get("cancel_at_period_end"):
            change = {"cancel_at_period_end": False}
        elif found.get("cancel_at"):
            # A cancellation in the portal may set the moment alone.
            change = {"cancel_at": ""}
        else:
            return
        await self._calls.made(
            f"{attempt}/resume",
            {"subscription": subscription_id, **change},
            lambda options: self._v1.subscriptions.update_async(subscription_id, change, options),
        )

    @_translated
    async def end_all(self, customer_id: str) -> None:
        """Done again, it finds nothing to end."""
        for found in await self._subscriptions(customer_id):
            if found["status"] not in facts.ENDED:
                await self._calls.asked(self._v1.subscriptions.cancel_async(found["id"]))

    @_translated
    async def invoices(self, customer_id: str, *, at_most: int = 24) -> list[InvoiceFacts]:
        page = await self._calls.asked(
            self._v1.invoices.list_async({"customer": customer_id, "limit": min(at_most, _PAGE)})
        )
        return [facts.invoice_facts(each.to_dict()) for each in page.data]

    async def meter(self, event_name: str, customer_id: str, value: int, *, identifier: UUID, at: datetime) -> None:
        """Stripe knows an identifier again for at least a day, and takes moments of the last 35 days."""
        params: stripe.params.billing.MeterEventCreateParams = {
            "event_name": event_name,
            "identifier": str(identifier),
            "payload": {"stripe_customer_id": customer_id, "value": str(value)},
            "timestamp": int(at.timestamp()),
        }
        await self._calls.counted(
            self._calls.made(
                f"meter/{identifier}",
                params,
                lambda options: self._v1.billing.meter_events.create_async(params, options),
            )
        )

    async def _subscription(self, subscription_id: str, *, expand: str | None = None) -> Json:
        found = await self._calls.asked(
            self._v1.subscriptions.retrieve_async(subscription_id, {"expand": [expand]} if expand else {})
        )
        return found.to_dict()

    async def _price(self, key: str) -> dict[str, Any]:
        found = await self._calls.asked(self._v1.prices.list_async({"lookup_keys": [key], "active": True, "limit": 1}))
        if not found.data:
            raise PaymentsRefused(f"Stripe has no price {key}: run `konstruct billing sync`.", "no_price")
        return found.data[0].to_dict()


def _then(return_url: str) -> FlowParams:
    """Out of a flow of the portal there is the way back alone."""
    return {
        "type": "payment_method_update",
        "after_completion": {"type": "redirect", "redirect": {"return_url": return_url}},
    }


def _line_item(price: Json) -> LineItem:
    # How much of what is billed by use is not known before.
    return {"price": price["id"]} if facts.is_metered(price) else {"price": price["id"], "quantity": 1}


def opened(settings: Settings) -> StripePayments | None:
    """None where the deployment bills nobody. To be closed.

    Raises:
        Misconfigured: the key would be sent to somebody who is not Stripe.
    """
    if settings.stripe_secret_key is None:
        return None
    return StripePayments(StripeCalls(settings.stripe_secret_key, settings.stripe_api_url))
