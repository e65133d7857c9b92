"""What the workflows of a conversation promise about builds, for workers that say which build they are of.

Classes of their own, since Temporal refuses such a promise from workers that say nothing. It has to be said of each of
them: a task in which nothing reaches a workflow, such as that an activity which it no longer waits for was cancelled,
is completed without asking it, with what its worker promises for all.
"""

from temporalio import workflow
from temporalio.common import VersioningBehavior

from konstruct.contracts.approvals import ApprovalState
from konstruct.contracts.consults import ConsultState
from konstruct.contracts.conversation import WORKFLOW, ConversationState
from konstruct.contracts.handoffs import HandoffState
from workflows.approvals import ApprovalWorkflow
from workflows.consults import ConsultWorkflow
from workflows.conversation import ConversationWorkflow
from workflows.handoffs import HandoffWorkflow


@workflow.defn(name=WORKFLOW, versioning_behavior=VersioningBehavior.PINNED)
class PinnedConversationWorkflow(ConversationWorkflow):
    """Keeps to the build that began its run."""

    @workflow.init
    def __init__(self, state: ConversationState) -> None:
        super().__init__(state)

    @workflow.run
    async def run(self, state: ConversationState) -> None:
        await super().run(state)


@workflow.defn(name="ApprovalWorkflow", versioning_behavior=VersioningBehavior.AUTO_UPGRADE)
class UpgradedApprovalWorkflow(ApprovalWorkflow):
    @workflow.init
    def __init__(self, state: ApprovalState) -> None:
        super().__init__(state)

    @workflow.run
    async def run(self, state: ApprovalState) -> None:
        await super().run(state)


@workflow.defn(name="HandoffWorkflow", versioning_behavior=VersioningBehavior.AUTO_UPGRADE)
class UpgradedHandoffWorkflow(HandoffWorkflow):
    @workflow.init
    def __init__(self, state: HandoffState) -> None:
        super().__init__(state)

    @workflow.run
    async def run(self, state: HandoffState) -> None:
        await super().run(state)


@workflow.defn(name="ConsultWorkflow", versioning_behavior=VersioningBehavior.AUTO_UPGRADE)
class UpgradedConsultWorkflow(ConsultWorkflow):
    @workflow.init
    def __init__(self, state: ConsultState) -> None:
        super().__init__(state)

    @workflow.run
    async def run(self, state: ConsultState) -> None:
        await super().run(state)
