"""What a page or a program waits for, and only a worker can do: short, and one activity each."""

from temporalio import workflow

from konstruct.contracts.knowledge import LOCATE_WORKFLOW, QuestionLocated, QuestionToLocate
from konstruct.contracts.upkeep import LOOK_WORKFLOW, ServerToLookAt
from workflows import policies


@workflow.defn(name=LOCATE_WORKFLOW)
class LocateQuestionWorkflow:
    @workflow.run
    async def run(self, asked: QuestionToLocate) -> QuestionLocated:
        located: QuestionLocated = await workflow.execute_activity(
            "locate_question", asked, result_type=QuestionLocated, **policies.LOCATING
        )
        return located


@workflow.defn(name=LOOK_WORKFLOW)
class LookAtServerWorkflow:
    @workflow.run
    async def run(self, server: ServerToLookAt) -> None:
        await workflow.execute_activity("look_at_server", server, **policies.LOOKING)
