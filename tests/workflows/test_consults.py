"""Questions to colleagues, each in a workflow of its own; on a server whose clock skips.

An announcement is over, or held, when an answer is there: see ``test_tools``.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal
from uuid import UUID, uuid4

import pytest
from temporalio import activity
from temporalio.client import WorkflowHandle
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from konstruct.contracts import consults
from konstruct.contracts.consults import ConsultStanding, ConsultState
from tests.support.workers import polling
from workflows import policies
from workflows.consults import ConsultWorkflow
from workflows.sandbox import RUNNER

Standing = tuple[Literal["waiting", "answered", "expired", "withdrawn"], float]
THREE_DAYS: Standing = ("waiting", timedelta(days=3).total_seconds())


@dataclass
class Colleague:
    """The activities around one question, played by a test."""

    announced: asyncio.Queue[UUID] = field(default_factory=asyncio.Queue)
    hold_announcing: asyncio.Event | None = None
    announcing_fails: bool = False
    cut_short: asyncio.Queue[UUID] = field(default_factory=asyncio.Queue)
    standings: deque[Standing] = field(default_factory=lambda: deque([THREE_DAYS]))
    """How it stands each time somebody looks, and for how many seconds yet; the last one for ever."""
    looked: asyncio.Queue[UUID] = field(default_factory=asyncio.Queue)
    reported: asyncio.Queue[UUID] = field(default_factory=asyncio.Queue)
    reports_failing: int = 0

    @activity.defn(name="announce_consult")
    async def announce_consult(self, state: ConsultState) -> None:
        await self.announced.put(state.consult_id)
        if self.hold_announcing is not None:
            waiting = asyncio.create_task(self.hold_announcing.wait())
            try:
                while not waiting.done():
                    # A cancellation comes with the answer to a sign of life.
                    activity.heartbeat()
                    await asyncio.wait([waiting], timeout=0.05)
            except asyncio.CancelledError:
                waiting.cancel()
                await self.cut_short.put(state.consult_id)
                raise
        if self.announcing_fails:
            raise ApplicationError("The channel is away.", non_retryable=True)

    @activity.defn(name="settle_consult")
    async def settle_consult(self, state: ConsultState) -> ConsultStanding:
        standing = self.standings.popleft() if len(self.standings) > 1 else self.standings[0]
        await self.looked.put(state.consult_id)
        return ConsultStanding(*standing)

    @activity.defn(name="report_consult")
    async def report_consult(self, state: ConsultState) -> None:
        if self.reports_failing:
            self.reports_failing -= 1
            raise ApplicationError("The database does not answer.")
        await self.reported.put(state.consult_id)


@pytest.fixture
def colleague() -> Colleague:
    return Colleague()


@pytest.fixture
async def queue(skipping: WorkflowEnvironment, colleague: Colleague) -> AsyncIterator[str]:
    queue = f"test-{uuid4()}"
    async with polling(
        Worker(
            skipping.client,
            task_queue=queue,
            workflows=[ConsultWorkflow],
            activities=[colleague.announce_consult, colleague.settle_consult, colleague.report_consult],
            workflow_runner=RUNNER,
            max_heartbeat_throttle_interval=timedelta(milliseconds=100),
        )
    ):
        yield queue


@dataclass
class Question:
    environment: WorkflowEnvironment
    queue: str
    state: ConsultState = field(default_factory=lambda: ConsultState(uuid4(), uuid4()))

    async def tell(self) -> WorkflowHandle[ConsultWorkflow, None]:
        """As whoever asks, answers or sweeps does."""
        return await self.environment.client.start_workflow(
            ConsultWorkflow.run,
            self.state,
            id=consults.workflow_id(self.state.tenant_id, self.state.consult_id),
            task_queue=self.queue,
            start_signal=consults.SETTLED,
        )


@pytest.fixture
def question(skipping: WorkflowEnvironment, queue: str) -> Question:
    return Question(skipping, queue)


async def test_a_colleague_is_asked_once_and_the_answer_is_reported(question: Question, colleague: Colleague) -> None:
    asking = await question.tell()
    assert await colleague.announced.get() == question.state.consult_id
    await colleague.looked.get()
    colleague.standings = deque([("answered", 1.0)])
    assert (await question.tell()).id == asking.id
    await asking.result()
    assert await colleague.reported.get() == question.state.consult_id
    assert colleague.announced.empty()


async def test_an_answer_before_anybody_was_shown_the_question_waits_for_no_announcement(
    question: Question, colleague: Colleague
) -> None:
    colleague.hold_announcing = asyncio.Event()
    asking = await question.tell()
    await colleague.announced.get()
    await colleague.looked.get()
    colleague.standings = deque([("answered", 1.0)])
    await question.tell()
    assert await colleague.reported.get() == await colleague.cut_short.get()
    await asking.result()


@pytest.mark.parametrize("end", ["expired", "withdrawn"])
async def test_what_nobody_answers_ends_after_days(
    question: Question, colleague: Colleague, end: Literal["expired", "withdrawn"]
) -> None:
    # By its own clock the database may find that some of the time is left.
    colleague.standings.extend([("waiting", 0.2), (end, -1.0)])
    before = await question.environment.get_current_time()
    await (await question.tell()).result()
    passed = (await question.environment.get_current_time()) - before
    assert passed >= timedelta(days=3, seconds=policies.LEAST_WAIT_SECONDS)
    assert colleague.reported.qsize() == 1


async def test_an_answer_whose_signal_was_lost_is_found_when_the_time_is_over(
    question: Question, colleague: Colleague
) -> None:
    colleague.standings.append(("answered", -1.0))
    await (await question.tell()).result()
    assert (colleague.looked.qsize(), colleague.reported.qsize()) == (2, 1)


async def test_after_a_word_that_changes_nothing_it_is_waited_on(question: Question, colleague: Colleague) -> None:
    asking = await question.tell()
    await colleague.looked.get()
    for _ in range(3):
        await question.tell()
        await colleague.looked.get()
    assert colleague.reported.empty()
    colleague.standings = deque([("expired", -1.0)])
    await asking.result()
    assert colleague.reported.qsize() == 1


async def test_who_cannot_be_shown_it_may_answer_all_the_same(question: Question, colleague: Colleague) -> None:
    colleague.announcing_fails = True
    asking = await question.tell()
    await colleague.announced.get()
    await colleague.looked.get()
    colleague.standings = deque([("answered", 1.0)])
    await question.tell()
    await asking.result()
    assert colleague.reported.qsize() == 1


async def test_a_report_is_tried_until_it_is_told(question: Question, colleague: Colleague) -> None:
    colleague.hold_announcing = asyncio.Event()
    colleague.standings = deque([("answered", 1.0)])
    colleague.reports_failing = 5
    await (await question.tell()).result()
    assert colleague.reported.qsize() == 1
