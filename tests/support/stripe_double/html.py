"""Plain HTML for the hosted pages: forms that work without scripts."""

from html import escape
from typing import Final

from aiohttp import web

from tests.support.stripe_double.wire import Json

_STYLE: Final = """
body { font: 16px/1.5 system-ui, sans-serif; color: #1a1f36; background: #f6f8fa; margin: 0 }
main { max-width: 32rem; margin: 2rem auto; padding: 1.5rem; background: #fff; border-radius: 8px }
label { display: block; margin: .75rem 0 .25rem }
input { width: 100%; box-sizing: border-box; padding: .5rem; font: inherit }
input[type=radio] { width: auto; margin-right: .5rem }
button, .button { display: inline-block; margin-top: 1rem; padding: .5rem 1rem; font: inherit; cursor: pointer }
.error { color: #a41c4e }
.badge { padding: 0 .5rem; border: 1px solid; border-radius: 4px }
table { border-collapse: collapse; width: 100% }
td, th { text-align: left; padding: .25rem .5rem .25rem 0 }
"""
_SYMBOLS: Final = {"usd": "$", "eur": "€", "gbp": "£"}


def page(title: str, body: str, *, status: int = 200) -> web.Response:
    text = (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}</style></head><body><main><h1>{escape(title)}</h1>{body}</main></body></html>"
    )
    headers = {"Cache-Control": "no-store", "X-Frame-Options": "DENY"}
    return web.Response(text=text, content_type="text/html", status=status, headers=headers)


def redirect(place: str) -> web.Response:
    return web.Response(status=303, headers={"Location": place, "Cache-Control": "no-store"})


def money(amount: int, currency: str) -> str:
    sign = "-" if amount < 0 else ""
    return f"{sign}{_SYMBOLS.get(currency, currency.upper() + ' ')}{abs(amount) // 100}.{abs(amount) % 100:02}"


def each_period(price: Json) -> str:
    amount = money(price["unit_amount"] or 0, price["currency"])
    count = price["recurring"]["interval_count"]
    interval = price["recurring"]["interval"]
    return f"{amount} per {interval}" if count == 1 else f"{amount} every {count} {interval}s"


def error(message: str | None) -> str:
    return f'<p class="error" role="alert">{escape(message)}</p>' if message else ""


def card_fields(name: str = "") -> str:
    return (
        '<label for="cardNumber">Card number</label>'
        '<input id="cardNumber" name="cardNumber" inputmode="numeric" autocomplete="cc-number" required>'
        '<label for="cardExpiry">Expiration (MM / YY)</label>'
        '<input id="cardExpiry" name="cardExpiry" placeholder="MM / YY" autocomplete="cc-exp" required>'
        '<label for="cardCvc">CVC</label>'
        '<input id="cardCvc" name="cardCvc" inputmode="numeric" autocomplete="cc-csc" required>'
        '<label for="billingName">Cardholder name</label>'
        f'<input id="billingName" name="billingName" autocomplete="cc-name" value="{escape(name)}" required>'
    )


def number_of(form: Json) -> str:
    """The card's number without its spaces. Raises ValueError with what is wrong."""
    number = "".join(str(form.get("cardNumber", "")).split())
    if not (number.isdigit() and 13 <= len(number) <= 19 and _passes_luhn(number)):
        raise ValueError("Your card number is invalid.")
    if not str(form.get("cardCvc", "")).strip().isdigit():
        raise ValueError("Your card's security code is incomplete.")
    month, _, year = str(form.get("cardExpiry", "")).replace(" ", "").partition("/")
    if not (month.isdigit() and year.isdigit() and 1 <= int(month) <= 12):
        raise ValueError("Your card's expiration date is incomplete.")
    if int(year) % 100 < 26:
        raise ValueError("Your card's expiration year is in the past.")
    return number


def _passes_luhn(number: str) -> bool:
    total = 0
    for place, digit in enumerate(reversed(number)):
        worth = int(digit) * (2 if place % 2 else 1)
        total += worth - 9 if worth > 9 else worth
    return total % 10 == 0
