"""The Billing Portal's pages: home, other plans, cancelling and taking that back, another card, what is open.

https://docs.stripe.com/customer-management: each shows only what the session's configuration allows. In a flow there is
nothing but that flow, and after it what `after_completion` says:
https://docs.stripe.com/customer-management/portal-deep-links
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from html import escape

from aiohttp import web

from tests.support.stripe_double import portal
from tests.support.stripe_double.changes import plan
from tests.support.stripe_double.customers import add_card, attach, default_card
from tests.support.stripe_double.html import card_fields, each_period, error, money, number_of, page, redirect
from tests.support.stripe_double.invoices import build
from tests.support.stripe_double.paying import attempt
from tests.support.stripe_double.schedules import release
from tests.support.stripe_double.wire import Json, Refusal
from tests.support.stripe_double.world import World

_RUNNING = ("trialing", "active", "past_due", "unpaid", "paused")


def day(moment: int) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%-d %B %Y")


class Visit:
    """One request to a session's pages."""

    def __init__(self, world: World, session: Json) -> None:
        self.world = world
        self.session = session
        self.customer = world.objects[session["customer"]]
        self.configuration = world.objects[session["configuration"]]
        self.flow: Json | None = session["flow"]
        self.root = f"/p/session/{session['id'].removeprefix('bps_')}"

    def allows(self, feature: str) -> bool:
        return bool(self.configuration["features"][feature]["enabled"])

    def subscriptions(self) -> list[Json]:
        found = self.world.all_of("subscription", customer=self.customer["id"])
        return [each for each in found if each["status"] in _RUNNING]

    def subscription(self, given: str) -> Json:
        for each in self.subscriptions():
            if each["id"] == given:
                return each
        raise web.HTTPNotFound(text="There is no such subscription.")

    def name(self, price: Json) -> str:
        return str(self.world.objects[price["product"]]["name"])

    def back(self) -> str:
        url = self.session["return_url"]
        return f'<p><a href="{escape(url)}">Return to the shop</a></p>' if url else ""

    def up(self) -> str:
        """Out of a flow there is the way home alone."""
        return self.back() if self.flow else f'<p><a href="{self.root}">Back to billing</a></p>'

    def done(self) -> web.Response:
        """Where somebody comes after what they did."""
        completion: Json = self.flow["after_completion"] if self.flow else {"type": "portal_homepage"}
        self.session["flow"] = None
        if completion["type"] == "redirect":
            return redirect(completion["redirect"]["return_url"])
        if completion["type"] == "hosted_confirmation":
            told = (completion["hosted_confirmation"] or {}).get("custom_message") or "Your billing was updated."
            return page("Done", f"<p>{escape(told)}</p>{self.back()}")
        return redirect(self.root)


class PortalPages:
    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> list[web.RouteDef]:
        root = "/p/session/{session}"
        pages: list[tuple[str, Callable[[Visit, web.Request, Json], web.Response]]] = [
            ("", _home),
            ("/subscriptions/{subscription}/update", _plans),
            ("/subscriptions/{subscription}/confirm", _confirm),
            ("/subscriptions/{subscription}/cancel", _cancel),
            ("/subscriptions/{subscription}/renew", _renew),
            ("/subscriptions/{subscription}/keep", _keep),
            ("/payment-method", _card),
            ("/invoices/{invoice}/pay", _pay),
        ]
        return [
            each
            for path, show in pages
            for each in (web.get(root + path, self._visit(show)), web.post(root + path, self._visit(show)))
        ]

    def _visit(
        self, show: Callable[[Visit, web.Request, Json], web.Response]
    ) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def answer(request: web.Request) -> web.Response:
            session = self._world.objects.get(f"bps_{request.match_info['session']}")
            if session is None:
                raise web.HTTPNotFound(text="This link has expired.")
            visit = Visit(self._world, session)
            form = dict(await request.post()) if request.method == "POST" else {}
            return show(visit, request, form)

        return answer


def _start_of_flow(visit: Visit) -> str | None:
    flow = visit.flow
    if flow is None:
        return None
    if flow["type"] == "payment_method_update":
        return f"{visit.root}/payment-method"
    wanted = flow[flow["type"]]
    step = {"subscription_cancel": "cancel", "subscription_update": "update", "subscription_update_confirm": "confirm"}
    place = f"{visit.root}/subscriptions/{wanted['subscription']}/{step[flow['type']]}"
    if flow["type"] == "subscription_update_confirm":
        [item] = wanted["items"]
        place += "?" + "&".join(f"{name}={item[name]}" for name in ("price", "quantity") if name in item)
    return place


def _home(visit: Visit, request: web.Request, form: Json) -> web.Response:
    if (start := _start_of_flow(visit)) is not None:
        return redirect(start)
    shown = [_section(visit, each) for each in visit.subscriptions()] or ["<p>You have no subscription.</p>"]
    card = default_card(visit.world, visit.customer, next(iter(visit.subscriptions()), None))
    told = f"{card['card']['brand'].capitalize()} •••• {card['card']['last4']}" if card else "None"
    methods = ""
    if visit.allows("payment_method_update"):
        methods = f'<p><a href="{visit.root}/payment-method">Update payment method</a></p>'
    return page(
        "Billing",
        f"{visit.back()}<h2>Current subscription</h2>{''.join(shown)}<h2>Payment method</h2><p>{told}</p>{methods}"
        f"{_invoices(visit)}",
    )


def _section(visit: Visit, subscription: Json) -> str:
    item = subscription["items"]["data"][0]
    here = f"{visit.root}/subscriptions/{subscription['id']}"
    parts = [
        f"<h3>{escape(visit.name(item['price']))}</h3><p>{each_period(item['price'])}"
        f' <span class="badge">{subscription["status"]}</span></p>'
    ]
    coming = portal.coming_change(visit.world, subscription)
    if subscription["cancel_at"]:
        parts.append(f"<p>Cancels on {day(subscription['cancel_at'])}</p>")
        parts.append(f'<form method="post" action="{here}/renew"><button>Don\'t cancel subscription</button></form>')
        return "".join(parts)
    if coming:
        price = visit.world.objects[coming["items"][0]["price"]]
        parts.append(f"<p>Changes to {escape(visit.name(price))} on {day(coming['start_date'])}</p>")
        parts.append(f'<form method="post" action="{here}/keep"><button>Keep current plan</button></form>')
    elif visit.allows("subscription_update") and portal.can_change(subscription):
        parts.append(f'<p><a href="{here}/update">Update subscription</a></p>')
    if visit.allows("subscription_cancel"):
        parts.append(f'<p><a href="{here}/cancel">Cancel subscription</a></p>')
    return "".join(parts)


def _invoices(visit: Visit) -> str:
    if not visit.allows("invoice_history"):
        return ""
    rows = []
    for invoice in reversed(visit.world.all_of("invoice", customer=visit.customer["id"])):
        if invoice["status"] == "draft":
            continue
        pay = f'<form method="post" action="{visit.root}/invoices/{invoice["id"]}/pay"><button>Pay now</button></form>'
        rows.append(
            f'<tr><td><a href="{escape(invoice["hosted_invoice_url"])}">{day(invoice["created"])}</a></td>'
            f"<td>{money(invoice['total'], invoice['currency'])}</td><td>{invoice['status']}</td>"
            f"<td>{pay if invoice['status'] == 'open' else ''}</td></tr>"
        )
    return f"<h2>Invoice history</h2><table>{''.join(rows)}</table>"


def _must_allow(visit: Visit, feature: str) -> None:
    if not visit.allows(feature):
        raise web.HTTPForbidden(text="This is not offered here.")


def _plans(visit: Visit, request: web.Request, form: Json) -> web.Response:
    _must_allow(visit, "subscription_update")
    subscription = visit.subscription(request.match_info["subscription"])
    [item, *_] = subscription["items"]["data"]
    offered = [
        visit.world.objects[price]
        for each in visit.configuration["features"]["subscription_update"]["products"]
        for price in each["prices"]
    ]
    choices = "".join(
        f'<p><label><input type="radio" name="price" value="{price["id"]}" required'
        f"{' disabled' if price['id'] == item['price']['id'] else ''}>{escape(visit.name(price))},"
        f" {each_period(price)}{' (current plan)' if price['id'] == item['price']['id'] else ''}</label></p>"
        for price in offered
        if price["currency"] == subscription["currency"]
    )
    where = f"{visit.root}/subscriptions/{subscription['id']}/confirm"
    return page(
        "Update your subscription",
        f'{visit.up()}<form method="get" action="{where}">{choices}<button type="submit">Continue</button></form>',
    )


def _confirm(visit: Visit, request: web.Request, form: Json) -> web.Response:
    _must_allow(visit, "subscription_update")
    world = visit.world
    subscription = visit.subscription(request.match_info["subscription"])
    [held, *_] = subscription["items"]["data"]
    item: Json = {"id": held["id"], "price": request.query.get("price", held["price"]["id"])}
    if request.query.get("quantity", "").isdigit():
        item["quantity"] = int(request.query["quantity"])
    price = world.objects.get(item["price"])
    if price is None:
        raise web.HTTPNotFound(text="There is no such price.")
    problem = None
    try:
        portal.check_allowed(visit.configuration, subscription, item)
        if request.method == "POST":
            portal.change_plan(world, visit.configuration, subscription, item)
            return visit.done()
    except Refusal as refusal:
        problem = refusal.message
    try:
        due = _what_is_due(visit, subscription, item)
    except Refusal as refusal:
        problem, due = problem or refusal.message, ""
    return page(
        "Confirm your updates",
        f"{visit.up()}<p>{escape(visit.name(price))}, {each_period(price)}</p>{due}{error(problem)}"
        '<form method="post"><button type="submit">Confirm</button></form>',
        status=402 if problem else 200,
    )


def _what_is_due(visit: Visit, subscription: Json, item: Json) -> str:
    if portal.waits_for_period_end(visit.world, visit.configuration, subscription, item):
        ends = subscription["items"]["data"][0]["current_period_end"]
        return f"<p>Nothing is due today. The change is made on {day(ends)}.</p>"
    change = plan(visit.world, subscription, portal.asked_change(visit.configuration, subscription, item))
    is_now = change.begins_period or change.behavior == "always_invoice"
    preview = build(visit.world, subscription, change.lines if is_now else [], "subscription_update", is_preview=True)
    rows = "".join(
        f"<tr><td>{escape(each['description'])}</td><td>{money(each['amount'], each['currency'])}</td></tr>"
        for each in change.lines
    )
    due = money(preview["amount_due"], preview["currency"])
    return f"<table>{rows}</table><p>Amount due today <strong>{due}</strong></p>"


def _cancel(visit: Visit, request: web.Request, form: Json) -> web.Response:
    _must_allow(visit, "subscription_cancel")
    subscription = visit.subscription(request.match_info["subscription"])
    if request.method == "POST":
        portal.cancel(visit.world, visit.configuration, subscription)
        return visit.done()
    if visit.configuration["features"]["subscription_cancel"]["mode"] == "immediately":
        told = "It ends at once."
    else:
        told = f"It stays until {day(subscription['items']['data'][0]['current_period_end'])}."
    return page(
        "Cancel your subscription",
        f'{visit.up()}<p>{told}</p><form method="post"><button type="submit">Cancel subscription</button></form>',
    )


def _renew(visit: Visit, request: web.Request, form: Json) -> web.Response:
    if request.method == "POST":
        portal.renew(visit.world, visit.subscription(request.match_info["subscription"]))
    return redirect(visit.root)


def _keep(visit: Visit, request: web.Request, form: Json) -> web.Response:
    subscription = visit.subscription(request.match_info["subscription"])
    if request.method == "POST" and subscription["schedule"]:
        release(visit.world, visit.world.objects[subscription["schedule"]])
    return redirect(visit.root)


def _card(visit: Visit, request: web.Request, form: Json) -> web.Response:
    _must_allow(visit, "payment_method_update")
    problem = None
    if request.method == "POST":
        try:
            portal_card(visit.world, visit.customer, number_of(form), str(form.get("billingName", "")) or None)
            return visit.done()
        except ValueError as wrong:
            problem = str(wrong)
        except Refusal as refusal:
            problem = refusal.message
    return page(
        "Update payment method",
        f'{visit.up()}{error(problem)}<form method="post">{card_fields(visit.customer["name"] or "")}'
        '<button type="submit">Save</button></form>',
        status=402 if problem else 200,
    )


def portal_card(world: World, customer: Json, number: str, name: str | None = None) -> Json:
    """The customer's new default, also of each subscription that had one of its own."""
    card = add_card(world, number, customer["test_clock"], name=name)
    attach(world, card, customer["id"])
    with world.changing(customer):
        customer["invoice_settings"] = customer["invoice_settings"] | {"default_payment_method": card["id"]}
    for subscription in world.all_of("subscription", customer=customer["id"]):
        if subscription["default_payment_method"] and subscription["status"] in _RUNNING:
            with world.changing(subscription):
                subscription["default_payment_method"] = card["id"]
    if world.rules.retries_on_new_card:
        for invoice in world.all_of("invoice", customer=customer["id"], status="open"):
            attempt(world, invoice)
    return card


def _pay(visit: Visit, request: web.Request, form: Json) -> web.Response:
    invoice = visit.world.objects.get(request.match_info["invoice"])
    if invoice is None or invoice.get("customer") != visit.customer["id"]:
        raise web.HTTPNotFound(text="There is no such invoice.")
    if request.method == "POST" and invoice["status"] == "open":
        failure = attempt(visit.world, invoice)
        if failure is not None:
            return page("Payment failed", f"{visit.up()}{error(failure.message)}", status=402)
    return redirect(visit.root)
