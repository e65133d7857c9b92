"""Whatever happens at Stripe, and however what it tells of arrives, a row ends as what Stripe says last.

Events come in any order, more than once, days late or never; looks are answered in any order.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, cast
from uuid import UUID

import pytest
import stripe
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr
from sqlmodel import col, select
from temporalio.testing import ActivityEnvironment

from activities.billing import Billing
from konstruct.adapters.stripe_events import verified
from konstruct.billing import events, subscriptions
from konstruct.billing_ports import CustomerFacts, Payments, SubscriptionFacts
from konstruct.contracts.billing import SubscriptionState
from konstruct.db import Database
from konstruct.tables import AuditEvent, BillingAccount
from konstruct.vault import Vault
from tests.support.billed import bill
from tests.support.office import open_office
from tests.support.stripe_double import Json, body_of, sign
from tests.support.till import Till, billed_tenant, open_payments, stocked_stripe


def told(account: BillingAccount) -> dict[str, Any]:
    """All that Stripe says of it."""
    ours = ("tenant_id", "overrides", "asked", "applied", "synced_at", "created_at", "checkout_session_id")
    return {name: value for name, value in account.model_dump().items() if name not in ours}


# What happens at Stripe, by itself, in its dashboard or on its pages. One that cannot be just then is not done.
Act = Callable[[Till, str, str], Awaitable[object]]


async def _renew(till: Till, customer: str, subscription: str) -> object:
    return till.stripe.clock.advance_past_period(subscription)


async def _decline(till: Till, customer: str, subscription: str) -> None:
    till.stripe.decline(customer)


async def _accept(till: Till, customer: str, subscription: str) -> None:
    till.stripe.accept(customer)


async def _pay(till: Till, customer: str, subscription: str) -> object:
    unpaid = till.stripe.all("invoice", customer=customer, status="open")
    return await till.stripe.client().v1.invoices.pay_async(unpaid[-1]["id"]) if unpaid else None


async def _pass_days(till: Till, customer: str, subscription: str) -> object:
    return till.stripe.clock.advance(days=9)


async def _change(till: Till, subscription: str, plan: str) -> object:
    held = till.stripe.get(subscription)
    items = [{"id": held["items"]["data"][0]["id"], "price": await till.price(plan)}]
    return await till.stripe.client().v1.subscriptions.update_async(subscription, cast(Any, {"items": items}))


async def _end_with_period(till: Till, subscription: str, is_ending: bool) -> object:
    change: Any = {"cancel_at_period_end": is_ending}
    return await till.stripe.client().v1.subscriptions.update_async(subscription, change)


async def _end(till: Till, customer: str, subscription: str) -> object:
    return await till.stripe.client().v1.subscriptions.cancel_async(subscription)


ACTS: Final[Mapping[str, Act]] = {
    "renew": _renew,
    "decline": _decline,
    "accept": _accept,
    "pay": _pay,
    "pass days": _pass_days,
    "upgrade": lambda till, customer, subscription: _change(till, subscription, "pro"),
    "downgrade": lambda till, customer, subscription: _change(till, subscription, "starter"),
    "cancel": lambda till, customer, subscription: _end_with_period(till, subscription, True),
    "resume": lambda till, customer, subscription: _end_with_period(till, subscription, False),
    "end": _end,
}

Burst = list[int]
"""Which of the events that were not delivered yet come now, each as often as it is named."""


@st.composite
def stories(draw: st.DrawFn) -> list[tuple[str, Burst]]:
    acts = draw(st.lists(st.sampled_from(sorted(ACTS)), min_size=2, max_size=6))
    return [(act, draw(st.lists(st.integers(0, 30), max_size=4))) for act in acts]


@pytest.fixture
async def next_till(database: Database, vault: Vault) -> AsyncIterator[Callable[[], Awaitable[Till]]]:
    """One business after the other, at one Stripe; what happens there is told to nobody by itself."""
    async with stocked_stripe(database) as stripe, open_payments(stripe) as payments:

        async def open_next() -> Till:
            return Till(stripe, payments, database, await billed_tenant(database, vault))

        yield open_next


async def deliver(till: Till, found: Sequence[Json]) -> None:
    """As the webhook does it, and then the workflow, for all that came together."""
    is_told = False
    for event in found:
        body = body_of(event)
        kept = verified(body, sign(body, "whsec_now"), [SecretStr("whsec_now")])
        is_told |= await events.keep(till.database, kept) is not None
    if is_told:
        looking = Billing(till.database, till.payments).sync_subscription
        await ActivityEnvironment().run(looking, SubscriptionState(till.tenant_id))


@pytest.mark.timeout(300)
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(story=stories(), late=st.randoms(use_true_random=False), copies=st.integers(1, 3))
async def test_events_in_any_order_end_in_what_stripe_says(
    next_till: Callable[[], Awaitable[Till]], story: list[tuple[str, Burst]], late: random.Random, copies: int
) -> None:
    till = await next_till()
    account = await till.subscribe()
    customer, subscription = str(account.customer_id), str(account.subscription_id)
    before = len(till.stripe.events)
    waiting: list[Json] = []
    for act, burst in story:
        with suppress(stripe.StripeError):
            await ACTS[act](till, customer, subscription)
        waiting += [event for event in till.stripe.events[before:] if customer in str(event)]
        before = len(till.stripe.events)
        now = [waiting[place] for place in burst if place < len(waiting)]
        await deliver(till, now)
        waiting = [event for event in waiting if event not in now]
    waiting *= copies
    late.shuffle(waiting)
    while waiting:
        size = late.randint(1, 8)
        await deliver(till, waiting[:size])
        waiting = waiting[size:]

    # What a row that knew nothing before becomes now is what it is to be.
    ended = told(await till.account())
    await bill(till.database, till.tenant_id, customer_id=customer)
    assert ended == told(await till.sync())
    async with till.database.tenant_session(till.tenant_id) as session:
        assert await events.settle(session, await events.now(session)) == 0
        changed = select(AuditEvent.detail).where(col(AuditEvent.action) == "billing.changed")
        assert all(detail["changes"] for detail in await session.scalars(changed))


@dataclass
class SlowStripe:
    """It answers each look when it is told to: with what was so when it began, or what is so then."""

    status: str = "incomplete"
    asked: list[tuple[asyncio.Event, bool]] = field(default_factory=list)
    reads_early: bool = True
    has_asked: asyncio.Event = field(default_factory=asyncio.Event)

    async def look(self, customer_id: str) -> CustomerFacts:
        found, answers = self.status, asyncio.Event()
        reads_early = self.reads_early
        self.asked.append((answers, reads_early))
        self.has_asked.set()
        await answers.wait()
        status = found if reads_early else self.status
        facts = SubscriptionFacts("sub_1", status, "konstruct_pro_month", *([None] * 10))
        return CustomerFacts(is_deleted=False, subscription=facts, others=(), had_trial=True)


Step = tuple[str, list[bool], list[int]]
"""A status, the looks that begin after it came to be, and which of those under way are answered then."""

STATUSES: Final = ["trialing", "active", "past_due", "unpaid", "paused", "canceled"]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(STATUSES),
        st.lists(st.booleans(), min_size=1, max_size=3),
        st.lists(st.integers(0, 9), max_size=4),
    ),
    min_size=1,
    max_size=5,
)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=STEPS, order=st.randoms(use_true_random=False))
async def test_looks_answered_in_any_order_end_in_what_was_so_last(
    database: Database, tenant_id: UUID, steps: list[Step], order: random.Random
) -> None:
    """As when a worker is taken for dead and lives on, or two processes are told of different events."""
    await bill(database, tenant_id, customer_id=f"cus_{tenant_id.hex}")
    slow = SlowStripe()
    looks: list[asyncio.Task[object]] = []
    for status, begun, answered in steps:
        slow.status = status
        for slow.reads_early in begun:
            slow.has_asked.clear()
            looks.append(asyncio.create_task(subscriptions.sync(database, cast(Payments, slow), tenant_id)))
            await slow.has_asked.wait()
        for place in answered:
            if place < len(looks):
                slow.asked[place][0].set()
                await looks[place]
    rest = list(range(len(looks)))
    order.shuffle(rest)
    for place in rest:
        slow.asked[place][0].set()
        await looks[place]

    async with database.tenant_session(tenant_id) as session:
        account = subscriptions.billed(await subscriptions.locked(session))
    assert (account.status, account.plan, account.applied) == (steps[-1][0], "pro", len(looks))


@pytest.fixture
async def tenant_id(database: Database, vault: Vault) -> UUID:
    return (await open_office(database, vault)).tenant_id
