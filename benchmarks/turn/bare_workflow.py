"""The least that a conversation on this engine can be: a signal comes in, two activities follow, neither does any work.

Nothing of the worker may be imported here: the sandbox loads this file anew for every conversation.
"""

from dataclasses import dataclass

from temporalio import workflow

from workflows import policies

WORKFLOW = "BareWorkflow"
SAY = "say"
QUEUE = "bare"


@dataclass(frozen=True)
class Said:
    conversation: str
    turn: int


@workflow.defn(name=WORKFLOW)
class BareWorkflow:
    def __init__(self) -> None:
        self._mailbox: list[Said] = []

    @workflow.run
    async def run(self) -> None:
        for _ in range(policies.TURNS_IN_A_RUN):
            await workflow.wait_condition(lambda: bool(self._mailbox))
            said = self._mailbox.pop(0)
            await workflow.execute_activity("first", said, **policies.THINKING)
            await workflow.execute_activity("second", said, **policies.DELIVERY)
        workflow.continue_as_new()

    @workflow.signal
    def say(self, said: Said) -> None:
        self._mailbox.append(said)
