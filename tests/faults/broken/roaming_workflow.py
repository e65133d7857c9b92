"""A conversation that keeps to no build."""

from temporalio import workflow
from temporalio.common import VersioningBehavior

from konstruct.contracts.conversation import WORKFLOW, ConversationState
from workflows.conversation import ConversationWorkflow


@workflow.defn(name=WORKFLOW, versioning_behavior=VersioningBehavior.AUTO_UPGRADE)
class RoamingConversationWorkflow(ConversationWorkflow):
    @workflow.init
    def __init__(self, state: ConversationState) -> None:
        super().__init__(state)

    @workflow.run
    async def run(self, state: ConversationState) -> None:
        await super().run(state)
