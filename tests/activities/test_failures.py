"""What the interceptor makes of errors, in the words that Temporal acts upon."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from temporalio.testing import ActivityEnvironment
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput

from activities.delivery import Delivery
from activities.failures import ATTEMPTS_AT_THE_UNKNOWN, FailureInterceptor
from konstruct.contracts.conversation import DeliverRequest
from konstruct.errors import BadInput, ChannelRateLimited, Misconfigured, ModelsUnavailable, NotFound, Unavailable
from tests.support.doubles import RecordingMessenger
from tests.support.office import Office


class Running(ActivityInboundInterceptor):
    """The end of the chain, as a worker's: it runs the activity."""

    def __init__(self) -> None:
        pass

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        return await input.fn(*input.args)


async def run(activity: Callable[..., Awaitable[object]], *arguments: object, attempt: int = 1) -> object:
    chain = FailureInterceptor().intercept_activity(Running())
    environment = ActivityEnvironment()
    environment.info = replace(environment.info, attempt=attempt, activity_type="think")
    return await environment.run(chain.execute_activity, ExecuteActivityInput(activity, arguments, None, {}))


async def failure_of(error: BaseException, attempt: int = 1) -> ApplicationError:
    async def failing() -> None:
        raise error

    with pytest.raises(ApplicationError) as raised:
        await run(failing, attempt=attempt)
    return raised.value


@pytest.mark.parametrize("error", [BadInput("No."), NotFound("No."), Misconfigured("No.")])
async def test_what_will_not_pass_is_not_tried_again(error: Exception) -> None:
    failure = await failure_of(error)
    assert failure.non_retryable
    assert (failure.message, failure.type) == ("No.", type(error).__name__)
    assert failure.category is ApplicationErrorCategory.UNSPECIFIED


@pytest.mark.parametrize("error", [Unavailable("Later."), ModelsUnavailable("Later.")])
async def test_what_passes_is_tried_again_without_an_alarm(error: Exception) -> None:
    failure = await failure_of(error, attempt=100)
    assert not failure.non_retryable
    assert failure.type == type(error).__name__
    assert failure.category is ApplicationErrorCategory.BENIGN
    assert failure.next_retry_delay is None


async def test_a_defect_is_tried_a_few_times_and_its_text_is_not_repeated() -> None:
    error = RuntimeError("canary: what somebody said")
    first, last = await failure_of(error), await failure_of(error, attempt=ATTEMPTS_AT_THE_UNKNOWN)
    assert (first.non_retryable, last.non_retryable) == (False, True)
    assert first.message == "RuntimeError in think"


async def test_a_cancellation_stays_one() -> None:
    async def cancelled() -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await run(cancelled)


async def test_a_channel_says_when_to_come_again(
    office: Office, delivery: Delivery, messenger: RecordingMessenger
) -> None:
    asked = await office.say()
    [reply] = await office.answer(asked)
    messenger.troubles.append(ChannelRateLimited("Slow down.", timedelta(seconds=7)))
    request = DeliverRequest(office.tenant_id, asked.conversation_id, [reply])
    with pytest.raises(ApplicationError) as raised:
        await run(delivery.deliver, request)
    assert raised.value.next_retry_delay == timedelta(seconds=7)
    assert (raised.value.type, raised.value.non_retryable) == ("ChannelRateLimited", False)
    assert (await office.message(reply)).state == "pending"
