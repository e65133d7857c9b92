"""A worker that asks Stripe is killed, wherever it is: the next one ends where the first would have."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
from tests.support.http import serve
from tests.support.processes import until
from tests.support.stripe_double import Json, StripeDouble
from tests.support.till import Till, billed_tenant, open_payments, stocked_stripe

CHECKOUT = Path(__file__).parents[2]
METER = "konstruct_models"
pytestmark = pytest.mark.timeout(300)

Start = Callable[[], Awaitable[asyncio.subprocess.Process]]


@dataclass(frozen=True)
class Tills:
    """Of three businesses, at one Stripe. What is done for each is cut off somewhere else."""

    asking: Till
    settling: Till
    metering: Till

    @property
    def stripe(self) -> StripeDouble:
        return self.asking.stripe


@pytest.fixture
async def tills(database: Database, vault: Vault, temporal_client: Client) -> AsyncIterator[Tills]:
    """Whose Stripe posts to a gateway."""
    async with stocked_stripe(database) as stripe, open_payments(stripe) as payments:
        tills = Tills(*[Till(stripe, payments, database, await billed_tenant(database, vault)) for _ in range(3)])
        hears = FastAPI()
        hears.include_router(webhook.router(database, temporal_client, [SecretStr(stripe.webhook_secret)]))
        async with serve(hears) as url:
            for till in (tills.asking, tills.settling, tills.metering):
                await till.subscribe()
            stripe.webhook_url = f"{url}/stripe/webhook"
            yield tills
            await stripe.webhooks.settled()


@pytest.fixture
async def start(tills: Tills, settings: Settings) -> AsyncIterator[Start]:
    """Starts a worker; all are killed in the end."""
    started: list[asyncio.subprocess.Process] = []
    [key] = settings.encryption_keys
    env = {
        "PATH": os.environ["PATH"],
        "KONSTRUCT_DATABASE_URL": needed(settings.database_url, "").get_secret_value(),
        "KONSTRUCT_TEMPORAL_ADDRESS": str(settings.temporal_address),
        "KONSTRUCT_ENCRYPTION_KEYS": key.get_secret_value(),
        "KONSTRUCT_STRIPE_SECRET_KEY": tills.stripe.key,
        "KONSTRUCT_STRIPE_API_URL": tills.stripe.url,
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


async def renewed(tills: Tills) -> None:
    """All trials are over, and paid for: Stripe tells of each in a dozen events, the last first, each twice."""
    tills.stripe.webhooks.hold()
    tills.stripe.clock.advance_past_period(str((await tills.asking.account()).subscription_id))

    def order(held: list[Json]) -> list[Json]:
        return [*reversed(held), *held]

    await tills.stripe.webhooks.release(order)
    assert {attempt.status for attempt in tills.stripe.webhooks.attempts} == {200}


@asynccontextmanager
async def holding(administrator: Any, till: Till) -> AsyncIterator[None]:
    """That its events were looked at cannot be kept meanwhile."""
    async with administrator.transaction():
        account = await till.account()
        await administrator.fetch("select id from stripe_events where customer_id = $1 for update", account.customer_id)
        yield


async def used(administrator: Any, till: Till) -> str:
    """Models that are paid by use, in three rows. Returns whose they are at Stripe."""
    await administrator.execute("delete from metered_usage")
    customer_id = str((await till.account()).customer_id)
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
        session.add_all(
            MeteredUsage(
                tenant_id=till.tenant_id,
                event_name=METER,
                customer_id=customer_id,
                value=value,
                used_at=utc_now(),
            )
            for value in (1, 10, 100)
        )
    return customer_id


async def meter(client: Client, name: str) -> Any:
    """As the schedule does."""
    return await client.start_workflow("MeterUsageWorkflow", id=f"meter-{name}", task_queue=temporal.BILLING)


async def test_a_worker_that_is_killed_in_the_midst_of_everything_is_made_good(
    tills: Tills, start: Start, temporal_client: Client, administrator: Any
) -> None:
    async def is_paid() -> bool:
        return (await tills.settling.account()).status == "active"

    stripe = tills.stripe
    await renewed(tills)
    customer_id = await used(administrator, tills.metering)
    asked = stripe.hang_next(f"/v1/customers/{(await tills.asking.account()).customer_id}", method="GET", when="before")
    counted = [stripe.hang_next("/v1/billing/meter_events", when="after") for _ in range(2)]
    async with holding(administrator, tills.settling):
        worker = await start()
        metering = await meter(temporal_client, "first")
        # It waits for what Stripe says of one; of another that is kept, and its events are not settled; and of three
        # rows of use Stripe has counted two, but has not said so.
        await asked.reached.wait()
        await until(is_paid, timeout=120)
        for each in counted:
            await each.reached.wait()
        await stripe.wait_for_call("/v1/billing/meter_events", 1)
        await kill(worker)
    for each in (asked, *counted):
        each.released.set()
    await metering.terminate()
    assert (await tills.asking.account()).status == "trialing"
    assert await still_open(administrator, tills.asking) > 0
    assert await still_open(administrator, tills.settling) > 0

    await start()
    metering = await meter(temporal_client, "second")
    for till in (tills.asking, tills.settling):
        await ended(temporal_client, till)
        assert (await till.account()).status == "active"
        assert await still_open(administrator, till) == 0
        changed = "select count(*) from audit_events where tenant_id = $1 and action = 'billing.changed'"
        # Trial begun, and paid: a second look found nothing new.
        assert await administrator.fetchval(changed, till.tenant_id) == 2
    await metering.result()
    assert stripe.meter_sum(METER, customer_id) == 111
    states = await administrator.fetch("select state from metered_usage where tenant_id = $1", tills.metering.tenant_id)
    assert [row["state"] for row in states] == ["sent"] * 3
