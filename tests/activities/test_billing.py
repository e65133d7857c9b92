"""What is done for payments in the background: looks that settle what was told before, the nightly one, and meters."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from pydantic import SecretStr
from sqlalchemy import delete
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.testing import ActivityEnvironment

from activities.billing import Billing
from activities.fetching import Removing
from activities.upkeep import Upkeep
from konstruct import temporal
from konstruct.billing import events, subscriptions
from konstruct.billing_ports import Event
from konstruct.contracts.billing import Metered, Reconciled, SubscriptionState, workflow_id
from konstruct.db import Database
from konstruct.embedded.loopback import free_port
from konstruct.errors import Misconfigured, PaymentsUnavailable
from konstruct.identity import new_id
from konstruct.settings import Settings
from konstruct.tables import BillingAccount, MeteredUsage
from konstruct.tables.base import utc_now
from konstruct.vault import Vault
from tests.support.doubles import KeptFiles
from tests.support.till import Till, billed_tenant, open_payments, stocked_stripe

Outcomes = Callable[[], Awaitable[dict[str, str | None]]]


@pytest.fixture
async def till(database: Database, vault: Vault) -> AsyncIterator[Till]:
    """The only customer of all."""
    async with stocked_stripe(database) as stripe, open_payments(stripe) as payments:
        yield Till(stripe, payments, database, await billed_tenant(database, vault))


@pytest.fixture
async def administrator(owner_url: SecretStr) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(owner_url.get_secret_value())
    # What other tests left would be of customers whom no double knows.
    await connection.execute("update billing_accounts set customer_id = null")
    await connection.execute("delete from metered_usage")
    yield connection
    await connection.close()


@pytest.fixture
def outcomes(administrator: Any) -> Outcomes:
    """What became of each event."""

    async def read() -> dict[str, str | None]:
        return {row["id"]: row["outcome"] for row in await administrator.fetch("select * from stripe_events")}

    return read


async def tell(till: Till, customer_id: str | None, kind: str = "invoice.paid") -> str:
    event = Event(f"evt_{new_id().hex}", kind, customer_id, None, utc_now())
    await events.keep(till.database, event)
    return event.event_id


async def sync(till: Till) -> None:
    await ActivityEnvironment().run(
        Billing(till.database, till.payments).sync_subscription, SubscriptionState(till.tenant_id)
    )


async def test_a_look_settles_what_was_told_before_it_and_nothing_else(till: Till, outcomes: Outcomes) -> None:
    account = await till.subscribe()
    before, others = await tell(till, account.customer_id), await tell(till, "cus_of_somebody_else")
    hangs = till.stripe.hang_next(f"/v1/customers/{account.customer_id}", method="GET")
    till.stripe.clock.advance_past_period(str(account.subscription_id))
    looking = asyncio.create_task(sync(till))
    await hangs.reached.wait()
    during = await tell(till, account.customer_id)
    hangs.released.set()
    await looking

    found = await outcomes()
    assert (found[before], found[during], found[others]) == ("looked", None, None)
    assert (await till.account()).status == "active"
    await sync(till)
    assert (await outcomes())[during] == "looked"


async def test_without_an_answer_what_was_told_stays_open(till: Till, outcomes: Outcomes) -> None:
    account = await till.subscribe()
    told = await tell(till, account.customer_id)
    till.stripe.fail_next("/v1/customers/.*", method="GET")
    with pytest.raises(PaymentsUnavailable):
        await sync(till)

    assert (await outcomes())[told] is None
    assert (await till.account()).status == "trialing"


async def test_a_look_that_was_taken_for_dead_replaces_nothing_newer(till: Till) -> None:
    """Its twin began later, and was answered before."""
    account = await till.subscribe()
    hangs = till.stripe.hang_next("/v1/subscriptions", method="GET", when="after")
    first = asyncio.create_task(sync(till))
    await hangs.reached.wait()
    till.stripe.clock.advance_past_period(str(account.subscription_id))
    await sync(till)
    assert (await till.account()).status == "active"
    hangs.released.set()
    await first

    assert (await till.account()).status == "active"


async def test_a_tenant_that_is_gone_or_not_billed_is_nothing_to_look_at(till: Till) -> None:
    billing = Billing(till.database, till.payments)
    await ActivityEnvironment().run(billing.sync_subscription, SubscriptionState(new_id()))
    async with till.database.tenant_session(till.tenant_id) as session:
        await session.execute(delete(BillingAccount))
    await sync(till)
    assert not till.stripe.calls_of("/v1/subscriptions", "GET")


async def test_without_a_key_nobody_is_looked_at(till: Till) -> None:
    billing = Billing(till.database, None)
    with pytest.raises(Misconfigured, match="KONSTRUCT_STRIPE_SECRET_KEY"):
        await ActivityEnvironment().run(billing.sync_subscription, SubscriptionState(till.tenant_id))
    assert await ActivityEnvironment().run(billing.reconcile_subscriptions) == Reconciled(0, 0)
    assert await ActivityEnvironment().run(billing.meter_usage) == Metered(0, 0)


async def test_every_night_what_no_webhook_told_of_is_found(till: Till, administrator: Any, vault: Vault) -> None:
    account = await till.subscribe()
    tills = [Till(till.stripe, till.payments, till.database, await billed_tenant(till.database, vault)) for _ in "ab"]
    for each in tills:
        await each.subscribe("pro")
    # One of them is no customer of this account of Stripe's any more.
    await administrator.execute(
        "update billing_accounts set customer_id = 'cus_unknown' where tenant_id = $1", tills[0].tenant_id
    )
    till.stripe.webhooks.drop("customer.subscription.deleted", 3)
    for one in (account, await tills[1].account()):
        await till.stripe.client().v1.subscriptions.cancel_async(str(one.subscription_id))

    found = await ActivityEnvironment().run(Billing(till.database, till.payments).reconcile_subscriptions)
    assert found == Reconciled(2, 1)
    assert [(await each.account()).status for each in (till, tills[1])] == ["canceled", "canceled"]
    assert (await tills[0].account()).problem


async def test_a_night_without_stripe_is_made_good_later(till: Till, administrator: Any) -> None:
    await till.subscribe()
    till.stripe.fail_next("/v1/customers/.*", method="GET")
    with pytest.raises(PaymentsUnavailable):
        await ActivityEnvironment().run(Billing(till.database, till.payments).reconcile_subscriptions)
    found = await ActivityEnvironment().run(Billing(till.database, till.payments).reconcile_subscriptions)
    assert found == Reconciled(1, 0)


async def test_what_nobody_was_told_of_is_found_by_the_sweep(
    till: Till, administrator: Any, outcomes: Outcomes, temporal_client: Client, settings: Settings
) -> None:
    account = await till.subscribe()
    told, nobodys = await tell(till, account.customer_id), await tell(till, None, "price.updated")
    removing = Removing(till.database, KeptFiles())
    client = temporal_client.get_workflow_handle(workflow_id(till.tenant_id))

    async def age(by: str) -> None:
        await administrator.execute(f"update stripe_events set received_at = received_at - interval '{by}'")

    await ActivityEnvironment().run(Upkeep(till.database, temporal_client, removing).sweep)
    assert (await outcomes())[nobodys] is None
    await age("21 seconds")
    nowhere_at = settings.model_copy(update={"temporal_address": f"127.0.0.1:{free_port()}"})
    nowhere = await temporal.connect(nowhere_at)
    await ActivityEnvironment().run(Upkeep(till.database, nowhere, removing).sweep)
    assert ((await outcomes())[told], (await outcomes())[nobodys]) == (None, "nobody")

    for _ in range(3):
        await ActivityEnvironment().run(Upkeep(till.database, temporal_client, removing).sweep)
    found = await client.describe()
    assert found.status is WorkflowExecutionStatus.RUNNING
    # Nobody works here, and however often it is swept, its history does not grow.
    assert found.history_length <= 3
    await client.terminate()


async def test_meters_hear_of_everybody_and_of_nobody_twice(till: Till, administrator: Any, vault: Vault) -> None:
    await till.stripe.client().v1.billing.meters.create_async(
        {
            "display_name": "Models",
            "event_name": "konstruct_models",
            "default_aggregation": {"formula": "sum"},
            "customer_mapping": {"type": "by_id", "event_payload_key": "stripe_customer_id"},
            "value_settings": {"event_payload_key": "value"},
        }
    )
    other = Till(till.stripe, till.payments, till.database, await billed_tenant(till.database, vault))
    for each in (till, other):
        account = await each.subscribe()
        await waiting(each, str(account.customer_id))
    await waiting(till, "cus_1", event_name="konstruct_unknown")
    billing = Billing(till.database, till.payments)

    till.stripe.fail_next("/v1/billing/meter_events", when="after")
    first = await ActivityEnvironment().run(billing.meter_usage)
    assert (first.sent, first.tenants_failed) == (0, 1)
    assert await ActivityEnvironment().run(billing.meter_usage) == Metered(2, 1)
    assert await ActivityEnvironment().run(billing.meter_usage) == Metered(0, 1)
    assert len(till.stripe.all("billing.meter_event")) == 2


async def waiting(till: Till, customer_id: str, event_name: str = "konstruct_models") -> UUID:
    row = MeteredUsage(
        tenant_id=till.tenant_id, event_name=event_name, customer_id=customer_id, value=7, used_at=utc_now()
    )
    async with till.database.tenant_session(till.tenant_id) as session:
        session.add(row)
    return row.id


async def test_what_was_settled_long_ago_is_forgotten(till: Till, administrator: Any, outcomes: Outcomes) -> None:
    account = await till.subscribe()
    old, recent, still_open = [await tell(till, account.customer_id) for _ in range(3)]
    async with till.database.tenant_session(till.tenant_id) as session:
        now: datetime = await events.now(session)
        await events.settle(session, now)
    change = "update stripe_events set handled_at = $2 where id = $1"
    await administrator.execute("update stripe_events set handled_at = now() - interval '61 days' where id = $1", old)
    await administrator.execute(change, still_open, None)
    await events.forget(till.database)

    assert {old, recent, still_open} & set(await outcomes()) == {recent, still_open}
    assert await subscriptions.sync(till.database, till.payments, till.tenant_id)
