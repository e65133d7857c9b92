"""A conversation carries the trace of what it was last told to its activities, and does nothing else for it.

On a server as in production: the one that skips over waiting loses what signals carry.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from temporalio.client import Client, WorkflowContinuedAsNewError, WorkflowHistory
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Replayer

from activities.observing import ObservingInterceptor
from konstruct import temporal
from konstruct.contracts.conversation import Thought
from konstruct.contracts.handoffs import AgentAct
from konstruct.observing import carrying, traces
from konstruct.observing.carrying import TRACEPARENT, TraceInterceptor
from tests.support.spans import Spans, parent_of
from tests.workflows.builds import opened_server
from tests.workflows.conftest import Conversation, Stage, playing
from tests.workflows.kinds import WORKFLOWS
from tests.workflows.record import HISTORIES
from workflows.policies import TURNS_IN_A_RUN
from workflows.sandbox import RUNNER
from workflows.tracing import CarryingInterceptor

INTERCEPTORS = (CarryingInterceptor(), ObservingInterceptor())
RECORDED = sorted(HISTORIES.glob("*.json"))


@pytest.fixture(scope="module")
async def server() -> AsyncIterator[WorkflowEnvironment]:
    async with opened_server() as environment:
        yield environment


@pytest.fixture
def environment(server: WorkflowEnvironment) -> WorkflowEnvironment:
    """With a client as the product has it."""
    config = server.client.config()
    config["interceptors"] = [TraceInterceptor()]
    return WorkflowEnvironment.from_client(Client(**config))


@pytest.fixture
async def conversation(environment: WorkflowEnvironment, stage: Stage, spans: Spans) -> AsyncIterator[Conversation]:
    async with playing(environment, stage, interceptors=INTERCEPTORS) as conversation:
        yield conversation


async def say(conversation: Conversation) -> str:
    """In a trace of its own; gives what its activities should be below."""
    with traces.span("webhook"):
        await conversation.say()
        return carrying.carried()[TRACEPARENT][3:-3]


async def ended(spans: Spans, name: str, count: int) -> list[str]:
    """The parents of so many activities, once they are over."""
    return [parent_of(span) for span in await spans.wait_for(name, count)]


async def test_each_turn_is_in_the_trace_of_its_message(conversation: Conversation, stage: Stage, spans: Spans) -> None:
    first = await say(conversation)
    await stage.deliveries.get()
    second = await say(conversation)
    await stage.deliveries.get()
    assert first.partition("-")[0] != second.partition("-")[0]
    assert await ended(spans, "think", 2) == [first, second]
    assert await ended(spans, "deliver", 2) == [first, second]
    [think, _] = spans.called("think")
    assert think.attributes is not None
    assert think.attributes[traces.TENANT] == str(conversation.tenant_id)
    assert think.attributes[traces.CONVERSATION] == str(conversation.id)


async def test_a_turn_that_a_message_joins_goes_on_in_its_trace(
    conversation: Conversation, stage: Stage, spans: Spans
) -> None:
    stage.hold = asyncio.Event()
    first = await say(conversation)
    await stage.thinking.get()
    second = await say(conversation)
    await stage.thinking.get()
    stage.hold.set()
    await stage.deliveries.get()
    assert await ended(spans, "deliver", 1) == [second]
    assert set(await ended(spans, "think", 2)) == {first, second}


async def test_what_comes_without_a_trace_is_not_put_into_an_older_one(
    conversation: Conversation, stage: Stage, spans: Spans
) -> None:
    first = await say(conversation)
    await stage.deliveries.get()
    await conversation.say()
    await stage.deliveries.get()
    assert await ended(spans, "think", 2) == [first, ""]


async def test_what_people_are_asked_for_is_in_the_trace_too(
    conversation: Conversation, stage: Stage, spans: Spans
) -> None:
    stage.foregone.append(Thought("reply", [uuid4()], approvals=[uuid4()]))
    first = await say(conversation)
    assert await ended(spans, "announce_approval", 1) == [first]


async def test_what_an_agent_does_is_in_the_trace_of_who_asked_for_it(
    environment: WorkflowEnvironment, stage: Stage, spans: Spans
) -> None:
    async with playing(environment, stage, queue=temporal.CONVERSATIONS, interceptors=INTERCEPTORS) as conversation:
        with traces.span("press"):
            pressed = carrying.carried()[TRACEPARENT][3:-3]
            await temporal.act(environment.client, conversation.tenant_id, conversation.id, "claim", AgentAct("anna"))
        assert await ended(spans, "change_owner", 1) == [pressed]


async def test_the_next_run_goes_on_with_the_trace(conversation: Conversation, stage: Stage) -> None:
    said = []
    for _ in range(TURNS_IN_A_RUN):
        said.append(await say(conversation))
        await stage.deliveries.get()
    with pytest.raises(WorkflowContinuedAsNewError) as went_on:
        await conversation.first_run.result(follow_runs=False)
    run_id = went_on.value.new_execution_run_id
    following = conversation.environment.client.get_workflow_handle(str(conversation.id), run_id=run_id)
    async for event in following.fetch_history_events():
        header = event.workflow_execution_started_event_attributes.header
        break
    # After so many turns, or earlier, after so many events.
    assert header.fields[TRACEPARENT].data.decode().strip('"')[3:-3] in said


async def test_a_history_with_traces_replays_without_them_and_the_other_way_round(
    conversation: Conversation, stage: Stage, spans: Spans
) -> None:
    await say(conversation)
    await stage.deliveries.get()
    history = await conversation.first_run.fetch_history()
    assert TRACEPARENT in history.to_json()
    await ended(spans, "deliver", 1)
    before = len(spans.ended)
    for interceptors in ([], [CarryingInterceptor()]):
        await Replayer(workflows=list(WORKFLOWS), workflow_runner=RUNNER, interceptors=interceptors).replay_workflow(
            history
        )
    # A replay makes no spans.
    assert spans.ended[before:] == []


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_what_was_recorded_before_there_were_traces_replays(path: Path) -> None:
    history = WorkflowHistory.from_json(f"recorded-{path.stem}", path.read_text())
    replayer = Replayer(workflows=list(WORKFLOWS), workflow_runner=RUNNER, interceptors=[CarryingInterceptor()])
    asyncio.run(replayer.replay_workflow(history))


def test_ids_are_no_traces() -> None:
    """What is no traceparent begins a trace of its own."""
    for said in ("", "00-zz-zz-01", str(UUID(int=1))):
        assert not carrying.received({TRACEPARENT: said})
