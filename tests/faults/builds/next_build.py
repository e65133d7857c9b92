"""The program of a build to come."""

import workflows.queues
from konstruct.cli import main
from tests.faults.builds.next_workflow import NextConversationWorkflow

if __name__ == "__main__":
    workflows.queues.conversation_of = lambda build_id: NextConversationWorkflow
    main()
