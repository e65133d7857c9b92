"""A build whose conversations go on with whichever build is current, in the middle of a turn too."""

import workflows.queues
from konstruct.cli import main
from tests.faults.broken.roaming_workflow import RoamingConversationWorkflow

if __name__ == "__main__":
    workflows.queues.conversation_of = lambda build_id: RoamingConversationWorkflow
    main()
