"""The workflow that synchronises a source: it goes on where it was, ends when all is read, and is one a source."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from temporalio import activity
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from activities.failures import FailureInterceptor
from activities.ingesting import Ingesting
from konstruct import temporal
from konstruct.adapters.reading.reader import SubprocessReader
from konstruct.adapters.web import SafeWeb, open_client
from konstruct.contracts.knowledge import Progress, SyncRequest, SyncState
from konstruct.db import Database
from konstruct.knowledge import syncs
from konstruct.knowledge.sources import SourceSettings
from konstruct.settings import Settings
from konstruct.tables import KnowledgeChunk, KnowledgeSource
from konstruct.tables.base import utc_now
from konstruct.vault import Vault
from tests.support.doubles import GivenEmbedders
from tests.support.library import SITEMAP, add, source, states, upload
from tests.support.office import open_office
from tests.support.website import open_website
from tests.support.workers import polling
from workflows import policies
from workflows.ingestion import StartSyncsWorkflow, SyncSourceWorkflow
from workflows.queues import knowledge_worker
from workflows.sandbox import RUNNER


@dataclass
class Stage:
    """Plays the activities; ``readings``: how often there is something left to read."""

    readings: int = 0
    is_gone: bool = False
    failing: Counter[str] = field(default_factory=Counter)
    called: Counter[str] = field(default_factory=Counter)
    sync_ids: set[UUID] = field(default_factory=set)

    def _note(self, name: str, request: SyncRequest) -> None:
        self.called[name] += 1
        self.sync_ids.add(request.sync_id)
        if self.failing[name]:
            self.failing[name] -= 1
            raise ApplicationError("The database does not answer.")

    @activity.defn(name="list_source")
    async def list_source(self, request: SyncRequest) -> Progress:
        self._note("list", request)
        return Progress(is_over=self.is_gone)

    @activity.defn(name="read_documents")
    async def read_documents(self, request: SyncRequest) -> Progress:
        self._note("read", request)
        self.readings -= 1
        return Progress(is_over=self.readings <= 0)

    @activity.defn(name="fail_sync")
    async def fail_sync(self, request: SyncRequest) -> None:
        self._note("fail", request)


@asynccontextmanager
async def worker(client: Client, stage: Stage) -> AsyncIterator[str]:
    queue = f"test-{uuid4()}"
    async with polling(
        Worker(
            client,
            task_queue=queue,
            workflows=[SyncSourceWorkflow],
            activities=[stage.list_source, stage.read_documents, stage.fail_sync],
            workflow_runner=RUNNER,
            interceptors=[FailureInterceptor()],
        )
    ):
        yield queue


async def run(skipping: WorkflowEnvironment, stage: Stage) -> None:
    async with worker(skipping.client, stage) as queue:
        state = SyncState(uuid4(), uuid4())
        await skipping.client.execute_workflow(SyncSourceWorkflow.run, state, id=f"test-{uuid4()}", task_queue=queue)


async def test_a_long_synchronisation_is_one_over_many_runs(skipping: WorkflowEnvironment) -> None:
    stage = Stage(readings=2 * policies.READINGS_IN_A_RUN + 3)
    await run(skipping, stage)
    assert stage.called == {"list": 1, "read": 2 * policies.READINGS_IN_A_RUN + 3}
    assert len(stage.sync_ids) == 1


async def test_a_source_that_is_gone_is_not_read(skipping: WorkflowEnvironment) -> None:
    stage = Stage(is_gone=True)
    await run(skipping, stage)
    assert stage.called == {"list": 1}


@pytest.mark.parametrize("name", ["list", "read", "fail"])
async def test_what_passes_is_tried_again(skipping: WorkflowEnvironment, name: str) -> None:
    stage = Stage(readings=2, failing=Counter({name: 2, "read": 10_000} if name == "fail" else {name: 2}))
    await run(skipping, stage)
    assert stage.called[name] == (4 if name == "read" else 3)
    assert ("fail" in stage.called) is (name == "fail")


@pytest.mark.parametrize("name", ["list", "read"])
async def test_what_never_works_is_told(skipping: WorkflowEnvironment, name: str) -> None:
    stage = Stage(readings=1, failing=Counter({name: 10_000}))
    await run(skipping, stage)
    assert stage.called["fail"] == 1


async def test_on_real_servers_a_sweep_starts_what_is_due_and_one_source_is_read_once(
    settings: Settings, database: Database, vault: Vault
) -> None:
    office = await open_office(database, vault)
    client = await temporal.connect(settings, lazy=False)
    async with open_website() as site, open_client([site.host]) as web:
        ingesting = Ingesting(
            settings, database, client, SafeWeb(web), SubprocessReader(), GivenEmbedders(), pause=0, waits=()
        )
        site.publish({"/returns": "Within 30 days.", "/hours": "From nine."})
        await add(office, "files")
        await upload(office, "files", "a.md", b"Bells ring.")
        every = timedelta(hours=1)
        source_id = await add(office, "site", SourceSettings("sitemap", url=site.at("/sitemap.xml"), sync_every=every))
        site.hold("/returns")
        async with polling(knowledge_worker(client, ingesting)):
            for _ in range(2):
                await client.execute_workflow(
                    StartSyncsWorkflow.run, id=f"test-{uuid4()}", task_queue=temporal.KNOWLEDGE
                )
            handle = client.get_workflow_handle(temporal.sync_id(office.tenant_id, source_id))
            await site.is_asked["/returns"].wait()
            # Started again while it is at work, nothing comes of it.
            await temporal.start_sync(client, office.tenant_id, source_id)
            assert (await handle.describe()).status == WorkflowExecutionStatus.RUNNING
            site.may_answer["/returns"].set()
            await handle.result()
            files = await source(office, "files")
            await client.get_workflow_handle(temporal.sync_id(office.tenant_id, files.id)).result()
    assert set((await states(office)).values()) == {"indexed"}
    assert len(await office.rows(KnowledgeChunk)) == 3
    assert site.asked["/returns"] == site.asked["/sitemap.xml"] == 1
    done = await source(office, "site")
    assert (done.status, done.found, done.done) == ("idle", 2, 2)
    assert done.next_sync_at is not None
    assert timedelta(minutes=59) < done.next_sync_at - utc_now() < timedelta(minutes=61)


async def test_two_sweeps_never_start_the_same(database: Database, vault: Vault) -> None:
    office = await open_office(database, vault)
    source_id = await add(office, "site", SITEMAP)
    claims = [await syncs.claim_due(database, 10_000) for _ in range(2)]
    assert [(office.tenant_id, source_id) in claim for claim in claims] == [True, False]
    # It may have died: then it is started again.
    async with office.session() as session:
        row = await session.get_one(KnowledgeSource, (office.tenant_id, source_id))
        assert row.next_sync_at is not None
        row.next_sync_at -= syncs.STARTED_AGAIN_AFTER
    assert (office.tenant_id, source_id) in await syncs.claim_due(database, 10_000)
