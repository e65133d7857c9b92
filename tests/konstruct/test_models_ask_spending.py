"""Walking a chain of models with a purse: what is held for each call, and who is passed over for want of money."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import pytest

from konstruct.errors import ModelsUnavailable, OverBudget
from konstruct.identity import new_id
from konstruct.models import Answer
from konstruct.models.context import count_prompt
from konstruct.models.spending import AMPLE_ANSWER, LEAST_ANSWER, MARGIN
from konstruct.ports import Held, ModelCallError
from tests.konstruct.model_pool import PROMPT, A, B, Pool, fails, link, says

FREE = replace(
    link("ollama/llama3.2"), provider="ollama", input_price=Decimal(0), output_price=Decimal(0), cached_price=Decimal(0)
)
DEAR = replace(B, input_price=Decimal(300), output_price=Decimal(1_500))
BEGAN = datetime(2026, 11, 30, 23, 59, tzinfo=UTC)


@dataclass
class Given:
    """A purse that holds so much for each call, whatever was held before."""

    left: Decimal
    falls_to_free: bool = False
    is_held_by_others: bool = False
    asked: list[tuple[Decimal, Decimal, Decimal, float, float]] = field(default_factory=list)
    holds: list[UUID] = field(default_factory=list)

    async def hold(self, least: Decimal, enough: Decimal, most: Decimal, *, lasts: float, patience: float) -> Held:
        self.asked.append((least, enough, most, lasts, patience))
        if self.is_held_by_others:
            raise ModelsUnavailable("Later.")
        if self.left < least:
            raise OverBudget("Spent.")
        self.holds.append(new_id())
        return Held(self.holds[-1], min(most, self.left), BEGAN)


def dollars(link_tokens: int, answer_tokens: int) -> Decimal:
    return link_tokens * MARGIN * Decimal("0.000003") + answer_tokens * Decimal("0.000015")


async def test_what_a_call_may_cost_at_most_is_held_before_it_is_made() -> None:
    purse = Given(Decimal(1))
    pool = Pool({A.name: says("Hello!")}, purse=purse)
    assert await pool.ask() == Answer("Hello!", A.name, "stop")
    [(least, enough, most, lasts, patience)] = purse.asked
    tokens = count_prompt(PROMPT)
    assert enough == most == dollars(tokens, A.max_output_tokens)
    assert least == dollars(tokens, LEAST_ANSWER)
    assert 0 < patience < lasts <= pool.budget
    [call] = pool.calls
    assert [call.hold_id] == purse.holds
    assert call.started_at == BEGAN
    assert pool.model.prompts[0][2] == A.max_output_tokens


async def test_nobody_waits_for_more_than_nearly_any_answer_takes() -> None:
    purse = Given(Decimal(1))
    long = replace(A, context_window=100_000, max_output_tokens=8_192)
    await Pool({A.name: says("Hello!")}, links=(long,), purse=purse).ask()
    [(least, enough, most, _, _)] = purse.asked
    tokens = count_prompt(PROMPT)
    assert [least, enough, most] == [dollars(tokens, answer) for answer in (LEAST_ANSWER, AMPLE_ANSWER, 8_192)]


async def test_an_answer_may_be_as_long_as_what_is_left_allows() -> None:
    tokens = count_prompt(PROMPT)
    purse = Given(dollars(tokens, 450) + Decimal("0.000014"))
    pool = Pool({A.name: says("Hello!")}, purse=purse)
    await pool.ask()
    assert pool.model.prompts[0][2] == 450


async def test_every_call_of_a_chain_has_a_hold_of_its_own_failed_ones_too() -> None:
    purse = Given(Decimal(1))
    pool = Pool({A.name: fails(ModelCallError("server", "no")), B.name: says("Hello!")}, purse=purse)
    await pool.ask()
    assert [call.hold_id for call in pool.calls] == purse.holds
    assert len(set(purse.holds)) == 2


async def test_a_link_that_is_too_dear_is_passed_over_for_one_that_is_not() -> None:
    pool = Pool({A.name: says("Hello!")}, links=(DEAR, A), purse=Given(Decimal("0.01")))
    assert (await pool.ask()).link_name == A.name
    assert pool.outcomes == [(DEAR.name, "skipped", "budget"), (A.name, "ok", None)]
    assert pool.cooldowns.cooled == {}


async def test_when_too_little_is_left_for_any_that_is_said() -> None:
    pool = Pool({}, links=(DEAR, A), purse=Given(Decimal("0.000001")))
    with pytest.raises(OverBudget):
        await pool.ask()
    assert pool.outcomes == [(DEAR.name, "skipped", "budget"), (A.name, "skipped", "budget")]


async def test_what_others_hold_is_no_reason_to_say_that_all_is_spent() -> None:
    pool = Pool({}, links=(A,), purse=Given(Decimal(1), is_held_by_others=True))
    with pytest.raises(ModelsUnavailable) as raised:
        await pool.ask()
    assert not isinstance(raised.value, OverBudget)


async def test_what_costs_nothing_needs_no_purse() -> None:
    purse = Given(Decimal(0))
    pool = Pool({FREE.name: says("Hello!")}, links=(FREE, A), purse=purse)
    assert (await pool.ask()).link_name == FREE.name
    assert purse.asked == []
    assert pool.calls[0].hold_id is None


@pytest.mark.parametrize("stands_in", [True, False])
async def test_what_costs_nothing_stands_in_for_the_others_only_where_it_is_to(*, stands_in: bool) -> None:
    pool = Pool({FREE.name: says("Hello!")}, links=(A, FREE), purse=Given(Decimal(0), falls_to_free=stands_in))
    if stands_in:
        assert (await pool.ask()).link_name == FREE.name
    else:
        with pytest.raises(OverBudget):
            await pool.ask()
        assert [name for name, _, _ in pool.outcomes] == [A.name, FREE.name]


async def test_what_costs_nothing_answers_where_others_fail_and_money_is_left() -> None:
    pool = Pool(
        {A.name: fails(ModelCallError("server", "no")), FREE.name: says("Hello!")},
        links=(A, FREE),
        purse=Given(Decimal(1)),
    )
    assert (await pool.ask()).link_name == FREE.name
