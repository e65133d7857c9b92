"""A business that is deleted pays nothing any more, whatever it takes to tell Stripe so."""

from collections.abc import AsyncIterator

import pytest
from structlog.testing import capture_logs
from temporalio.client import Client
from temporalio.testing import ActivityEnvironment

from activities.clearing import Clearing
from activities.fetching import Removing
from konstruct import deletion
from konstruct.billing import ending
from konstruct.db import Database
from konstruct.errors import NotFound, PaymentsUnavailable
from konstruct.identity import new_id
from konstruct.vault import Vault
from tests.support.doubles import KeptFiles
from tests.support.till import Till, billed_tenant, open_payments, stocked_stripe


@pytest.fixture
async def till(database: Database, vault: Vault) -> AsyncIterator[Till]:
    async with stocked_stripe(database) as stripe, open_payments(stripe) as payments:
        yield Till(stripe, payments, database, await billed_tenant(database, vault))


async def test_its_subscription_ends_and_no_checkout_is_left_open(till: Till, temporal_client: Client) -> None:
    account = await till.subscribe()
    async with till.database.tenant_session(till.tenant_id) as session:
        await deletion.begin(session, till.tenant_id, actor="user:ada")
    clearing = Clearing(till.database, temporal_client, Removing(till.database, KeptFiles()), till.payments)

    till.stripe.fail_next("/v1/subscriptions", method="GET")
    await ActivityEnvironment().run(clearing.clear_tenants)
    # Stripe was away: what is known of it stays, and so it is tried again.
    assert (await till.account()).customer_id == account.customer_id
    assert till.stripe.get(str(account.subscription_id))["status"] == "trialing"

    await ActivityEnvironment().run(clearing.clear_tenants)
    assert till.stripe.get(str(account.subscription_id))["status"] == "canceled"
    async with till.database.tenant_session(till.tenant_id) as session:
        with pytest.raises(NotFound):
            await deletion.begin(session, till.tenant_id, actor="user:ada")


async def test_an_open_checkout_can_be_paid_no_more(till: Till) -> None:
    opened = await till.open()
    await ending.end(till.database, till.payments, till.tenant_id)
    assert till.stripe.get(opened.id)["status"] == "expired"


async def test_a_customer_that_stripe_does_not_know_pays_nothing(till: Till) -> None:
    account = await till.subscribe()
    await till.stripe.client().v1.customers.delete_async(str(account.customer_id))
    await ending.end(till.database, till.payments, till.tenant_id)
    await ending.end(till.database, till.payments, new_id())


async def test_a_key_that_is_refused_ends_nothing(till: Till) -> None:
    await till.subscribe()
    till.stripe.api.key = "sk_test_another"
    with pytest.raises(PaymentsUnavailable):
        await ending.end(till.database, till.payments, till.tenant_id)


async def test_without_a_key_what_is_to_be_removed_does_not_wait(till: Till) -> None:
    account = await till.subscribe()
    with capture_logs() as logs:
        await ending.end(till.database, None, till.tenant_id)
    # Whoever took the key away is told whose subscription goes on.
    assert [(entry["event"], entry["customer_id"]) for entry in logs] == [
        ("subscription_not_ended", account.customer_id)
    ]
    assert till.stripe.get(str(account.subscription_id))["status"] == "trialing"
