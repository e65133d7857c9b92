"""Pages of tools: what their tests share."""

import re
from html import unescape
from typing import Any

import httpx

from konstruct.tables import AuditEvent
from tests.support.members import Enrolled
from tests.support.office import Office

SECRET = "sk-shop-canary-4321"
TOKEN = "token-of-acme"


def at(person: Enrolled, path: str = "") -> str:
    return f"/t/{person.slug}/tools{path}"


def order_status(shop_url: str, /, **more: Any) -> dict[str, Any]:
    """As the form sends it."""
    return {
        "key": "order-status",
        "description": "Says where an order is.",
        "risk": "reads",
        "method": "GET",
        "url": f"{shop_url}/orders/{{order}}",
        "row.name": ["order"],
        "row.type": ["string"],
        "row.description": ["Its number"],
        "row.choices": [""],
        "row.required": ["0"],
        "is_closed": "on",
        "auth": "bearer",
        "secret": SECRET,
        "result": "state = order.state",
        "timeout_seconds": "5",
        **more,
    }


def refund(shop_url: str, /) -> dict[str, Any]:
    body = '{"order": "{order}", "amount": "{amount}"}'
    return order_status(
        shop_url,
        **{
            "key": "refund-order",
            "risk": "irreversible",
            "method": "POST",
            "url": f"{shop_url}/refunds",
            "row.name": ["order", "amount"],
            "row.type": ["string", "integer"],
            "row.description": ["", ""],
            "row.choices": ["", ""],
            "row.required": ["0", "1"],
            "body": body,
            "result": "",
            "sends_idempotency_key": "on",
        },
    )


def errors(page: httpx.Response) -> dict[str, str]:
    found = re.findall(
        r'<p id="f-([a-z_.]+)-error" class="field-error"[^>]*>(?:<svg.*?</svg>)?(.*?)</p>', page.text, re.S
    )
    return {name: unescape(text) for name, text in found if text}


async def trail(office: Office) -> str:
    return str([(event.action, event.payload) for event in await office.rows(AuditEvent)])
