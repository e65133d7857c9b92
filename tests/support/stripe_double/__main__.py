"""The double as a process of its own: ``python -m tests.support.stripe_double --port 4242``.

Its first line of output says, as JSON, where it is and with which keys. ``POST /double/advance?days=31`` moves its
time, ``/double/decline`` and ``/double/accept`` (``?customer=cus_…``) say what cards do, ``GET /double/events`` has
all events.
"""

import argparse
import asyncio
import json
import sys

from aiohttp import web

from tests.support.http import until_stopped
from tests.support.stripe_double import StripeDouble


def control(stripe: StripeDouble) -> list[web.RouteDef]:
    async def advance(request: web.Request) -> web.Response:
        now = stripe.clock.advance(days=float(request.query.get("days", 0)), hours=float(request.query.get("hours", 0)))
        return web.json_response({"now": now})

    async def decline(request: web.Request) -> web.Response:
        stripe.decline(request.query["customer"], request.query.get("code", "card_declined"))
        return web.json_response({})

    async def accept(request: web.Request) -> web.Response:
        stripe.accept(request.query["customer"])
        return web.json_response({})

    async def events(request: web.Request) -> web.Response:
        return web.json_response(stripe.events)

    return [
        web.post("/double/advance", advance),
        web.post("/double/decline", decline),
        web.post("/double/accept", accept),
        web.get("/double/events", events),
    ]


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--key", default="sk_test_double")
    parser.add_argument("--webhook-url", help="where events are posted to")
    parser.add_argument("--webhook-secret", default="whsec_double")
    options = parser.parse_args()
    stripe = StripeDouble(options.key, options.webhook_secret, options.webhook_url)
    async with stripe.running(port=options.port, routes=control(stripe)):
        told = {"url": stripe.url, "key": stripe.key, "webhook_secret": stripe.webhook_secret}
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()
        await until_stopped()


if __name__ == "__main__":
    asyncio.run(main())
