"""The workflow that looks at Stripe for a tenant: once for whatever came meanwhile, and as long as it takes."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from temporalio.client import WorkflowExecutionStatus
from temporalio.testing import WorkflowEnvironment

from tests.workflows.looks import Looks, Subscription, looked_again, looking, refused_look
from workflows import policies


@pytest.fixture
async def subscription(skipping: WorkflowEnvironment) -> AsyncIterator[Subscription]:
    async with looking(skipping, Looks()) as subscription:
        yield subscription


async def test_it_looks_once_and_is_over(subscription: Subscription) -> None:
    handle = await subscription.tell()
    await handle.result()

    assert [subscription.looks.begun.get_nowait()] == [subscription.tenant_id]
    assert subscription.looks.begun.empty()


async def test_all_that_comes_during_a_look_is_one_more(subscription: Subscription) -> None:
    await looked_again(subscription)
    # Three attempts at the first look, and one look for three words.
    assert subscription.looks.begun.qsize() == 3


async def test_one_that_was_refused_is_made_again_when_there_is_word_of_something_new(
    subscription: Subscription,
) -> None:
    began = await subscription.environment.get_current_time()
    await refused_look(subscription)

    assert subscription.looks.begun.qsize() == 1
    assert await subscription.environment.get_current_time() - began >= policies.LOOK_AT_STRIPE_AGAIN_AFTER


async def test_without_a_word_it_ends_some_time_after_a_refusal(subscription: Subscription) -> None:
    subscription.looks.refused = 1
    handle = await subscription.tell()
    await handle.result()

    assert subscription.looks.begun.qsize() == 1
    again = await subscription.tell()
    await again.result()
    assert subscription.looks.begun.qsize() == 2


async def test_it_outlasts_a_day_without_stripe(subscription: Subscription) -> None:
    subscription.looks.failing = 10_000
    handle = await subscription.tell()
    await handle.result()

    assert subscription.looks.begun.qsize() >= 1_000
    assert (await handle.describe()).status is WorkflowExecutionStatus.COMPLETED
    subscription.looks.failing = 0


async def test_it_carries_an_id_and_nothing_else(subscription: Subscription) -> None:
    subscription.looks.hold = asyncio.Event()
    handle = await subscription.tell()
    await subscription.looks.begun.get()
    subscription.looks.hold.set()
    await handle.result()

    history = (await handle.fetch_history()).to_json()
    for word in ("cus_", "sub_", "evt_", "invoice"):
        assert word not in history
