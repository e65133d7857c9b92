"""A conversation that keeps to the build that began its run, for workers that say which build they are of.

A class of its own, since Temporal refuses such a promise from workers that say nothing.
"""

from temporalio import workflow
from temporalio.common import VersioningBehavior

from konstruct.contracts.conversation import WORKFLOW, ConversationState
from workflows.conversation import ConversationWorkflow


@workflow.defn(name=WORKFLOW, versioning_behavior=VersioningBehavior.PINNED)
class PinnedConversationWorkflow(ConversationWorkflow):
    @workflow.init
    def __init__(self, state: ConversationState) -> None:
        super().__init__(state)

    @workflow.run
    async def run(self, state: ConversationState) -> None:
        await super().run(state)
