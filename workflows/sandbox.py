"""The one sandbox that worker, replays and tests share.

Our own packages pass through it, so that a conversation starts in milliseconds; that workflows stay pure is held by
the import contracts instead.
"""

from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

RUNNER = SandboxedWorkflowRunner(
    restrictions=SandboxRestrictions.default.with_passthrough_modules("konstruct", "workflows.policies")
)
