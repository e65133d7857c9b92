"""The workflow of a build to come: it waits a moment before each turn, of which earlier builds know nothing."""

from datetime import timedelta
from typing import Final

from temporalio import workflow
from temporalio.common import VersioningBehavior

from konstruct.contracts.conversation import WORKFLOW, ConversationState
from workflows.conversation import ConversationWorkflow

MOMENT: Final = timedelta(milliseconds=1)


@workflow.defn(name=WORKFLOW, versioning_behavior=VersioningBehavior.PINNED)
class NextConversationWorkflow(ConversationWorkflow):
    @workflow.init
    def __init__(self, state: ConversationState) -> None:
        super().__init__(state)

    @workflow.run
    async def run(self, state: ConversationState) -> None:
        await super().run(state)

    async def _take_turn(self) -> None:
        if workflow.patched("a-moment-before-each-turn"):
            await workflow.sleep(MOMENT)
        await super()._take_turn()
