"""Tools through litellm to providers' doubles over real HTTP, which refuse what the vendors refuse."""

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from konstruct import models
from konstruct.adapters.litellm import LiteLLMChatModel
from konstruct.models import Answer, ModelCall
from konstruct.models.calls import MOST_CALLS
from konstruct.ports import ChatMessage, Completion, ModelCallError, ModelLink, ToolCall, ToolSpec
from tests.konstruct.adapters.chains import PROVIDERS, VENDORS, links, only_link
from tests.support.doubles import NothingCools
from tests.support.model_doubles import Behaviour, Fault, Json, ModelDoubles, Provider, content_text, tool_results

# litellm switches these warnings of pydantic's off for itself, and pytest on again.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*`ReadOnly` qualifier:UserWarning"),
    pytest.mark.filterwarnings("ignore:Accessing the .* attribute on the instance is deprecated:DeprecationWarning"),
]

WITH_RAW_ARGUMENTS: tuple[Provider, ...] = PROVIDERS[:2]
"""Those that pass on what the model wrote; Ollama reads it first."""

SEARCH = ToolSpec(
    "search_knowledge",
    "Looks things up.",
    {
        "type": "object",
        "properties": {"query": {"type": "string"}, "tags": {"type": "array", "items": {"type": "string"}}},
        "required": ["query"],
        "additionalProperties": False,
    },
)
CLOCK = ToolSpec("get-time_" + "x" * 55, "Says what time it is. " * 100, {})
TOOLS = [SEARCH, CLOCK]

QUESTION = ChatMessage("user", "When do you open on Sundays?")
TALK = [ChatMessage("system", "You are Ada."), QUESTION]
QUERY = {"query": "opening hours “Sunday” 🕙", "tags": ["a", "b"]}


@pytest.fixture
async def doubles() -> AsyncIterator[ModelDoubles]:
    async with ModelDoubles().running() as running:
        yield running


async def call(
    link: ModelLink,
    talk: Sequence[ChatMessage] = TALK,
    *,
    tools: Sequence[ToolSpec] = TOOLS,
    may_call: bool = True,
    max_tokens: int = 10_000,
) -> tuple[str, Completion]:
    """The text, and the last piece."""
    stream = LiteLLMChatModel().stream(link, talk, max_tokens=max_tokens, tools=tools, may_call=may_call)
    pieces = [piece async for piece in stream]
    assert not any(piece.tool_calls or piece.finish_reason for piece in pieces[:-1])
    return "".join(piece.text for piece in pieces), pieces[-1]


async def ask(
    chain: Sequence[ModelLink], talk: Sequence[ChatMessage] = TALK, *, may_call: bool = True
) -> tuple[Answer, list[ModelCall]]:
    calls: list[ModelCall] = []
    answer = await models.ask(
        LiteLLMChatModel(),
        chain,
        lambda link: talk,
        NothingCools(),
        calls.append,
        60.0,
        tools=TOOLS,
        may_call=may_call,
    )
    return answer, calls


def step(calls: Sequence[ToolCall], *results: str, text: str = "") -> list[ChatMessage]:
    """A model's calls, as the next prompt has them, with what the tools said."""
    answered = [ChatMessage("tool", said, tool_call_id=each.id) for each, said in zip(calls, results, strict=True)]
    return [ChatMessage("assistant", text, tuple(calls)), *answered]


def read(calls: Sequence[ToolCall]) -> list[tuple[str, Any]]:
    return [(each.name, json.loads(each.arguments)) for each in calls]


@pytest.mark.parametrize("provider", VENDORS)
async def test_tools_arrive_whole_and_a_call_comes_back_whole(doubles: ModelDoubles, provider: Provider) -> None:
    doubles.always(provider, Behaviour(calls=[(SEARCH.name, QUERY)]))
    text, last = await call(only_link(doubles, provider))
    assert (text, last.finish_reason) == ("", "tool_calls")
    assert read(last.tool_calls) == [(SEARCH.name, QUERY)]
    assert last.tool_calls[0].id
    assert last.tokens is not None
    assert last.tokens.output > 0
    (seen,) = doubles.calls
    assert seen.tool_names == [SEARCH.name, CLOCK.name]
    tool = seen.body["tools"][0]
    shown = tool if provider == "anthropic" else tool["function"]
    assert shown["description"] == SEARCH.description
    assert shown["input_schema" if provider == "anthropic" else "parameters"] == SEARCH.parameters


@pytest.mark.parametrize("provider", VENDORS)
async def test_parallel_calls_keep_their_order_and_their_arguments(doubles: ModelDoubles, provider: Provider) -> None:
    wanted: list[tuple[str, Json | str]] = [
        (SEARCH.name, QUERY),
        (CLOCK.name, {}),
        (SEARCH.name, {"query": "x" * 200}),
        (SEARCH.name, QUERY),
    ]
    doubles.always(provider, Behaviour(calls=wanted))
    _, last = await call(only_link(doubles, provider))
    assert read(last.tool_calls) == wanted
    assert len({each.id for each in last.tool_calls}) == 4


@pytest.mark.parametrize("provider", VENDORS)
async def test_text_beside_calls_is_kept(doubles: ModelDoubles, provider: Provider) -> None:
    doubles.always(provider, Behaviour(lambda _: "Let me look.", calls=[(SEARCH.name, QUERY)]))
    text, last = await call(only_link(doubles, provider))
    assert text == "Let me look."
    assert read(last.tool_calls) == [(SEARCH.name, QUERY)]


@pytest.mark.parametrize("provider", VENDORS)
async def test_a_tool_that_does_not_exist_is_passed_on(doubles: ModelDoubles, provider: Provider) -> None:
    doubles.always(provider, Behaviour(calls=[("open the door!", {"which": 1})]))
    _, last = await call(only_link(doubles, provider))
    assert read(last.tool_calls) == [("open the door!", {"which": 1})]


@pytest.mark.parametrize("provider", WITH_RAW_ARGUMENTS)
@pytest.mark.parametrize("arguments", ['{"query": "hours"', "hours", "[1, 2]", '{"query": NaN}'])
async def test_arguments_that_are_no_object_are_passed_on_as_they_are(
    doubles: ModelDoubles, provider: Provider, arguments: str
) -> None:
    doubles.always(provider, Behaviour(calls=[(SEARCH.name, arguments)]))
    answer, _ = await ask(links(doubles, provider))
    assert [(each.name, each.arguments) for each in answer.tool_calls] == [(SEARCH.name, arguments)]


@pytest.mark.parametrize("provider", WITH_RAW_ARGUMENTS)
async def test_no_arguments_are_an_empty_object(doubles: ModelDoubles, provider: Provider) -> None:
    doubles.always(provider, Behaviour(calls=[(CLOCK.name, "")]))
    _, last = await call(only_link(doubles, provider))
    assert read(last.tool_calls) == [(CLOCK.name, {})]


@pytest.mark.parametrize("provider", VENDORS)
@pytest.mark.parametrize("fault", [Fault.CUT, Fault.DROPPED])
async def test_a_stream_that_breaks_in_the_midst_of_calls_is_cut(
    doubles: ModelDoubles, provider: Provider, fault: Fault
) -> None:
    doubles.always(provider, Behaviour(calls=[(SEARCH.name, QUERY)], fault=fault))
    with pytest.raises(ModelCallError) as caught:
        await call(only_link(doubles, provider))
    assert caught.value.kind == "cut"


@pytest.mark.parametrize("provider", WITH_RAW_ARGUMENTS)
async def test_a_limit_in_the_middle_of_arguments_is_no_answer(doubles: ModelDoubles, provider: Provider) -> None:
    doubles.always(provider, Behaviour(calls=[(SEARCH.name, {"query": "x" * 200})]))
    link = replace(only_link(doubles, provider), max_output_tokens=5)
    doubles.always("ollama", Behaviour(lambda _: "At ten."))
    answer, calls = await ask([link, only_link(doubles, "ollama")])
    assert answer.text == "At ten."
    assert [each.error_kind for each in calls] == ["cut", None]


@pytest.mark.parametrize("provider", VENDORS)
async def test_calls_without_end_are_not_waited_for(doubles: ModelDoubles, provider: Provider) -> None:
    # It hangs after half of them, which are more than anybody waits for.
    hanging = Behaviour(calls=[(CLOCK.name, {})] * 3 * MOST_CALLS, fault=Fault.HANG_MID_STREAM)
    doubles.always(provider, hanging)
    with pytest.raises(ModelCallError) as caught:
        await call(only_link(doubles, provider))
    assert caught.value.kind == "nonsense"


@pytest.mark.parametrize("provider", VENDORS)
async def test_a_turn_goes_from_calls_over_results_to_an_answer(doubles: ModelDoubles, provider: Provider) -> None:
    doubles.turns(
        provider,
        "Sundays",
        Behaviour(lambda _: "Let me look.", calls=[(SEARCH.name, QUERY), (CLOCK.name, {})]),
        Behaviour(calls=[(SEARCH.name, {"query": "summer"})]),
        Behaviour(lambda messages: " ".join(tool_results(messages))),
    )
    chain = links(doubles, provider)
    first, _ = await ask(chain)
    talk = [*TALK, *step(first.tool_calls, "ten", "noon", text=first.text)]
    second, _ = await ask(chain, talk)
    talk += step(second.tool_calls, "")
    third, calls = await ask(chain, talk)
    assert (third.text.split(), third.tool_calls) == (["ten", "noon"], ())
    said = [content_text(each.get("content")) for each in doubles.calls[-1].messages if each["role"] == "assistant"]
    assert "".join(said).strip() == "Let me look."
    assert [each.outcome for each in calls] == ["ok"]


@pytest.mark.parametrize("provider", VENDORS)
@pytest.mark.parametrize("with_steps", [True, False])
async def test_a_model_that_may_not_call_answers_in_text(
    doubles: ModelDoubles, provider: Provider, with_steps: bool
) -> None:
    doubles.always(provider, Behaviour(lambda _: "At ten.", calls=[(SEARCH.name, QUERY)]))
    talk = [*TALK, *step([ToolCall("call_1", SEARCH.name, "{}")], "ten")] if with_steps else TALK
    answer, _ = await ask(links(doubles, provider), talk, may_call=False)
    assert (answer.text, answer.tool_calls) == ("At ten.", ())
    (seen,) = doubles.calls
    choice = {"anthropic": {"type": "none"}, "openai": "none", "ollama": None}[provider]
    assert seen.body.get("tool_choice") == choice
    assert seen.tool_names == ([] if provider == "ollama" else [SEARCH.name, CLOCK.name])


ODD_IDS = ["toolu_01T1x1fJ34qAmk2tNTrN7Up6", "functions.search:0", "functions.search:0", "x" * 300, "", "ünï cödé"]


@pytest.mark.parametrize("provider", VENDORS)
@pytest.mark.parametrize("call_id", ODD_IDS)
async def test_calls_of_any_other_model_can_be_shown_to_each(
    doubles: ModelDoubles, provider: Provider, call_id: str
) -> None:
    calls = [
        ToolCall(call_id, SEARCH.name, json.dumps(QUERY)),
        ToolCall("other", "open the door!" * 20, '{"query": "hou'),
        ToolCall("third", "", '{"half": "\\ud83d"}'),
        ToolCall("fourth", SEARCH.name, '{"number": NaN}'),
    ]
    twice = step([calls[0]], "eleven")
    talk = [*TALK, *step(calls, "ten", "There is no such tool.", "", "-"), *twice, ChatMessage("user", "Sure?")]
    doubles.always(provider, Behaviour(lambda messages: "|".join(tool_results(messages))))
    text, _ = await call(only_link(doubles, provider), talk)
    assert text == "ten|There is no such tool.||-|eleven"


async def test_what_a_result_belongs_to_is_told_by_its_id_not_its_place(doubles: ModelDoubles) -> None:
    calls = [ToolCall("a", SEARCH.name, "{}"), ToolCall("b", CLOCK.name, "{}")]
    asked, for_a, for_b = step(calls, "of a", "of b")
    await call(only_link(doubles, "openai"), [*TALK, asked, for_b, for_a])
    (seen,) = doubles.calls
    names = {each["id"]: each["function"]["name"] for each in seen.messages[2]["tool_calls"]}
    results = {names[message["tool_call_id"]]: message["content"] for message in seen.messages[3:]}
    assert results == {SEARCH.name: "of a", CLOCK.name: "of b"}


@pytest.mark.parametrize("provider", WITH_RAW_ARGUMENTS)
async def test_calls_that_share_an_id_are_told_apart(doubles: ModelDoubles, provider: Provider) -> None:
    wanted = [(SEARCH.name, {"query": "a"}), (SEARCH.name, {"query": "b"})]
    doubles.always(provider, Behaviour(calls=wanted, call_ids=["same", "same"]))
    _, last = await call(only_link(doubles, provider))
    assert read(last.tool_calls) == wanted
    assert len({each.id for each in last.tool_calls}) == 2


async def test_calls_without_ids_get_some(doubles: ModelDoubles) -> None:
    wanted = [(SEARCH.name, {"query": "a"}), (SEARCH.name, {"query": "b"})]
    doubles.always("openai", Behaviour(calls=wanted, call_ids=["", ""]))
    _, last = await call(only_link(doubles, "openai"))
    assert read(last.tool_calls) == wanted
    assert len({each.id for each in last.tool_calls} - {""}) == 2


@pytest.mark.parametrize("model", ["gpt-5.4", "gpt-5.6-terra", "gpt-4.1", "qwen3"])
async def test_models_of_openai_that_think_first_are_told_not_to_where_there_are_tools(
    doubles: ModelDoubles, model: str
) -> None:
    link = replace(only_link(doubles, "openai"), model=model)
    await call(link, tools=[])
    await call(link)
    efforts = [seen.body.get("reasoning_effort") for seen in doubles.calls]
    assert efforts == [None, "none" if model.startswith("gpt-5") else None]


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("with_tools", [True, False])
async def test_without_tools_to_call_a_model_reads_calls_and_results_as_text(
    doubles: ModelDoubles, provider: Provider, with_tools: bool
) -> None:
    link = replace(only_link(doubles, provider), calls_tools=not with_tools)
    calls = [ToolCall("call_1", SEARCH.name, '{"query": "hours"}')]
    talk = [*TALK, *step(calls, "On Sundays at ten.", text="Let me look.")]
    _, last = await call(link, talk, tools=TOOLS if with_tools else [])
    assert last.finish_reason == "stop"
    (seen,) = doubles.calls
    assert not seen.body.keys() & {"tools", "tool_choice", "reasoning_effort"}
    said = json.dumps(seen.messages)
    assert "tool_use" not in said
    assert "tool_calls" not in said
    for part in ("Let me look.", "search_knowledge: {", "hours", "On Sundays at ten."):
        assert part in said
    assert seen.messages[-1]["role"] == "user"


async def test_the_model_that_comes_with_the_product_is_never_shown_tools(doubles: ModelDoubles) -> None:
    answer, _ = await ask(links(doubles, "local"))
    assert answer.text == f"You said: {QUESTION.content}"
    assert doubles.calls[0].tool_names == []


@pytest.mark.parametrize("first", VENDORS)
@pytest.mark.parametrize("then", PROVIDERS)
async def test_another_provider_goes_on_in_the_middle_of_a_turn(
    doubles: ModelDoubles, first: Provider, then: Provider
) -> None:
    doubles.next(first, Behaviour(calls=[(SEARCH.name, QUERY), (CLOCK.name, {})]))
    chain = links(doubles, first, then)
    asked, _ = await ask(chain)
    doubles.always(first, Behaviour(fault=Fault.OVERLOADED))
    doubles.next(then, Behaviour(lambda messages: "|".join(tool_results(messages)) or "Ten."))
    answer, calls = await ask(chain, [*TALK, *step(asked.tool_calls, "ten", "noon")])
    assert answer.text == ("Ten." if then == "local" else "ten|noon")
    assert calls[-1].provider == then
