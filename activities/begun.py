"""A turn on its way through ``think``: what it began with, and what came of asking."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from activities.escalating import Watch
from konstruct.contracts.conversation import Thought, ToolCallToMake
from konstruct.conversations import Turn
from konstruct.knowledge.citing import Source
from konstruct.ports import Image, ModelLink, Purse, ToolCall
from konstruct.rehearsals.steps import Thought as Seen
from konstruct.scope import Verdict
from konstruct.tools.builtin import SEND_FILE
from konstruct.tools.calls import Kept, PastStep
from konstruct.tools.registry import Tool


@dataclass(frozen=True)
class Begun:
    turn: Turn
    toolbox: dict[str, Tool]
    watch: Watch
    chain: Sequence[ModelLink]
    """Who is asked for an answer, with the tenant's own keys where it has any."""
    steps: list[PastStep] = field(default_factory=list)
    may_call: bool = False
    released: list[str] = field(default_factory=list)
    """Answers to which a person said yes."""
    pictures: Mapping[UUID, Image] = field(default_factory=dict)
    """That a model which sees any is shown, by their files."""
    seen: Seen | None = None
    """In a rehearsal: what is noted of this step, while it is thought."""
    purse: Purse | None = None
    """Of which calls are paid, where there are budgets."""

    @property
    def may_stream(self) -> bool:
        """Whether the answer may be shown before it is whole: not where others may yet have a say in it, or it is to
        come after another."""
        return not (self.released or self.watch.judges_answer)

    def sources(self) -> list[Source]:
        """The passages that the model was shown in this turn, by the numbers under which it was."""
        return [
            Source(source["number"], source["title"], source["link"], source["text"])
            for step in self.steps
            for call in step.calls
            if call.name != SEND_FILE
            for source in call.sources
        ]


@dataclass(frozen=True)
class Answered:
    """Either calls of tools, or the whole answer with its sources."""

    text: str
    link_name: str
    calls: tuple[ToolCall, ...] = ()
    shown: str | None = None
    """What people see of it already, where that is known."""
    is_away: bool = False
    """It was answered without a model, outside the employee's hours."""
    turned_down: Verdict | None = None
    """Why it was answered without a model, as what the connection is not for."""
    is_put_off: bool = False
    """It is not answered now, but once there is a budget again."""


def to_use_tools(kept: Kept) -> Thought:
    if kept.outcome != "stored":
        return Thought(kept.outcome)
    to_make = [ToolCallToMake(call.call_id, call.timeout, call.attempts) for call in kept.calls]
    return Thought("tools", calls=to_make, approvals=kept.approvals)
