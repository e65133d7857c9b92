"""Workflows that run by themselves from beginning to end: what their activities answer is said beforehand."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final
from uuid import uuid4

from temporalio import activity
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowHandle
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from konstruct.contracts import billing, consults, conversation, knowledge, memory, upkeep
from konstruct.contracts.consults import ConsultStanding
from konstruct.contracts.knowledge import Progress
from tests.support.workers import polling
from tests.workflows.kinds import WORKFLOWS
from workflows import policies
from workflows.queues import of_build
from workflows.sandbox import RUNNER

FAILS: Final = object()
THREE_DAYS: Final = timedelta(days=3).total_seconds()
ASKED: Final = upkeep.Asked(uuid4(), uuid4())
SOURCE: Final = knowledge.SyncState(uuid4(), uuid4())
CONSULT: Final = consults.ConsultState(uuid4(), uuid4())


@dataclass(frozen=True)
class Errand:
    workflow: str
    argument: object = None
    answers: dict[str, Sequence[object]] = field(default_factory=dict)
    """Of activities, one for each time that they are asked; nothing, when there is no more."""
    waits: bool = False
    """It is recorded while it waits for a moment to come, and does not end."""


ERRANDS: Final[dict[str, Errand]] = {
    "swept": Errand("SweepWorkflow", answers={"sweep": [conversation.Swept(1)]}),
    "sealed": Errand("SealWorkflow", answers={"seal": [upkeep.Sealed(1, 0)]}),
    "looked_at_servers": Errand("LookAtServersWorkflow"),
    "renewed_tokens": Errand("RenewTokensWorkflow"),
    "learnt_names": Errand("LearnNamesWorkflow"),
    "erased": Errand(upkeep.ERASE_WORKFLOW, ASKED),
    "checked": Errand(upkeep.CHECK_WORKFLOW, ASKED),
    "check_given_up": Errand(upkeep.CHECK_WORKFLOW, ASKED, {"check_trail": [FAILS]}),
    "located": Errand(
        knowledge.LOCATE_WORKFLOW,
        knowledge.QuestionToLocate(uuid4(), uuid4(), "sealed"),
        {"locate_question": [knowledge.QuestionLocated("sealed")]},
    ),
    "looked_at_server": Errand(upkeep.LOOK_WORKFLOW, upkeep.ServerToLookAt(uuid4(), uuid4())),
    "remembered": Errand(
        "RememberWorkflow",
        answers={
            "claim_memory_work": [memory.MemoryWork([memory.RememberRequest(uuid4(), uuid4()) for _ in range(3)])],
            "remember": [None, FAILS, None],
        },
    ),
    "nothing_to_remember": Errand("RememberWorkflow", answers={"claim_memory_work": [memory.MemoryWork()]}),
    "embedded": Errand("EmbedWorkflow", answers={"embed_memories": [memory.Embedded(3)]}),
    "let_go": Errand("RetentionWorkflow", answers={"let_go": [upkeep.LetGo(1, 0)]}),
    "cleared": Errand("ClearTenantsWorkflow", answers={"clear_tenants": [upkeep.Cleared(1, 0)]}),
    "asked_for_ratings": Errand("AskForRatingsWorkflow", answers={"ask_for_ratings": [upkeep.Questions(1, 0)]}),
    "synced": Errand(
        knowledge.SYNC_WORKFLOW,
        SOURCE,
        {"list_source": [Progress(False)], "read_documents": [Progress(False), Progress(True)]},
    ),
    "synced_in_two_runs": Errand(
        knowledge.SYNC_WORKFLOW,
        SOURCE,
        {
            "list_source": [Progress(False)],
            "read_documents": [*[Progress(False)] * policies.READINGS_IN_A_RUN, Progress(True)],
        },
    ),
    "nothing_to_read": Errand(knowledge.SYNC_WORKFLOW, SOURCE, {"list_source": [Progress(True)]}),
    "sync_failed": Errand(
        knowledge.SYNC_WORKFLOW, SOURCE, {"list_source": [Progress(False)], "read_documents": [FAILS]}
    ),
    "started_syncs": Errand("StartSyncsWorkflow", answers={"start_syncs": [knowledge.Started(1)]}),
    "embedded_knowledge": Errand("EmbedKnowledgeWorkflow", answers={"embed_chunks": [knowledge.ChunksEmbedded(1)]}),
    "reconciled": Errand(
        "ReconcileSubscriptionsWorkflow", answers={"reconcile_subscriptions": [billing.Reconciled(1, 0)]}
    ),
    "metered": Errand("MeterUsageWorkflow", answers={"meter_usage": [billing.Metered(1, 0)]}),
    "consulted": Errand(
        consults.WORKFLOW,
        CONSULT,
        {"settle_consult": [ConsultStanding("waiting", 1.0), ConsultStanding("answered", 1.0)]},
    ),
    "consult_waits": Errand(
        consults.WORKFLOW, CONSULT, {"settle_consult": [ConsultStanding("waiting", THREE_DAYS)]}, waits=True
    ),
    "consult_not_announced": Errand(
        consults.WORKFLOW,
        CONSULT,
        {"announce_consult": [FAILS], "settle_consult": [ConsultStanding("withdrawn", 1.0)]},
    ),
}


class Played:
    """Every activity there is."""

    def __init__(self, errand: Errand) -> None:
        self._left = defaultdict(list, {name: list(answers) for name, answers in errand.answers.items()})

    @activity.defn(dynamic=True)
    async def play(self, arguments: Sequence[RawValue]) -> Any:
        answers = self._left[activity.info().activity_type]
        answer = answers.pop(0) if answers else None
        if answer is FAILS:
            raise ApplicationError("It does not work.", non_retryable=True)
        return answer


async def done(environment: WorkflowEnvironment, errand: Errand) -> WorkflowHandle[Any, Any]:
    """Its first run, once it is over or waits."""
    client, queue = environment.client, f"test-{uuid4()}"
    async with polling(
        Worker(
            client,
            task_queue=queue,
            workflows=list(WORKFLOWS),
            activities=[Played(errand).play],
            workflow_runner=RUNNER,
            deployment_config=of_build(None),
        )
    ):
        arguments = [] if errand.argument is None else [errand.argument]
        started = await client.start_workflow(errand.workflow, args=arguments, id=str(uuid4()), task_queue=queue)
        if errand.waits:
            await _waits(started)
        else:
            await started.result()
    return _first_run(client, started)


async def _waits(started: WorkflowHandle[Any, Any]) -> None:
    async for event in started.fetch_history_events(wait_new_event=True):
        if event.event_type == EventType.EVENT_TYPE_TIMER_STARTED:
            return


def _first_run(client: Client, started: WorkflowHandle[Any, Any]) -> WorkflowHandle[Any, Any]:
    return client.get_workflow_handle(started.id, run_id=started.result_run_id)
