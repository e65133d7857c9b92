"""A workspace that streams, an employee who is heard there word by word, and what people see of it."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from uuid import UUID

from sqlmodel import col, select
from temporalio.testing import ActivityEnvironment

from activities.changing_owner import ChangingOwner
from activities.delivery import Delivery
from activities.thinking import Thinking
from konstruct.contracts.conversation import AbandonRequest, Delivered, DeliverRequest, ThinkRequest, Thought
from konstruct.contracts.handoffs import AgentAct, OwnerChange, OwnerState
from konstruct.identity import new_id
from konstruct.inbox import Accepted
from konstruct.outbox import SEND_ENDS_WITHIN
from konstruct.streaming import Streamer
from konstruct.tables import Message
from tests.support.doubles import TalkingModel
from tests.support.office import Office
from tests.support.processes import until
from tests.support.slack_double import Json, SlackDouble, Stream

METHODS = ("chat.startStream", "chat.appendStream", "chat.stopStream", "chat.update", "chat.postMessage")


@dataclass
class Stage:
    """One conversation in Slack, and the activities that work on it."""

    office: Office
    slack: SlackDouble
    model: TalkingModel
    thinking: Thinking
    delivery: Delivery
    changing_owner: ChangingOwner
    streamers: Mapping[str, Streamer]
    root: str
    asked: Accepted
    turn_id: UUID = field(default_factory=new_id)
    step: int = 0
    environment: ActivityEnvironment = field(default_factory=ActivityEnvironment)

    def think(self, *, attempt: int = 1) -> "asyncio.Task[Thought]":
        self.environment = ActivityEnvironment()
        self.environment.info = replace(self.environment.info, attempt=attempt)
        request = ThinkRequest(
            self.office.tenant_id, self.asked.conversation_id, self.turn_id, [self.asked.message_id], self.step
        )
        return asyncio.create_task(self.environment.run(self.thinking.think, request))

    async def deliver(self, thought: Thought) -> Delivered:
        request = DeliverRequest(self.office.tenant_id, self.asked.conversation_id, thought.reply_ids)
        return await ActivityEnvironment().run(self.delivery.deliver, request)

    async def take_over(self) -> OwnerState:
        change = OwnerChange(self.office.tenant_id, self.asked.conversation_id, "claim", act=AgentAct(by="anna"))
        return await ActivityEnvironment().run(self.changing_owner.change_owner, change)

    async def stop(self) -> None:
        request = AbandonRequest(self.office.tenant_id, self.asked.conversation_id, [self.asked.message_id], "stopped")
        await ActivityEnvironment().run(self.thinking.abandon, request)

    async def begun(self, text: str = "Once upon a time ") -> "asyncio.Task[Thought]":
        """A thought whose beginning people see."""
        thought = self.think()
        self.model.say(text)
        await self.called("chat.startStream")
        await until(self.is_open)
        return thought

    async def is_open(self) -> bool:
        """Whether it is known here what the channel shows."""
        rows = await self.office.messages("outbound")
        return any(row.state == "streaming" and row.external_id and not row.sending_at for row in rows)

    async def let_begin_time_pass(self) -> None:
        """As if nothing more could come of a call that began a stream."""
        async with self.office.session() as session:
            for row in await session.scalars(select(Message).where(col(Message.state) == "streaming")):
                row.created_at -= SEND_ENDS_WITHIN

    async def called(self, method: str, count: int = 1) -> None:
        await self.slack.wait_for_call(method, count)

    @property
    def calls(self) -> list[str]:
        """What was done with messages, in order."""
        return [call.method.removeprefix("chat.") for call in self.slack.calls if call.method in METHODS]

    @property
    def shown(self) -> list[str]:
        return [_text(message).strip() for message in self.messages]

    @property
    def messages(self) -> list[Json]:
        return self.slack.bot_messages("C1", thread_ts=self.root)

    @property
    def stream(self) -> Stream:
        [stream] = self.slack.world.streams.values()
        return stream

    async def rows(self) -> list[tuple[str, str]]:
        """Of what went out: how far it came, and what it says."""
        return [(row.state, (row.body or "").strip()) for row in await self.office.messages("outbound")]


def _text(message: Json) -> str:
    marked = [block["text"] for block in message.get("blocks", ()) if block["type"] == "markdown"]
    return "\n".join(marked) if marked else str(message["text"])
