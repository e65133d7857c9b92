"""Writing memory: what fails keeps nothing else from being written, and nothing runs longer than it is claimed for."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest
from pydantic import SecretStr
from sqlalchemy import update
from sqlmodel import col
from temporalio import activity
from temporalio.client import Client, WorkflowFailureError
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from activities import embedding, heartbeat, remembering
from activities.failures import FailureInterceptor
from activities.remembering import Remembering
from konstruct import temporal
from konstruct.contracts.memory import Embedded, MemoryWork, RememberRequest
from konstruct.db import Database
from konstruct.memory import due
from konstruct.settings import Settings
from konstruct.tables import Conversation, Memory, Message
from konstruct.tables.base import utc_now
from konstruct.vault import Vault
from tests.support.doubles import GivenEmbedders, NothingCools, ScriptedModel, WordEmbedder
from tests.support.office import open_office
from tests.support.workers import polling
from workflows import policies
from workflows.memory import EmbedWorkflow, RememberWorkflow
from workflows.sandbox import RUNNER


@dataclass
class Stage:
    """Plays the activities; ``failing``: how often each conversation's memory still fails."""

    due: list[UUID] = field(default_factory=list)
    failing: Counter[UUID] = field(default_factory=Counter)
    tried: Counter[UUID] = field(default_factory=Counter)
    claims: int = 0
    embeddings: int = 0
    is_broken: bool = False

    @activity.defn(name="claim_memory_work")
    async def claim_memory_work(self) -> MemoryWork:
        self.claims += 1
        if self.is_broken:
            raise ApplicationError("The database does not answer.")
        return MemoryWork([RememberRequest(uuid4(), conversation_id) for conversation_id in self.due])

    @activity.defn(name="remember")
    async def remember(self, request: RememberRequest) -> None:
        self.tried[request.conversation_id] += 1
        if self.failing[request.conversation_id]:
            self.failing[request.conversation_id] -= 1
            raise ApplicationError("No model answered.", type="ModelsUnavailable")

    @activity.defn(name="embed_memories")
    async def embed_memories(self) -> Embedded:
        self.embeddings += 1
        if self.is_broken:
            raise ApplicationError("The database does not answer.")
        return Embedded(3)


@asynccontextmanager
async def worker(client: Client, activities: Stage | Remembering) -> AsyncIterator[str]:
    """Its task queue."""
    queue = f"test-{uuid4()}"
    async with polling(
        Worker(
            client,
            task_queue=queue,
            workflows=[RememberWorkflow, EmbedWorkflow],
            activities=[activities.claim_memory_work, activities.remember, activities.embed_memories],
            workflow_runner=RUNNER,
            interceptors=[FailureInterceptor()],
        )
    ):
        yield queue


async def test_one_that_fails_is_tried_again_and_keeps_no_other_waiting(skipping: WorkflowEnvironment) -> None:
    good, passing, failing = uuid4(), uuid4(), uuid4()
    stage = Stage([failing, passing, good], Counter({passing: 1, failing: 99}))
    async with worker(skipping.client, stage) as queue:
        await skipping.client.execute_workflow(RememberWorkflow.run, id=f"test-{uuid4()}", task_queue=queue)
    assert stage.tried == {good: 1, passing: 2, failing: 3}
    assert stage.claims == 1


async def test_nothing_due_is_no_work(skipping: WorkflowEnvironment) -> None:
    stage = Stage()
    async with worker(skipping.client, stage) as queue:
        await skipping.client.execute_workflow(RememberWorkflow.run, id=f"test-{uuid4()}", task_queue=queue)
    assert (stage.claims, stage.tried) == (1, Counter())


async def test_what_comes_again_within_seconds_is_not_tried_again_itself(skipping: WorkflowEnvironment) -> None:
    stage = Stage(is_broken=True)
    async with worker(skipping.client, stage) as queue:
        for run in (RememberWorkflow.run, EmbedWorkflow.run):
            with pytest.raises(WorkflowFailureError):
                await skipping.client.execute_workflow(run, id=f"test-{uuid4()}", task_queue=queue)
    assert (stage.claims, stage.embeddings) == (1, 1)


async def test_no_more_is_claimed_while_what_was_claimed_still_waits(skipping: WorkflowEnvironment) -> None:
    queue = f"test-{uuid4()}"
    # Nobody is free to take an activity.
    async with polling(Worker(skipping.client, task_queue=queue, workflows=[RememberWorkflow], workflow_runner=RUNNER)):
        run = await skipping.client.start_workflow(RememberWorkflow.run, id=f"test-{uuid4()}", task_queue=queue)
        await run.result()
    first, *_, last = (await run.fetch_history()).events
    assert last.event_time.ToDatetime() - first.event_time.ToDatetime() < 2 * policies.REMEMBER_EVERY


async def test_on_real_servers_all_are_remembered_but_one_that_cannot_be_opened(
    settings: Settings, database: Database, vault: Vault, owner_url: SecretStr
) -> None:
    administrator = await asyncpg.connect(owner_url.get_secret_value())
    await administrator.execute("update conversations set memory_due_at = null")
    await administrator.close()
    office, other = await open_office(database, vault), await open_office(database, vault)
    broken = await office.exchange("Broken", root="1.0")
    good = await office.exchange("Good", root="2.0")
    elsewhere = await other.exchange("Good elsewhere")
    async with office.session() as session:
        await session.execute(
            update(Message).where(col(Message.id) == broken.message_id).values(sealed=b"canary that is not sealed")
        )
    for of in (office, other):
        async with of.session() as session:
            await session.execute(update(Conversation).values(memory_due_at=utc_now()))

    embedder = WordEmbedder()
    real = Remembering(
        settings.model_copy(update={"embedding_model": embedder.name, "local_model_base_url": "http://127.0.0.1:9/v1"}),
        database,
        vault,
        ScriptedModel(),
        NothingCools(),
        GivenEmbedders({embedder.name: embedder}),
    )
    client = await temporal.connect(settings, lazy=False)
    async with worker(client, real) as queue:
        for run in (RememberWorkflow.run, EmbedWorkflow.run):
            await client.execute_workflow(run, id=f"test-{uuid4()}", task_queue=queue)

    kept = [*await office.rows(Memory), *await other.rows(Memory)]
    of_conversations = Counter(memory.conversation_id for memory in kept)
    assert of_conversations == {good.conversation_id: 2, elsewhere.conversation_id: 2}
    assert {memory.embedded_with for memory in kept} == {embedder.name}
    rows = {row.id: row for row in await office.rows(Conversation)}
    assert rows[good.conversation_id].memory_due_at is None
    # It comes up again, and not before its claim has run out.
    assert rows[broken.conversation_id].memory_due_at is not None
    claimed_until = rows[broken.conversation_id].memory_claimed_until
    assert claimed_until is not None
    assert timedelta(0) < claimed_until - utc_now() <= due.CLAIMED_FOR


def test_time_limits_fit_into_each_other() -> None:
    remember, embed = policies.REMEMBERING, policies.EMBEDDING
    # Within its claim with all its attempts: one that waits in line for longer is not begun at all.
    assert remember["start_to_close_timeout"] < remember["schedule_to_close_timeout"] < due.CLAIMED_FOR
    claiming = policies.CLAIMING["schedule_to_start_timeout"] + policies.CLAIMING["start_to_close_timeout"]
    assert claiming + remember["schedule_to_close_timeout"] < policies.REMEMBERED_WITHIN
    # Time enough for the questions to the models of one person, and for what is under way when embedding ends.
    assert remember["start_to_close_timeout"] > 2 * timedelta(seconds=remembering.BUDGET_SECONDS)
    assert embed["start_to_close_timeout"] >= embedding.EMBED_FOR + timedelta(seconds=30)
    for policy in (remember, embed):
        assert policy["heartbeat_timeout"] > timedelta(seconds=5 * heartbeat.PERIOD_SECONDS)
    for policy in (policies.CLAIMING, embed):
        assert policy["retry_policy"].maximum_attempts == 1
