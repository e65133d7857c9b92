"""Asking models that call tools: what is an answer, what is passed over, what is counted."""

from collections.abc import AsyncGenerator
from dataclasses import replace

import pytest

from konstruct import models
from konstruct.models import Answer
from konstruct.models.calls import LONGEST_ARGUMENTS, MOST_CALLS
from konstruct.models.context import count_prompt, count_tokens
from konstruct.ports import ChatMessage, Completion, ModelCallError, Tokens, ToolCall, ToolSpec
from tests.konstruct.model_pool import PROMPT, USED, A, B, Pool, Script, fails, says

SEARCH = ToolSpec("search", "Looks things up.", {"type": "object", "properties": {"query": {"type": "string"}}})
CALL = ToolCall("call_1", "search", '{"query": "hours"}')


def calls_tools(*calls: ToolCall, text: str = "", finish: str = "tool_calls", tokens: Tokens | None = USED) -> Script:
    async def script() -> AsyncGenerator[Completion, None]:
        yield Completion(text)
        yield Completion("", finish, tokens, calls)

    return script


@pytest.mark.parametrize("text", ["", "Let me look."])
async def test_calls_are_an_answer_with_and_without_text(text: str) -> None:
    pool = Pool({A.name: calls_tools(CALL, CALL, text=text)}, tools=[SEARCH])
    assert await pool.ask() == Answer(text, A.name, "tool_calls", (CALL, CALL))
    assert pool.outcomes == [(A.name, "ok", None)]
    assert pool.calls[0].first_token_ms is not None
    assert pool.model.shown == [([SEARCH], True)]


@pytest.mark.parametrize(
    "call",
    [ToolCall("1", "no such tool", "{}"), ToolCall("1", "search", '{"query": '), ToolCall("1", "search", "[]")],
)
async def test_calls_that_cannot_be_done_are_no_fault_of_the_call_to_the_model(call: ToolCall) -> None:
    assert (await Pool({A.name: calls_tools(call)}, tools=[SEARCH]).ask()).tool_calls == (call,)


HALF = ToolCall("call_1", "search", '{"query": "hou')


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        (calls_tools(CALL, HALF, finish="length"), "cut"),
        (calls_tools(ToolCall("call_1", "search", ""), finish="length"), "cut"),
        (calls_tools(*[CALL] * (MOST_CALLS + 1)), "nonsense"),
        (calls_tools(ToolCall("1", "search", "x" * LONGEST_ARGUMENTS), ToolCall("2", "search", "x")), "nonsense"),
        (calls_tools(CALL, text="ok ok " * 200, finish="length"), "nonsense"),
        (calls_tools(), "empty"),
    ],
)
async def test_a_link_whose_calls_are_no_answer_is_passed_over(script: Script, kind: str) -> None:
    pool = Pool({A.name: script, B.name: says("Hello!")}, tools=[SEARCH])
    assert await pool.ask() == Answer("Hello!", B.name, "stop")
    assert pool.outcomes == [(A.name, "failed", kind), (B.name, "ok", None)]


async def test_calls_that_were_whole_before_the_limit_count() -> None:
    pool = Pool({A.name: calls_tools(CALL, finish="length")}, tools=[SEARCH])
    assert (await pool.ask()).tool_calls == (CALL,)


@pytest.mark.parametrize(("tools", "may_call"), [([SEARCH], False), ([], True)])
async def test_calls_where_none_may_be_made_are_no_answer(tools: list[ToolSpec], may_call: bool) -> None:
    silent, talking = calls_tools(CALL), calls_tools(CALL, text="Hello!")
    pool = Pool({A.name: silent, B.name: talking}, tools=tools, may_call=may_call)
    assert await pool.ask() == Answer("Hello!", B.name, "tool_calls")
    assert pool.outcomes == [(A.name, "failed", "empty"), (B.name, "ok", None)]
    assert pool.model.shown == [(tools, False)] * 2


async def test_when_every_link_only_calls_although_none_may_be_called_the_answer_is_empty() -> None:
    scripts = {A.name: calls_tools(CALL), B.name: calls_tools(CALL, CALL)}
    pool = Pool(scripts, (A, B), tools=[SEARCH], may_call=False)
    assert await pool.ask() == Answer("", A.name, "tool_calls")
    assert pool.cooldowns.cooled == {}


async def test_a_link_that_calls_no_tools_is_shown_none() -> None:
    mute = replace(A, calls_tools=False)
    pool = Pool({A.name: fails(ModelCallError("server", "")), B.name: calls_tools(CALL)}, (mute, B), tools=[SEARCH])
    assert (await pool.ask()).tool_calls == (CALL,)
    assert pool.model.shown == [((), False), ([SEARCH], True)]


async def test_tools_calls_and_results_are_counted_where_the_provider_does_not_say() -> None:
    talk = [*PROMPT, ChatMessage("assistant", "", (CALL,)), ChatMessage("tool", "At ten.", tool_call_id=CALL.id)]
    pool = Pool({A.name: calls_tools(CALL, tokens=None)}, messages=talk, tools=[SEARCH])
    await pool.ask()
    (call,) = pool.calls
    assert call.estimated
    assert call.tokens.input == count_prompt(talk, [SEARCH]) > count_prompt(talk) > count_prompt(talk[:2])
    assert call.tokens.output > count_tokens(CALL.arguments)


async def test_a_prompt_with_tools_is_cut_to_the_window_all_the_same() -> None:
    long_talk = [ChatMessage("user" if turn % 2 == 0 else "assistant", "word " * 500) for turn in range(101)]
    tools = [ToolSpec(f"tool_{number}", "word " * 200, SEARCH.parameters) for number in range(5)]
    pool = Pool({A.name: says("Hello!")}, messages=[PROMPT[0], *long_talk], tools=tools)
    await pool.ask()
    ((_, prompt, max_tokens),) = pool.model.prompts
    assert len(prompt) > 3
    assert count_prompt(prompt, tools) <= A.context_window - max_tokens


@pytest.mark.parametrize("text", ["", "hours", "[]", '"{}"', '{"a": ', '{"a": NaN}', "[" * 100_000, '{"a":' * 100_000])
def test_arguments_that_are_no_object_are_none(text: str) -> None:
    assert models.read_arguments(text) is None


def test_arguments_are_read_as_the_object_that_they_are() -> None:
    assert models.read_arguments(' {"query": "hours", "most": 3} ') == {"query": "hours", "most": 3}


async def test_an_ollama_model_that_takes_no_tools_is_asked_again_without_them() -> None:
    refusal = ModelCallError("bad_request", "does not support tools")
    own = replace(A, name="ollama/gemma", provider="ollama")

    async def refuses_tools() -> AsyncGenerator[Completion, None]:
        tools, _ = pool.model.shown[-1]
        async for piece in (fails(refusal) if tools else says("Hello!"))():
            yield piece

    pool = Pool({own.name: refuses_tools, B.name: says("Never asked.")}, links=(own, B), tools=[SEARCH])

    assert await pool.ask() == Answer("Hello!", own.name, "stop")
    assert pool.model.shown == [([SEARCH], True), ((), False)]
    assert pool.outcomes == [(own.name, "failed", "bad_request"), (own.name, "ok", None)]


async def test_others_that_refuse_a_request_are_not_asked_again() -> None:
    pool = Pool({A.name: fails(ModelCallError("bad_request", "no")), B.name: says("Hello!")}, tools=[SEARCH])
    assert (await pool.ask()).link_name == B.name
    assert [name for name, _, _ in pool.model.prompts] == [A.name, B.name]
