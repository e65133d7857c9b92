"""A Stripe that runs on loopback: a real HTTP server which checks what the real one checks.

    async with stripe_double(webhook_url=f"{gateway}/stripe/webhooks") as stripe:
        client = stripe.client()                              # or any other, to stripe.url with stripe.key
        session = await client.v1.checkout.sessions.create_async(…)
        subscription = stripe.complete_checkout(session.id)   # or fill in session.url in a browser
        stripe.clock.advance_past_period(subscription["id"])  # renewed, paid, and told to the webhook
        await stripe.webhooks.settled()
        stripe.decline(subscription["customer"])

It knows one version of the API, `API_VERSION`, and refuses every request for another. Each of its modules says what it
checks, and on which page of Stripe's documentation that is. Beside real test clocks there is the account's own time,
`stripe.clock`. It holds nothing on disk and lives in one event loop; whatever talks to it may live anywhere.
"""

from tests.support.stripe_double.delivery import Attempt, Receiver, body_of, sign
from tests.support.stripe_double.double import StripeDouble, stripe_double
from tests.support.stripe_double.faults import Fault
from tests.support.stripe_double.server import Request
from tests.support.stripe_double.wire import Json
from tests.support.stripe_double.world import API_VERSION, Rules

__all__ = [
    "API_VERSION",
    "Attempt",
    "Fault",
    "Json",
    "Receiver",
    "Request",
    "Rules",
    "StripeDouble",
    "body_of",
    "sign",
    "stripe_double",
]
