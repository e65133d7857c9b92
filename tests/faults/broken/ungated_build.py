"""A build that goes on with what earlier ones began, and does not know how: what it finds under way gets stuck."""

import workflows.queues
from konstruct.cli import main
from tests.faults.broken.ungated_workflow import UngatedConversationWorkflow

if __name__ == "__main__":
    workflows.queues.conversation_of = lambda build_id: UngatedConversationWorkflow
    main()
