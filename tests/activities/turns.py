"""One turn of a conversation, thought of step by step as its workflow has it thought."""

from dataclasses import replace

from temporalio.testing import ActivityEnvironment

from activities.thinking import Thinking
from konstruct.contracts.conversation import ThinkRequest, Thought
from konstruct.identity import new_id
from konstruct.inbox import Accepted
from konstruct.ports import ToolCall
from konstruct.tools import calls
from konstruct.tools.calls import Outcome
from tests.support.doubles import Calling
from tests.support.office import Office


class Turn:
    def __init__(self, office: Office, thinking: Thinking, asked: Accepted) -> None:
        self.office, self.thinking, self.asked = office, thinking, asked
        self.id, self.steps = new_id(), 0

    async def think(self, *, attempt: int = 1) -> Thought:
        environment = ActivityEnvironment()
        environment.info = replace(environment.info, attempt=attempt)
        request = ThinkRequest(
            self.office.tenant_id, self.asked.conversation_id, self.id, [self.asked.message_id], self.steps
        )
        thought: Thought = await environment.run(self.thinking.think, request)
        return thought

    async def step(self, outcome: Outcome | None = None) -> Thought:
        """One that uses tools, whose calls come to this."""
        thought = await self.think()
        assert thought.decision == "tools"
        self.steps += 1
        for each in thought.calls if outcome is not None else ():
            async with self.office.session() as session:
                assert outcome is not None
                await calls.settle(session, self.office.vault, each.call_id, outcome)
        return thought

    async def answer(self) -> str:
        thought = await self.think()
        assert thought.decision == "reply"
        return "\n\n".join([(await self.office.message(reply)).body or "" for reply in thought.reply_ids])


def calling(*names: str, text: str = "", arguments: str = "{}") -> Calling:
    return Calling(tuple(ToolCall(f"call_{place}", name, arguments) for place, name in enumerate(names)), text)
