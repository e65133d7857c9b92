"""Filling the knowledge base: one workflow a source and synchronisation, which may take hours; schedules start them."""

from temporalio import workflow
from temporalio.exceptions import ActivityError

from konstruct.contracts.knowledge import SYNC_WORKFLOW, ChunksEmbedded, Progress, Started, SyncRequest, SyncState
from workflows import policies


@workflow.defn(name=SYNC_WORKFLOW)
class SyncSourceWorkflow:
    """What is done and what is left to do is in the database alone, so that a run can end and go on anywhere."""

    @workflow.run
    async def run(self, state: SyncState) -> None:
        request = SyncRequest(state.tenant_id, state.source_id, state.sync_id or workflow.uuid4())
        try:
            is_over = not state.is_listed and await self._list(request)
            readings = 0
            while not is_over:
                if readings >= policies.READINGS_IN_A_RUN or workflow.info().is_continue_as_new_suggested():
                    workflow.continue_as_new(
                        SyncState(state.tenant_id, state.source_id, request.sync_id, is_listed=True)
                    )
                progress: Progress = await workflow.execute_activity(
                    "read_documents", request, result_type=Progress, **policies.READING
                )
                is_over = progress.is_over
                readings += 1
        except ActivityError:
            await workflow.execute_activity("fail_sync", request, **policies.BOOKKEEPING)

    async def _list(self, request: SyncRequest) -> bool:
        progress: Progress = await workflow.execute_activity(
            "list_source", request, result_type=Progress, **policies.LISTING
        )
        return progress.is_over


@workflow.defn(name="StartSyncsWorkflow")
class StartSyncsWorkflow:
    @workflow.run
    async def run(self) -> None:
        await workflow.execute_activity("start_syncs", result_type=Started, **policies.SWEEPING)


@workflow.defn(name="EmbedKnowledgeWorkflow")
class EmbedKnowledgeWorkflow:
    @workflow.run
    async def run(self) -> None:
        await workflow.execute_activity("embed_chunks", result_type=ChunksEmbedded, **policies.EMBEDDING)
