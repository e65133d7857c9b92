"""Walking a chain of models: passing over, cooling, cutting off, recording. Models are scripts behind the port."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import timedelta
from decimal import Decimal

import pytest

from konstruct.errors import ModelsUnavailable
from konstruct.models import Answer
from konstruct.models.asking import LONGEST_COOL_DOWN, LONGEST_TEXT, PIECES_AT_ONCE, cooldown_key
from konstruct.models.context import count_prompt
from konstruct.ports import ChatMessage, Completion, ModelCallError
from tests.konstruct.model_pool import PROMPT, USED, A, B, C, Hanging, Pool, Script, fails, link, says


async def test_the_first_link_answers_and_no_other_is_asked() -> None:
    pool = Pool({A.name: says("Hel", "lo!")})
    assert await pool.ask() == Answer("Hello!", A.name, "stop")
    assert pool.outcomes == [(A.name, "ok", None)]
    assert pool.cooldowns.cooled == {}


async def test_a_call_is_recorded_with_tokens_and_exact_cost() -> None:
    pool = Pool({A.name: says("Hello!")})
    await pool.ask()
    (call,) = pool.calls
    assert (call.provider, call.model, call.tokens, call.estimated) == ("openai", "a", USED, False)
    assert call.cost == Decimal("0.00207")  # 600 at $3, 400 cached at $0.30, 10 at $15 a million.
    assert call.first_token_ms is not None
    assert call.latency_ms >= call.first_token_ms
    assert call.started_at.tzinfo is not None


async def test_what_a_link_says_is_heard_as_it_comes_and_taken_back_when_it_fails() -> None:
    pool = Pool({A.name: says("Hel", "lo, ", finish=None), B.name: says(), C.name: says("Good ", "day!")})
    await pool.ask()
    assert pool.heard == ["Hel", "lo, ", None, "Good ", "day!"]


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        (fails(ModelCallError("refused", "no")), "refused"),
        (fails(ModelCallError("rate_limited", "no")), "rate_limited"),
        (fails(ModelCallError("auth", "no")), "auth"),
        (fails(ModelCallError("server", "no")), "server"),
        (fails(ModelCallError("bad_request", "no")), "bad_request"),
        (fails(ModelCallError("context", "no")), "context"),
        (fails(ModelCallError("cut", "no"), after="Hel"), "cut"),
        (says("Hel", finish=None), "cut"),
        (says(), "empty"),
        (says(" ", "\n\t "), "empty"),
        (says("\u200b\x00\u200b"), "nonsense"),
        (says("ok ok " * 200, finish="length"), "nonsense"),
        (Hanging(), "timeout"),
        (Hanging(("Hel",)), "timeout"),
    ],
)
async def test_a_link_that_fails_is_passed_over_and_its_text_forgotten(script: Script, kind: str) -> None:
    pool = Pool({A.name: script, B.name: says("Hello!")}, first_token_timeout=0.1, idle_timeout=0.1)
    assert await pool.ask() == Answer("Hello!", B.name, "stop")
    assert pool.outcomes == [(A.name, "failed", kind), (B.name, "ok", None)]


@pytest.mark.parametrize(
    ("script", "answer"),
    [
        (says("I will not talk in class.\n" * 100), "I will not talk in class"),
        (
            says("- one\n- two\n- three\n" + "".join(f"{n}. item {n * 7}\n" for n in range(60)), finish="length"),
            "- one",
        ),
        (says("👍"), "👍"),
        (says("42"), "42"),
    ],
)
async def test_an_unusual_answer_is_still_an_answer(script: Script, answer: str) -> None:
    assert (await Pool({A.name: script}).ask()).text.startswith(answer)


async def test_an_endless_answer_is_cut_off_while_it_comes() -> None:
    sent = 0

    async def babble() -> AsyncGenerator[Completion, None]:
        nonlocal sent
        while True:
            sent += 10_000
            yield Completion("x" * 10_000)

    pool = Pool({A.name: babble, B.name: says("Hello!")})
    assert (await pool.ask()).link_name == B.name
    assert sent <= LONGEST_TEXT + 10_000
    assert pool.outcomes[0] == (A.name, "failed", "nonsense")


async def test_others_have_their_turn_while_a_model_goes_on_and_on() -> None:
    turns = 0

    async def go_on() -> AsyncGenerator[Completion, None]:
        for _ in range(PIECES_AT_ONCE):
            yield Completion("and ")
        yield Completion("so on", finish_reason="stop")

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(others())
        await Pool({A.name: go_on}).ask()
        waiting.cancel()
    assert turns >= PIECES_AT_ONCE


async def test_a_link_that_hangs_is_closed_before_the_next_is_asked() -> None:
    hanging, was_closed = Hanging(("Hel",)), []

    async def next_one() -> AsyncGenerator[Completion, None]:
        was_closed.append(hanging.is_closed)
        yield Completion("Hello!", finish_reason="stop")

    await Pool({A.name: hanging, B.name: next_one}, idle_timeout=0.05).ask()
    assert was_closed == [True]


async def test_pieces_without_text_keep_a_slow_model_alive() -> None:
    async def think() -> AsyncGenerator[Completion, None]:
        for _ in range(20):
            await asyncio.sleep(0.02)
            yield Completion()
        yield Completion("Hello!", finish_reason="stop")

    pool = Pool({A.name: think}, first_token_timeout=0.3, idle_timeout=0.3)
    assert (await pool.ask()).link_name == A.name


async def test_a_slow_link_leaves_time_for_those_after_it() -> None:
    async def drip() -> AsyncGenerator[Completion, None]:
        while True:
            await asyncio.sleep(0.01)
            yield Completion("drip ")

    pool = Pool({A.name: drip, B.name: drip, C.name: says("Hello!")}, budget=0.6)
    assert (await pool.ask()).link_name == C.name
    assert pool.outcomes[:2] == [(A.name, "failed", "timeout"), (B.name, "failed", "timeout")]


@pytest.mark.parametrize(
    ("error", "period"),
    [
        (ModelCallError("refused", ""), timedelta(seconds=15)),
        (ModelCallError("auth", ""), timedelta(minutes=5)),
        (ModelCallError("rate_limited", ""), timedelta(seconds=20)),
        (ModelCallError("rate_limited", "", timedelta(seconds=7)), timedelta(seconds=7)),
        (ModelCallError("rate_limited", "", timedelta(days=7)), LONGEST_COOL_DOWN),
    ],
)
async def test_a_failed_link_is_left_alone_for_a_while(error: ModelCallError, period: timedelta) -> None:
    pool = Pool({A.name: fails(error), B.name: says("Hello!")})
    await pool.ask()
    assert pool.cooldowns.cooled == {cooldown_key(A): period}


@pytest.mark.parametrize("kind", ["bad_request", "context"])
async def test_a_link_is_not_cooled_for_the_fault_of_a_request(kind: str) -> None:
    error = ModelCallError("bad_request" if kind == "bad_request" else "context", "")
    pool = Pool({A.name: fails(error), B.name: says("Hello!")})
    await pool.ask()
    assert pool.cooldowns.cooled == {}


async def test_a_cooling_link_is_skipped_and_that_is_recorded() -> None:
    pool = Pool({B.name: says("Hello!")})
    await pool.cooldowns.cool(cooldown_key(A), timedelta(seconds=30))
    assert (await pool.ask()).link_name == B.name
    assert pool.outcomes == [(A.name, "skipped", None), (B.name, "ok", None)]
    assert pool.calls[0].cost == 0


async def test_when_all_are_cooling_they_are_asked_anyway_and_success_warms() -> None:
    pool = Pool({A.name: fails(ModelCallError("server", "")), B.name: says("Hello!")}, (A, B))
    for each in (A, B):
        await pool.cooldowns.cool(cooldown_key(each), timedelta(seconds=30))
    assert (await pool.ask()).link_name == B.name
    assert pool.outcomes == [(A.name, "failed", "server"), (B.name, "ok", None)]
    assert pool.cooldowns.cooled.keys() == {cooldown_key(A)}


async def test_a_cooling_link_is_the_last_resort_when_the_others_fail() -> None:
    pool = Pool({A.name: says("Hello!"), B.name: fails(ModelCallError("server", ""))}, (A, B))
    await pool.cooldowns.cool(cooldown_key(A), timedelta(seconds=30))
    assert (await pool.ask()).link_name == A.name
    assert pool.outcomes == [(A.name, "skipped", None), (B.name, "failed", "server"), (A.name, "ok", None)]


def test_one_tenants_key_does_not_cool_anothers() -> None:
    keys = {
        cooldown_key(each)
        for each in (A, B, link("openai/a", key="other"), link("openai/a", base_url="http://127.0.0.1:2"))
    }
    assert len(keys) == 4
    assert cooldown_key(A) == cooldown_key(link("openai/a"))
    assert "key" not in cooldown_key(link("openai/a", key="key-of-a-tenant"))


async def test_when_all_are_down_the_error_says_why_of_each() -> None:
    pool = Pool({A.name: fails(ModelCallError("auth", "secret")), B.name: says()}, (A, B))
    with pytest.raises(ModelsUnavailable) as caught:
        await pool.ask()
    assert str(caught.value) == "No model answered: openai/a (auth), openai/b (empty)."
    assert len(pool.calls) == 2


async def test_without_any_model_the_error_says_so() -> None:
    with pytest.raises(ModelsUnavailable, match="none is configured"):
        await Pool({}, ()).ask()


async def test_no_time_left_is_no_reason_to_ask() -> None:
    pool = Pool({}, budget=0)
    with pytest.raises(ModelsUnavailable, match="no time was left"):
        await pool.ask()
    assert pool.calls == []


async def test_a_cancelled_call_is_closed_and_recorded_with_an_estimate() -> None:
    hanging = Hanging(("Hello, ", "I was about to say"))
    pool = Pool({A.name: hanging, B.name: says("never asked")})
    asking = asyncio.create_task(pool.ask())
    await hanging.is_silent.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert hanging.is_closed
    (call,) = pool.calls
    assert (call.outcome, call.error_kind, call.estimated) == ("cancelled", None, True)
    assert call.tokens.input == count_prompt(PROMPT)
    assert call.tokens.output > 0
    assert call.cost
    assert pool.cooldowns.cooled == {}


@pytest.mark.parametrize(
    ("script", "is_estimated"),
    [
        (fails(ModelCallError("refused", "")), False),
        (fails(ModelCallError("rate_limited", "")), False),
        (fails(ModelCallError("server", "")), False),
        (fails(ModelCallError("server", ""), after="Hel"), True),
        (fails(ModelCallError("cut", ""), after="Hel"), True),
        (says("Hel", finish=None), True),
        (says(tokens=USED), False),
        (says("Hello!", tokens=None), True),
    ],
)
async def test_tokens_are_estimated_only_where_the_provider_worked_and_did_not_say(
    script: Script, is_estimated: bool
) -> None:
    pool = Pool({A.name: script, B.name: says("Hello!")})
    await pool.ask()
    first = pool.calls[0]
    assert first.estimated == is_estimated
    assert (first.tokens.input > 0) == (is_estimated or first.error_kind == "empty")


async def test_a_fault_in_our_own_code_is_recorded_and_not_taken_for_a_models() -> None:
    async def broken() -> AsyncGenerator[Completion, None]:
        yield Completion("Hel")
        raise ZeroDivisionError

    pool = Pool({A.name: broken, B.name: says("never asked")})
    with pytest.raises(ZeroDivisionError):
        await pool.ask()
    assert pool.outcomes == [(A.name, "failed", None)]


async def test_the_prompt_is_cut_to_each_links_window() -> None:
    long_talk = [ChatMessage("user" if turn % 2 == 0 else "assistant", "word " * 500) for turn in range(101)]
    pool = Pool({A.name: says("Hello!")}, messages=[PROMPT[0], *long_talk])
    await pool.ask()
    ((_, prompt, max_tokens),) = pool.model.prompts
    assert max_tokens == A.max_output_tokens
    assert prompt[0] == PROMPT[0]
    assert count_prompt(prompt) <= A.context_window - max_tokens
