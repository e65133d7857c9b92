"""What the workflows of a conversation promise about builds, for workers that say which build they are of.

Classes of their own, since Temporal refuses such a promise from workers that say nothing; the SDK wants the run and the
init of a class in that class. It has to be said of each of them: a task in which nothing reaches a workflow, such as
that an activity which it no longer waits for was cancelled, is completed without asking it, with what its worker
promises for all.
"""

from temporalio import workflow
from temporalio.common import VersioningBehavior

from konstruct.contracts import approvals, consults, conversation, handoffs
from workflows.approvals import ApprovalWorkflow
from workflows.consults import ConsultWorkflow
from workflows.conversation import ConversationWorkflow
from workflows.handoffs import HandoffWorkflow


@workflow.defn(name=conversation.WORKFLOW, versioning_behavior=VersioningBehavior.PINNED)
class PinnedConversationWorkflow(ConversationWorkflow):
    """Keeps to the build that began its run."""

    @workflow.init
    def __init__(self, state: conversation.ConversationState) -> None:
        super().__init__(state)

    @workflow.run
    async def run(self, state: conversation.ConversationState) -> None:
        await super().run(state)


@workflow.defn(name=approvals.WORKFLOW, versioning_behavior=VersioningBehavior.AUTO_UPGRADE)
class UpgradedApprovalWorkflow(ApprovalWorkflow):
    @workflow.init
    def __init__(self, state: approvals.ApprovalState) -> None:
        super().__init__(state)

    @workflow.run
    async def run(self, state: approvals.ApprovalState) -> None:
        await super().run(state)


@workflow.defn(name=handoffs.WORKFLOW, versioning_behavior=VersioningBehavior.AUTO_UPGRADE)
class UpgradedHandoffWorkflow(HandoffWorkflow):
    @workflow.init
    def __init__(self, state: handoffs.HandoffState) -> None:
        super().__init__(state)

    @workflow.run
    async def run(self, state: handoffs.HandoffState) -> None:
        await super().run(state)


@workflow.defn(name=consults.WORKFLOW, versioning_behavior=VersioningBehavior.AUTO_UPGRADE)
class UpgradedConsultWorkflow(ConsultWorkflow):
    @workflow.init
    def __init__(self, state: consults.ConsultState) -> None:
        super().__init__(state)

    @workflow.run
    async def run(self, state: consults.ConsultState) -> None:
        await super().run(state)
