"""A workflow whose commands were changed as if no conversation were under way."""

from temporalio import workflow

from konstruct.contracts.conversation import WORKFLOW, ConversationState
from tests.faults.builds.next_workflow import MOMENT
from workflows.conversation import ConversationWorkflow


@workflow.defn(name=WORKFLOW)
class UngatedConversationWorkflow(ConversationWorkflow):
    @workflow.init
    def __init__(self, state: ConversationState) -> None:
        super().__init__(state)

    @workflow.run
    async def run(self, state: ConversationState) -> None:
        await super().run(state)

    async def _take_turn(self) -> None:
        await workflow.sleep(MOMENT)
        await super()._take_turn()
