"""Tools at the model doubles over plain HTTP: what is refused as the vendors do, and whose turn it is."""

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.support.model_doubles import Behaviour, Json, ModelDoubles, Provider, tool_results

PATHS: dict[Provider, str] = {"openai": "/v1/chat/completions", "anthropic": "/v1/messages", "ollama": "/api/chat"}
SCHEMA: Json = {"type": "object", "properties": {"query": {"type": "string"}}}
FUNCTION: Json = {"type": "function", "function": {"name": "search", "description": "Looks.", "parameters": SCHEMA}}
CUSTOM: Json = {"name": "search", "description": "Looks.", "input_schema": SCHEMA}
QUESTION: Json = {"role": "user", "content": "opening hours?"}


@pytest.fixture
async def models() -> AsyncIterator[ModelDoubles]:
    async with ModelDoubles().running() as models:
        yield models


@pytest.fixture
async def http(models: ModelDoubles) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": "Bearer sk-1", "x-api-key": "sk-1", "anthropic-version": "2023-06-01"}
    async with httpx.AsyncClient(base_url=models.url, headers=headers, timeout=10) as http:
        yield http


def request(provider: Provider, *messages: Json, **more: object) -> Json:
    tool = CUSTOM if provider == "anthropic" else FUNCTION
    limits = {} if provider == "ollama" else {"max_tokens": 100}
    body = {"model": "llama3.2", "messages": [QUESTION, *messages], "stream": False, "tools": [tool], **limits, **more}
    return {name: value for name, value in body.items() if value is not None}


def call(call_id: str = "call_1", name: str = "search", arguments: object = "{}") -> Json:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def calls(*each: Json) -> Json:
    return {"role": "assistant", "content": None, "tool_calls": list(each)}


def result(call_id: str = "call_1", content: str = "ten") -> Json:
    return {"role": "tool", "tool_call_id": call_id, "content": content}


def uses(*ids: str, **more: object) -> Json:
    blocks = [{"type": "tool_use", "id": each, "name": "search", "input": {}, **more} for each in ids]
    return {"role": "assistant", "content": blocks}


def results(*ids: str) -> Json:
    return {"role": "user", "content": [{"type": "tool_result", "tool_use_id": each, "content": "ten"} for each in ids]}


TEXT: Json = {"type": "text", "text": "And?"}
SAID: Json = {"role": "user", "content": [TEXT]}


def function(**changes: object) -> Json:
    return {"type": "function", "function": FUNCTION["function"] | changes}


GOOD: list[tuple[Provider, Json]] = [
    ("openai", request("openai", calls(call("a"), call("b")), result("b"), result("a"), QUESTION)),
    ("openai", request("openai", calls(call()), result(), tools=None)),
    (
        "anthropic",
        request("anthropic", uses("a", "b"), {"role": "user", "content": [*results("b", "a")["content"], TEXT]}),
    ),
    ("ollama", request("ollama", calls(call(arguments={})), result(), tools=None)),
]

BAD: list[tuple[Provider, Json, str]] = [
    ("openai", request("openai", calls(call())), "did not have response messages"),
    ("openai", request("openai", calls(call()), QUESTION, result()), "did not have response messages"),
    ("openai", request("openai", calls(call("a"), call("b")), result("a")), "did not have response messages: b"),
    ("openai", request("openai", result()), "must be a response to a preceeding message"),
    ("openai", request("openai", calls(call()), result(), result()), "must be a response to a preceeding message"),
    ("openai", request("openai", calls(call("x" * 41)), result("x" * 41)), "maximum length 40"),
    ("openai", request("openai", calls(call(name="open the door")), result()), "should match pattern"),
    ("openai", request("openai", calls(call(arguments={})), result()), "expected a string"),
    ("openai", request("openai", calls()), "too short"),
    ("openai", request("openai", tools=None, tool_choice="none"), "only allowed when 'tools' are specified"),
    ("openai", request("openai", tools=[function(name="a b")]), "should match pattern"),
    ("openai", request("openai", tools=[function(name="x" * 65)]), "should match pattern"),
    ("openai", request("openai", tools=[function(description="x" * 1_025)]), "maximum length 1024"),
    ("openai", request("openai", tools=[function(parameters={"type": "object"})]), "missing properties"),
    ("openai", request("openai", tools=[function(parameters={"type": "string"})]), "must be a JSON Schema"),
    ("openai", request("openai", tools=[function(parameters=SCHEMA | {"required": "query"})]), "schema is invalid"),
    ("openai", request("openai", tools=[CUSTOM]), "Missing required parameter"),
    ("openai", request("openai", tools=[]), "array too short"),
    ("openai", request("openai", model="gpt-5.6"), "Function tools with reasoning_effort"),
    ("openai", request("openai", model="gpt-5.4", reasoning_effort="low"), "Function tools with reasoning_effort"),
    ("anthropic", request("anthropic", uses("a")), "without `tool_result` blocks"),
    ("anthropic", request("anthropic", uses("a"), SAID), "without `tool_result` blocks immediately after: a"),
    ("anthropic", request("anthropic", uses("a", "b"), results("a")), "immediately after: b"),
    ("anthropic", request("anthropic", uses("a"), results("a", "a")), "must have a single result"),
    ("anthropic", request("anthropic", uses("a"), results("a", "b")), "unexpected `tool_use_id`"),
    ("anthropic", request("anthropic", uses("a", "a"), results("a")), "must be unique"),
    ("anthropic", request("anthropic", uses("a"), results("a"), uses("a"), results("a")), "must be unique"),
    ("anthropic", request("anthropic", uses("a:0"), results("a:0")), "should match pattern"),
    ("anthropic", request("anthropic", uses("a", name="a b"), results("a")), "should match pattern"),
    ("anthropic", request("anthropic", uses("a", input="{}"), results("a")), "should be a valid dictionary"),
    ("anthropic", request("anthropic", uses("a"), results("a"), tools=None), "must define tools"),
    ("anthropic", request("anthropic", tools=None, tool_choice={"type": "none"}), "only be specified while providing"),
    ("anthropic", request("anthropic", tools=[CUSTOM, CUSTOM]), "must be unique"),
    ("anthropic", request("anthropic", tools=[CUSTOM | {"name": "a.b"}]), "should match pattern"),
    ("anthropic", request("anthropic", tools=[{"name": "search"}]), "must be a JSON Schema"),
    ("anthropic", request("anthropic", QUESTION), "must alternate"),
    ("anthropic", request("anthropic", {"role": "assistant", "content": [TEXT | {"text": " "}]}), "must be non-empty"),
    (
        "anthropic",
        request("anthropic", uses("a"), {"role": "user", "content": [TEXT, *results("a")["content"]]}),
        "must come first",
    ),
    ("ollama", request("ollama", calls(call())), "cannot unmarshal"),
    ("ollama", request("ollama", tools=[function(parameters={})]), "must be a JSON Schema"),
    ("ollama", request("ollama", {"role": "function", "content": "ten"}), "invalid role"),
]


@pytest.mark.parametrize(("provider", "body"), GOOD)
async def test_what_the_vendor_takes_is_taken(http: httpx.AsyncClient, provider: Provider, body: Json) -> None:
    answer = await http.post(PATHS[provider], json=body)
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(("provider", "body", "problem"), BAD)
async def test_what_the_vendor_refuses_is_refused(
    http: httpx.AsyncClient, provider: Provider, body: Json, problem: str
) -> None:
    answer = await http.post(PATHS[provider], json=body)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert problem in (error if provider == "ollama" else error["message"])


@pytest.mark.parametrize("provider", PATHS)
async def test_the_step_is_read_from_the_call_and_nothing_is_used_up(
    models: ModelDoubles, http: httpx.AsyncClient, provider: Provider
) -> None:
    steps = (Behaviour(calls=[("search", {})]), Behaviour(lambda messages: f"It says {tool_results(messages)[-1]}."))
    models.turns(provider, "opening hours", *steps)

    async def ask(*messages: Json) -> str:
        return (await http.post(PATHS[provider], json=request(provider, *messages))).text

    made = {
        "openai": [calls(call()), result()],
        "anthropic": [uses("a"), results("a")],
        "ollama": [calls(call(arguments={})), result()],
    }[provider]
    for _ in range(2):
        assert '"search"' in await ask()
        assert "It says ten." in await ask(*made)
    another: list[Json] = [{"role": "assistant", "content": "At ten."}, {"role": "user", "content": "Thanks!"}]
    assert "You said: Thanks!" in await ask(*made, *another)
    assert '"search"' in await ask(*made, another[0], QUESTION)
