"""Checkout's own page, and that of an invoice: what somebody fills in, and where it sends them.

https://docs.stripe.com/payments/checkout/how-checkout-works: a session that was completed or expired takes nothing
more; a card that is declined leaves the page open with the reason.
"""

from html import escape

from aiohttp import web

from tests.support.stripe_double.checkout import complete, needs_card
from tests.support.stripe_double.customers import add_card, attach
from tests.support.stripe_double.html import card_fields, each_period, error, money, number_of, page, redirect
from tests.support.stripe_double.paying import attempt
from tests.support.stripe_double.wire import Json, Refusal
from tests.support.stripe_double.world import World


class CheckoutPages:
    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/c/pay/{session}", self._show),
            web.post("/c/pay/{session}", self._submit),
            web.get("/i/{invoice}", self._show_invoice),
            web.post("/i/{invoice}", self._pay_invoice),
            web.get("/i/{invoice}/pdf", self._pdf),
        ]

    def _session(self, request: web.Request) -> Json:
        session = self._world.objects.get(request.match_info["session"])
        if session is None or session["object"] != "checkout.session":
            raise web.HTTPNotFound(text="There is no such page.")
        return session

    async def _show(self, request: web.Request) -> web.Response:
        return self._page(self._session(request))

    def _page(self, session: Json, problem: str | None = None, form: Json | None = None) -> web.Response:
        if session["status"] == "complete":
            return page("You're all done here", "<p>This Checkout Session was completed.</p>")
        if session["status"] == "expired":
            return page("Something went wrong", "<p>The page you were looking for has expired.</p>", status=410)
        customer = self._world.objects.get(session["customer"] or "", {})
        known = customer.get("email") or session["customer_email"]
        typed = (form or {}).get("email", "")
        trial = session["_wishes"].get("trial_period_days") or session["_wishes"].get("trial_end")
        rows = "".join(self._row(each) for each in session["_lines"])
        days = session["_wishes"].get("trial_period_days")
        offer = f"<p>{days} days free</p>" if days else ""
        fields = card_fields() if needs_card(session) else ""
        frozen = f' value="{escape(known)}" readonly' if known else f' value="{escape(str(typed))}"'
        back = session["cancel_url"]
        link = f'<p><a href="{escape(back)}">Back</a></p>' if back else ""
        return page(
            "Subscribe",
            f"{link}<table>{rows}</table>{offer}"
            f"<p>Total due today <strong>{money(session['amount_total'], session['currency'])}</strong></p>"
            f'{error(problem)}<form method="post"><label for="email">Email</label>'
            f'<input id="email" name="email" type="email" autocomplete="email" required{frozen}>{fields}'
            f'<button type="submit">{"Start trial" if trial else "Subscribe"}</button></form>',
            status=402 if problem else 200,
        )

    def _row(self, each: Json) -> str:
        name = self._world.objects[each["price"]["product"]]["name"]
        return f"<tr><td>{escape(name)}</td><td>{each_period(each['price'])}</td></tr>"

    async def _submit(self, request: web.Request) -> web.Response:
        session = self._session(request)
        if session["status"] != "open":
            return self._page(session)
        form = dict(await request.post())
        customer = self._world.objects.get(session["customer"] or "", {})
        email = customer.get("email") or session["customer_email"] or str(form.get("email", ""))
        if "@" not in email:
            return self._page(session, "Your email is invalid.", form)
        try:
            number = number_of(form) if needs_card(session) else None
            complete(self._world, session, email, number, str(form.get("billingName", "")) or None)
        except ValueError as wrong:
            return self._page(session, str(wrong), form)
        except Refusal as refusal:
            return self._page(session, refusal.message, form)
        return redirect(session["success_url"].replace("{CHECKOUT_SESSION_ID}", session["id"]))

    def _invoice(self, request: web.Request) -> Json:
        invoice = self._world.objects.get(request.match_info["invoice"])
        if invoice is None or invoice["object"] != "invoice":
            raise web.HTTPNotFound(text="There is no such page.")
        return invoice

    async def _show_invoice(self, request: web.Request) -> web.Response:
        return self._invoice_page(self._invoice(request))

    def _invoice_page(self, invoice: Json, problem: str | None = None) -> web.Response:
        rows = "".join(
            f"<tr><td>{escape(each['description'])}</td><td>{money(each['amount'], each['currency'])}</td></tr>"
            for each in invoice["lines"]["data"]
        )
        form = f'<form method="post">{card_fields()}<button type="submit">Pay</button></form>'
        return page(
            f"Invoice {invoice['number'] or 'draft'}",
            f'<p><span class="badge">{invoice["status"].capitalize()}</span></p><table>{rows}</table>'
            f"<p>Amount due {money(invoice['amount_remaining'], invoice['currency'])}</p>{error(problem)}"
            f"{form if invoice['status'] == 'open' else ''}",
            status=402 if problem else 200,
        )

    async def _pay_invoice(self, request: web.Request) -> web.Response:
        invoice = self._invoice(request)
        if invoice["status"] != "open":
            return self._invoice_page(invoice)
        try:
            number = number_of(dict(await request.post()))
            card = attach(self._world, add_card(self._world, number, invoice["test_clock"]), invoice["customer"])
        except ValueError as wrong:
            return self._invoice_page(invoice, str(wrong))
        except Refusal as refusal:
            return self._invoice_page(invoice, refusal.message)
        failure = attempt(self._world, invoice, card)
        return self._invoice_page(invoice, failure.message if failure else None)

    async def _pdf(self, request: web.Request) -> web.Response:
        self._invoice(request)
        return web.Response(body=b"%PDF-1.4\n%%EOF\n", content_type="application/pdf")
