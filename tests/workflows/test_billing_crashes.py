"""A worker that asks Stripe is killed, wherever it is: the next one ends where the first would have."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from temporalio.client import Client, WorkflowExecutionStatus

from gateway import stripe as webhook
from konstruct import temporal
from konstruct.contracts.billing import workflow_id
from konstruct.db import Database
from konstruct.settings import Settings, needed
from konstruct.tables import MeteredUsage
from konstruct.tables.base import utc_now
from konstruct.vault import Vault
from tests.acceptance.processes import until
from tests.support.http import serve
from tests.support.stripe_double import Json
from tests.support.till import Till, billed_tenant, open_payments, stocked_stripe

CHECKOUT = Path(__file__).parents[2]
METER = "konstruct_models"
pytestmark = pytest.mark.timeout(300)

Start = Callable[[], Awaitable[asyncio.subprocess.Process]]


@pytest.fixture
async def till(database: Database, vault: Vault, temporal_client: Client) -> AsyncIterator[Till]:
    """Whose Stripe posts to a gateway."""
    async with stocked_stripe(database) as stripe, open_payments(stripe) as payments:
        till = Till(stripe, payments, database, await billed_tenant(database, vault))
        hears = FastAPI()
        hears.include_router(webhook.router(database, temporal_client, [SecretStr(stripe.webhook_secret)]))
        async with serve(hears) as url:
            await till.subscribe()
            stripe.webhook_url = f"{url}/stripe/webhook"
            yield till
            await stripe.webhooks.settled()


@pytest.fixture
async def start(till: Till, settings: Settings) -> AsyncIterator[Start]:
    """Starts a worker; all are killed in the end."""
    started: list[asyncio.subprocess.Process] = []
    [key] = settings.encryption_keys
    env = {
        "PATH": os.environ["PATH"],
        "KONSTRUCT_DATABASE_URL": needed(settings.database_url, "").get_secret_value(),
        "KONSTRUCT_TEMPORAL_ADDRESS": str(settings.temporal_address),
        "KONSTRUCT_ENCRYPTION_KEYS": key.get_secret_value(),
        "KONSTRUCT_STRIPE_SECRET_KEY": till.stripe.key,
        "KONSTRUCT_STRIPE_API_URL": till.stripe.url,
    }

    async def start_one() -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.support.billing_worker"),
            cwd=CHECKOUT,
            env=env,
            stdout=asyncio.subprocess.PIPE,
        )
        started.append(process)
        assert process.stdout is not None
        async for line in process.stdout:
            if line == b"ready\n":
                return process
        raise AssertionError("The worker did not start.")

    yield start_one
    for process in started:
        if process.returncode is None:
            await kill(process)


async def kill(process: asyncio.subprocess.Process) -> None:
    process.kill()
    await process.communicate()


@pytest.fixture
async def administrator(owner_url: SecretStr) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(owner_url.get_secret_value())
    yield connection
    await connection.close()


async def ended(client: Client, till: Till) -> None:
    """Once nothing is to be looked at any more, which no failure ended."""
    handle = client.get_workflow_handle(workflow_id(till.tenant_id))
    await handle.result()
    assert (await handle.describe()).status is WorkflowExecutionStatus.COMPLETED


async def still_open(administrator: Any, till: Till) -> int:
    query = (
        "select count(*) from stripe_events e join billing_accounts a using (customer_id)"
        " where a.tenant_id = $1 and e.handled_at is null"
    )
    count: int = await administrator.fetchval(query, till.tenant_id)
    return count


async def renewed(till: Till) -> None:
    """The trial is over, and paid for: Stripe tells of that in a dozen events, the last first, each twice."""
    account = await till.account()
    till.stripe.webhooks.hold()
    till.stripe.clock.advance_past_period(str(account.subscription_id))

    def order(held: list[Json]) -> list[Json]:
        return [*reversed(held), *held]

    await till.stripe.webhooks.release(order)
    assert {attempt.status for attempt in till.stripe.webhooks.attempts} == {200}


async def test_a_worker_that_is_killed_while_stripe_is_asked_is_made_good(
    till: Till, start: Start, temporal_client: Client, administrator: Any
) -> None:
    hangs = till.stripe.hang_next("/v1/customers/.*", method="GET", when="before")
    worker = await start()
    await renewed(till)
    await hangs.reached.wait()
    await kill(worker)
    hangs.released.set()
    assert (await till.account()).status == "trialing"

    await start()
    await ended(temporal_client, till)
    assert (await till.account()).status == "active"
    assert await still_open(administrator, till) == 0


async def test_a_worker_that_is_killed_before_it_settles_looks_again(
    till: Till, start: Start, temporal_client: Client, administrator: Any
) -> None:
    async def is_paid() -> bool:
        return (await till.account()).status == "active"

    await renewed(till)
    async with holding(administrator, till):
        worker = await start()
        # What Stripe said is kept; that it was looked at cannot be, as long as its events are held.
        await until(is_paid, timeout=120)
        await kill(worker)
    assert await still_open(administrator, till) > 0

    await start()
    await ended(temporal_client, till)
    assert await still_open(administrator, till) == 0
    changed = "select count(*) from audit_events where tenant_id = $1 and action = 'billing.changed'"
    # Trial begun, and paid: the second look found nothing new.
    assert await administrator.fetchval(changed, till.tenant_id) == 2


@asynccontextmanager
async def holding(administrator: Any, till: Till) -> AsyncIterator[None]:
    async with administrator.transaction():
        account = await till.account()
        await administrator.fetch("select id from stripe_events where customer_id = $1 for update", account.customer_id)
        yield


async def test_a_worker_that_is_killed_after_stripe_counted_counts_nothing_twice(
    till: Till, start: Start, temporal_client: Client, administrator: Any
) -> None:
    await administrator.execute("delete from metered_usage")
    account = await till.account()
    await till.stripe.client().v1.billing.meters.create_async(
        {
            "display_name": "Models",
            "event_name": METER,
            "default_aggregation": {"formula": "sum"},
            "customer_mapping": {"type": "by_id", "event_payload_key": "stripe_customer_id"},
            "value_settings": {"event_payload_key": "value"},
        }
    )
    async with till.database.tenant_session(till.tenant_id) as session:
        for value in (1, 10, 100):
            session.add(
                MeteredUsage(
                    tenant_id=till.tenant_id,
                    event_name=METER,
                    customer_id=str(account.customer_id),
                    value=value,
                    used_at=utc_now(),
                )
            )
    hangs = [till.stripe.hang_next("/v1/billing/meter_events", when="after") for _ in range(2)]
    worker = await start()
    first = await meter(temporal_client, "first")
    for each in hangs:
        await each.reached.wait()
    await till.stripe.wait_for_call("/v1/billing/meter_events", 1)
    await kill(worker)
    for each in hangs:
        each.released.set()
    await first.terminate()

    await start()
    await (await meter(temporal_client, "second")).result()
    assert till.stripe.meter_sum(METER, str(account.customer_id)) == 111
    states = await administrator.fetch("select state from metered_usage where tenant_id = $1", till.tenant_id)
    assert [row["state"] for row in states] == ["sent"] * 3


async def meter(client: Client, name: str) -> Any:
    """As the schedule does."""
    return await client.start_workflow("MeterUsageWorkflow", id=f"meter-{name}", task_queue=temporal.BILLING)
