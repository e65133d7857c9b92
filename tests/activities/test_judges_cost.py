"""What a judge costs beside an answer that is still thought of is known, and held no more, once it has judged."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import pytest

from activities.thinking import Thinking
from konstruct.ports import ChatMessage, Completion, ModelLink, ToolSpec
from konstruct.tables import Usage
from tests.activities.escalations import answering, is_judges, rule, rules
from tests.activities.turns import Turn
from tests.support.doubles import ScriptedModel
from tests.support.months import holds, plan, spent
from tests.support.office import Office
from tests.support.processes import until


@dataclass
class SlowAnswers(ScriptedModel):
    """Judges at once, and answers when it may."""

    may_end: asyncio.Event = field(default_factory=asyncio.Event)
    longest: dict[bool, int] = field(default_factory=dict)
    """How many tokens it was asked for at most, by whether it was to judge."""

    async def stream(
        self,
        link: ModelLink,
        messages: Sequence[ChatMessage],
        *,
        max_tokens: int,
        tools: Sequence[ToolSpec] = (),
        may_call: bool = True,
    ) -> AsyncGenerator[Completion, None]:
        self.longest[is_judges(messages)] = max_tokens
        if not is_judges(messages):
            await self.may_end.wait()
        async for piece in super().stream(link, messages, max_tokens=max_tokens, tools=tools, may_call=may_call):
            yield piece


@pytest.fixture
def model() -> SlowAnswers:
    return SlowAnswers()


async def test_a_judge_is_paid_while_the_answer_is_thought_of(
    office: Office, thinking: Thinking, model: SlowAnswers
) -> None:
    await rules(office, rule({"mood": "negative"}))
    await plan(office, business="5")
    answering(model, '{"mood": "neutral"}')
    turn = asyncio.create_task(Turn(office, thinking, await office.say("Do you have red bikes?")).answer())

    async def is_recorded() -> bool:
        return bool(await office.rows(Usage))

    await until(is_recorded, timeout=60)
    [judged] = await office.rows(Usage)
    assert judged.purpose == "judge"
    assert (await spent(office))["business"] == judged.cost
    assert len(await holds(office)) == 1
    model.may_end.set()
    assert await turn == "Hello!"
    assert sorted(row.purpose for row in await office.rows(Usage)) == ["judge", "reply"]
    assert await holds(office) == []
    assert model.longest[True] < model.longest[False]
    assert (await spent(office))["business"] == sum(
        (row.cost or Decimal(0) for row in await office.rows(Usage)), Decimal(0)
    )
