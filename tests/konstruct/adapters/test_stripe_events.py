"""What is posted to the webhook: only what Stripe signed just now is read, and only ids are."""

import json
import time
from typing import Any

import pytest
from pydantic import SecretStr

from konstruct.adapters import stripe_events
from konstruct.billing_ports import Event
from konstruct.errors import BadInput, Unauthentic
from tests.support.stripe_double import StripeDouble, body_of, sign, stripe_double
from tests.support_tests.stripe_shop import a_price, subscribed

SECRETS = (SecretStr("whsec_new"), SecretStr("whsec_old"))


def posted(about: dict[str, Any], **more: Any) -> bytes:
    event = {"id": "evt_1", "object": "event", "type": "x", "created": 1_800_000_000, "data": {"object": about}, **more}
    return json.dumps(event, indent=2).encode()


def read(body: bytes, secret: str = "whsec_new", at: int | None = None) -> Event:
    return stripe_events.verified(body, sign(body, secret, at), SECRETS)


async def test_every_event_of_a_subscription_tells_whose_it_is() -> None:
    async with stripe_double() as stripe:
        held = await subscribed(stripe, (await a_price(stripe)).id, trial_period_days=14)
        stripe.clock.advance_past_period(held["id"])
        await stripe.client().v1.subscriptions.cancel_async(held["id"])
        found = _by_type(stripe)
    customer, subscription = held["customer"], held["id"]
    assert found["customer.created"] == (customer, None)
    for kind in ("customer.subscription.created", "customer.subscription.updated", "customer.subscription.deleted"):
        assert found[kind] == (customer, subscription)
    for kind in ("invoice.created", "invoice.paid", "checkout.session.completed"):
        assert found[kind] == (customer, subscription)
    assert found["price.created"] == (None, None)


def _by_type(stripe: StripeDouble) -> dict[str, tuple[str | None, str | None]]:
    events = [read(body_of(event)) for event in stripe.events]
    assert {event.event_id for event in events} == {event["id"] for event in stripe.events}
    return {event.type: (event.customer_id, event.subscription_id) for event in events}


def test_an_expanded_customer_and_a_deleted_one() -> None:
    assert read(posted({"object": "invoice", "customer": {"id": "cus_1"}, "parent": None})).customer_id == "cus_1"
    assert read(posted({"object": "customer", "id": "cus_1", "deleted": True})).customer_id == "cus_1"


@pytest.mark.parametrize("secret", ["whsec_new", "whsec_old"])
def test_either_secret_holds_while_one_is_replaced(secret: str) -> None:
    assert read(posted({}), secret).event_id == "evt_1"


def test_one_of_several_signatures_is_enough() -> None:
    body = posted({})
    moment = int(time.time())
    wrong, right = sign(body, "whsec_other", moment), sign(body, "whsec_new", moment)
    header = f"{wrong},{right.split(',')[1]}"
    assert stripe_events.verified(body, header, SECRETS).event_id == "evt_1"


@pytest.mark.parametrize("seconds", [-290, 290])
def test_a_clock_may_be_some_minutes_wrong(seconds: int) -> None:
    assert read(posted({}), at=int(time.time()) + seconds).event_id == "evt_1"


@pytest.mark.parametrize("seconds", [-310, 320, -86_400, 10**10])
def test_what_was_signed_at_another_time_is_refused(seconds: int) -> None:
    with pytest.raises(Unauthentic):
        read(posted({}), at=int(time.time()) + seconds)


BODY = posted({})


@pytest.mark.parametrize(
    ("body", "header"),
    [
        (BODY, None),
        (BODY, ""),
        (BODY, "v1=abc"),
        (BODY, "t={now}"),
        (BODY, "t={now},v1="),
        (BODY, "t={now},v0={signature}"),
        (BODY, "t={later},v1={signature}"),
        (BODY, "t={now},v1={cut}"),
        (BODY, "t={now},v1=ä{signature}"),
        (BODY, "t=now,v1={signature}"),
        (BODY, "t={nines},v1={signature}"),
        (BODY, "{by_another}"),
        (BODY, "{by_nobody}"),
        (BODY + b" ", "t={now},v1={signature}"),
        (BODY.replace(b"\n", b"\r\n"), "t={now},v1={signature}"),
        (b"\xff\xfe", "t={now},v1={signature}"),
    ],
)
def test_what_nobody_signed_is_refused(body: bytes, header: str | None) -> None:
    """``header``: made of the moment at which it is tried, so that none is refused for its age."""
    now = int(time.time())
    signature = sign(BODY, "whsec_new", now).partition("v1=")[2]
    parts = {
        "now": now,
        "later": now + 1,
        "nines": "9" * 5_000,
        "signature": signature,
        "cut": signature[:-1],
        "by_another": sign(BODY, "whsec_other", now),
        "by_nobody": sign(BODY, "", now),
    }
    with pytest.raises(Unauthentic):
        stripe_events.verified(body, header and header.format(**parts), SECRETS)


def test_without_a_secret_nothing_is_taken() -> None:
    for secrets in ((), (SecretStr(""),)):
        with pytest.raises(Unauthentic):
            stripe_events.verified(BODY, sign(BODY, ""), secrets)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'{"id": "evt_1"}',
        b"[" * 100_000,
        posted({}, id=5),
        posted({}, id=""),
        posted({}, id="evt_\x00"),
        posted({}, id="e" * 300),
        posted({}, created="soon"),
        posted({}, created=10**30),
        posted({}, data=None),
        posted({"object": "subscription"}),
        posted({"object": "invoice", "customer": 7}),
        posted({"object": "invoice", "customer": {"name": "no id"}}),
        posted({"object": "invoice", "parent": "x"}),
    ],
)
def test_what_is_signed_and_no_event_is_said_to_be_none(body: bytes) -> None:
    with pytest.raises(BadInput, match="no event"):
        read(body)
