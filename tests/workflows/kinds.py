"""Every workflow that a worker takes."""

from typing import Final

from workflows import queues
from workflows.pinned import PinnedConversationWorkflow

WORKFLOWS: Final[tuple[type, ...]] = tuple(
    each
    for name, each in vars(queues).items()
    # The pinned one is the conversation's own workflow, with a promise about builds.
    if isinstance(each, type) and name.endswith("Workflow") and each is not PinnedConversationWorkflow
)
