"""Calls through litellm to providers' doubles over real HTTP: what arrives, what comes back, what goes wrong."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import format_datetime

import pytest
from pydantic import SecretStr

from konstruct import models
from konstruct.adapters.litellm import LiteLLMChatModel
from konstruct.errors import ModelsUnavailable
from konstruct.models import Answer, ModelCall
from konstruct.ports import ChatMessage, Completion, ModelCallError, ModelLink, Tokens
from tests.konstruct.adapters.chains import PROVIDERS, VENDORS, links, only_link
from tests.support.model_doubles import Behaviour, Fault, ModelDoubles, Provider

# litellm switches these warnings of pydantic's off for itself, and pytest on again.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*`ReadOnly` qualifier:UserWarning"),
    pytest.mark.filterwarnings("ignore:Accessing the .* attribute on the instance is deprecated:DeprecationWarning"),
]

HANGS = (Fault.HANG_BEFORE_HEADERS, Fault.HANG_BEFORE_FIRST_TOKEN, Fault.HANG_MID_STREAM)
FAULTS = tuple(fault for fault in Fault if fault not in HANGS)

TALK = [
    ChatMessage("system", "You are Ada."),
    ChatMessage("user", "Hi"),
    ChatMessage("assistant", "Hello!"),
    ChatMessage("user", "When do you open on Sundays?"),
]
ECHO = "You said: When do you open on Sundays?"


@pytest.fixture
async def doubles() -> AsyncIterator[ModelDoubles]:
    """Each provider takes its own key and no other."""
    keys: dict[Provider, set[str]] = {provider: {f"key-of-{provider}"} for provider in PROVIDERS}
    async with ModelDoubles(keys=keys).running() as running:
        yield running


async def call(link: ModelLink, talk: Sequence[ChatMessage] = TALK, *, max_tokens: int = 100) -> tuple[str, Completion]:
    """The text, and the last piece."""
    pieces = [piece async for piece in LiteLLMChatModel().stream(link, talk, max_tokens=max_tokens)]
    assert [piece.finish_reason for piece in pieces[:-1]] == [None] * (len(pieces) - 1)
    return "".join(piece.text for piece in pieces), pieces[-1]


class NoCooldowns:
    async def cooling(self, keys: Sequence[str]) -> set[str]:
        return set()

    async def cool(self, key: str, period: timedelta) -> None:
        pass

    async def warm(self, key: str) -> None:
        pass


async def ask(chain: Sequence[ModelLink], calls: list[ModelCall], *, patience: float = 20.0) -> Answer:
    return await models.ask(
        LiteLLMChatModel(),
        chain,
        lambda link: TALK,
        NoCooldowns(),
        calls.append,
        60.0,
        first_token_timeout=patience,
        idle_timeout=patience,
    )


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_an_answer_comes_whole_with_the_providers_own_count(doubles: ModelDoubles, provider: Provider) -> None:
    text, last = await call(only_link(doubles, provider))
    assert text == ECHO
    assert last.finish_reason == "stop"
    assert last.tokens == Tokens(input=11, output=8)


@pytest.mark.parametrize("provider", ["anthropic", "openai"])
async def test_tokens_from_the_vendors_cache_are_counted_and_priced(doubles: ModelDoubles, provider: Provider) -> None:
    doubles.always(provider, Behaviour(cached_tokens=10))
    calls: list[ModelCall] = []
    chain = links(doubles, provider)
    await ask(chain, calls)
    assert calls[0].tokens == Tokens(input=11, output=8, cached=10)
    price = chain[0].input_price + 10 * chain[0].cached_price + 8 * chain[0].output_price
    assert calls[0].cost == price / Decimal(1_000_000)
    assert not calls[0].estimated


@pytest.mark.parametrize("told", [1_000_000, -(10**6)])
async def test_whatever_a_server_counts_no_call_costs_less_than_nothing(doubles: ModelDoubles, told: int) -> None:
    doubles.always("openai", Behaviour(cached_tokens=told))
    calls: list[ModelCall] = []
    chain = links(doubles, "openai")
    await ask(chain, calls)
    cached = 11 if told > 0 else 0
    assert calls[0].tokens == Tokens(input=11, output=8, cached=cached)
    price = (11 - cached) * chain[0].input_price + cached * chain[0].cached_price + 8 * chain[0].output_price
    assert calls[0].cost == price / Decimal(1_000_000)


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_an_answer_that_reached_the_limit_says_so(doubles: ModelDoubles, provider: Provider) -> None:
    _, last = await call(only_link(doubles, provider), max_tokens=3)
    assert last.finish_reason == "length"


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_the_request_says_what_was_meant_and_nothing_else(doubles: ModelDoubles, provider: Provider) -> None:
    link = only_link(doubles, provider)
    await call(link)
    (seen,) = doubles.calls
    limits: dict[Provider, dict[str, object]] = {
        "anthropic": {"max_tokens": 100, "system": [{"type": "text", "text": "You are Ada."}]},
        "openai": {"max_completion_tokens": 100, "stream_options": {"include_usage": True}},
        "local": {"max_tokens": 100, "stream_options": {"include_usage": True}, "temperature": 0.0, "stop": ["\n"]},
        "ollama": {"options": {"num_predict": 100, "num_ctx": link.context_window}},
    }
    expected = {"model": link.model, "stream": True, **limits[provider]}
    assert {name: value for name, value in seen.body.items() if name != "messages"} == expected
    assert [message["role"] for message in seen.messages][-3:] == ["user", "assistant", "user"]


KINDS = {
    Fault.RATE_LIMITED: "rate_limited",
    Fault.SERVER_ERROR: "server",
    Fault.UNAVAILABLE: "server",
    Fault.OVERLOADED: "server",
    Fault.UNAUTHORIZED: "auth",
    Fault.DROPPED_AT_ONCE: "refused",
    Fault.EMPTY_BODY: "empty",
    Fault.HTML_BODY: "empty",
    Fault.CUT: "cut",
    Fault.DROPPED: "cut",
}


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize(("fault", "kind"), KINDS.items())
async def test_every_failure_has_its_kind(doubles: ModelDoubles, provider: Provider, fault: Fault, kind: str) -> None:
    doubles.always(provider, Behaviour(fault=fault))
    with pytest.raises(ModelCallError) as caught:
        await call(only_link(doubles, provider))
    assert caught.value.kind == kind
    # A reset before any answer looks like a kept connection gone stale; litellm's HTTP client tries another once.
    assert len(doubles.calls) <= (2 if fault is Fault.DROPPED_AT_ONCE else 1), "a failed call was tried again"


@pytest.mark.parametrize("provider", ["anthropic", "openai", "local"])
async def test_a_prompt_too_long_for_the_model_is_told_from_other_refusals(
    doubles: ModelDoubles, provider: Provider
) -> None:
    doubles.always(provider, Behaviour(fault=Fault.CONTEXT_EXCEEDED))
    with pytest.raises(ModelCallError) as caught:
        await call(only_link(doubles, provider))
    assert caught.value.kind == "context"


async def test_a_model_that_ollama_does_not_have_is_a_bad_request(doubles: ModelDoubles) -> None:
    link = only_link(doubles, "ollama")
    with pytest.raises(ModelCallError) as caught:
        await call(replace(link, model="not-pulled"))
    assert caught.value.kind == "bad_request"


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_port_where_nobody_listens_is_a_refusal(
    doubles: ModelDoubles, provider: Provider, unused_tcp_port: int
) -> None:
    link = only_link(doubles, provider)
    with pytest.raises(ModelCallError) as caught:
        await call(replace(link, base_url=f"http://127.0.0.1:{unused_tcp_port}"))
    assert caught.value.kind == "refused"


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_rate_limit_says_when_to_come_back(doubles: ModelDoubles, provider: Provider) -> None:
    doubles.always(provider, Behaviour(fault=Fault.RATE_LIMITED, retry_after=17))
    with pytest.raises(ModelCallError) as caught:
        await call(only_link(doubles, provider))
    assert caught.value.retry_after == timedelta(seconds=17)


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_an_error_page_is_judged_by_its_status(doubles: ModelDoubles, provider: Provider) -> None:
    come_back = datetime.now(UTC) + timedelta(minutes=5)
    page = (
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/html\r\nConnection: close\r\n"
        f"Retry-After: {format_datetime(come_back, usegmt=True)}\r\n\r\n<html>down for maintenance</html>"
    )

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(page.encode())
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        with pytest.raises(ModelCallError) as caught:
            await call(replace(only_link(doubles, provider), base_url=url))
    assert caught.value.kind == "server"
    assert caught.value.retry_after is not None
    assert timedelta(minutes=4) < caught.value.retry_after <= timedelta(minutes=5)


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("fault", [Fault.UNAUTHORIZED, Fault.SERVER_ERROR, Fault.DROPPED])
async def test_no_error_tells_keys_or_addresses(
    doubles: ModelDoubles, provider: Provider, fault: Fault, caplog: pytest.LogCaptureFixture
) -> None:
    doubles.always(provider, Behaviour(fault=fault))
    with pytest.raises(ModelCallError) as caught, caplog.at_level("DEBUG"):
        await call(only_link(doubles, provider))
    error = caught.value
    assert "127.0.0.1" not in str(error)
    assert f"key-of-{provider}" not in str(error) + caplog.text
    assert error.__cause__ is None
    assert error.__context__ is None


async def test_a_link_without_a_key_is_not_called_with_whatever_is_found(doubles: ModelDoubles) -> None:
    link = only_link(doubles, "openai")
    with pytest.raises(ModelCallError, match="has no API key"):
        await call(replace(link, api_key=SecretStr("")))
    assert doubles.calls == []


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("fault", HANGS)
async def test_a_cancelled_call_is_ended_at_the_provider_and_recorded(
    doubles: ModelDoubles, provider: Provider, fault: Fault
) -> None:
    doubles.always(provider, Behaviour(fault=fault))
    calls: list[ModelCall] = []
    asking = asyncio.create_task(ask(links(doubles, provider), calls))
    seen = await doubles.wait_for_call()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await asyncio.wait_for(seen.over.wait(), 20)
    assert seen.outcome == "disconnected"
    assert [(each.outcome, each.estimated) for each in calls] == [("cancelled", True)]


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_stream_that_is_left_half_way_is_ended_at_the_provider(
    doubles: ModelDoubles, provider: Provider
) -> None:
    doubles.always(provider, Behaviour(fault=Fault.HANG_MID_STREAM))
    link = only_link(doubles, provider)
    stream = LiteLLMChatModel().stream(link, TALK, max_tokens=100)
    async with aclosing(stream):
        async for piece in stream:
            if piece.text:
                break
    seen = doubles.calls[0]
    await asyncio.wait_for(seen.over.wait(), 20)
    assert seen.outcome == "disconnected"


@pytest.mark.parametrize("first", VENDORS)
@pytest.mark.parametrize("fault", FAULTS)
async def test_the_next_provider_answers_when_the_first_fails(
    doubles: ModelDoubles, first: Provider, fault: Fault
) -> None:
    doubles.always(first, Behaviour(fault=fault))
    others = [provider for provider in VENDORS if provider != first]
    calls: list[ModelCall] = []
    answer = await ask(links(doubles, first, *others), calls)
    assert answer.text == ECHO
    assert [(each.provider, each.outcome) for each in calls] == [(first, "failed"), (others[0], "ok")]


@pytest.mark.parametrize("first", VENDORS)
@pytest.mark.parametrize("fault", HANGS)
async def test_the_next_provider_answers_when_the_first_hangs(
    doubles: ModelDoubles, first: Provider, fault: Fault
) -> None:
    hanging = doubles.always(first, Behaviour(fault=fault))
    others = [provider for provider in VENDORS if provider != first]
    calls: list[ModelCall] = []
    answer = await ask(links(doubles, first, *others), calls, patience=1.5)
    assert answer.text == ECHO
    assert [(each.provider, each.error_kind) for each in calls] == [(first, "timeout"), (others[0], None)]
    assert not hanging.released.is_set()


@pytest.mark.parametrize("fault", FAULTS)
async def test_the_last_provider_answers_when_all_others_fail(doubles: ModelDoubles, fault: Fault) -> None:
    for provider in VENDORS:
        doubles.always(provider, Behaviour(fault=fault))
    calls: list[ModelCall] = []
    assert (await ask(links(doubles), calls)).text == ECHO
    assert [each.outcome for each in calls] == ["failed", "failed", "failed", "ok"]


async def test_when_all_fail_the_error_names_what_each_did(doubles: ModelDoubles) -> None:
    faults = (Fault.OVERLOADED, Fault.CUT, Fault.HTML_BODY, Fault.RATE_LIMITED)
    for provider, fault in zip(PROVIDERS, faults, strict=True):
        doubles.always(provider, Behaviour(fault=fault))
    calls: list[ModelCall] = []
    with pytest.raises(ModelsUnavailable) as caught:
        await ask(links(doubles), calls)
    assert str(caught.value) == (
        "No model answered: anthropic/claude-sonnet-4-6 (server), openai/gpt-5.4 (cut), "
        "ollama/llama3.2 (empty), local/smollm2 (rate_limited)."
    )


async def test_no_provider_ever_sees_anothers_key(doubles: ModelDoubles) -> None:
    for provider in VENDORS:
        doubles.always(provider, Behaviour(fault=Fault.SERVER_ERROR))
    await ask(links(doubles), [])
    assert [(seen.provider, seen.key) for seen in doubles.calls] == [
        (provider, f"key-of-{provider}") for provider in PROVIDERS
    ]


async def test_calls_at_once_keep_their_tenants_keys_apart(doubles: ModelDoubles) -> None:
    tenants = [f"key-of-tenant-{number}" for number in range(20)]
    doubles.keys["openai"] = tenants
    link = only_link(doubles, "openai")
    await asyncio.gather(
        *(call(replace(link, api_key=SecretStr(tenant)), [ChatMessage("user", f"I am {tenant}")]) for tenant in tenants)
    )
    said = {seen.key: seen.messages[-1]["content"] for seen in doubles.calls}
    assert said == {tenant: f"I am {tenant}" for tenant in tenants}


async def test_nothing_in_the_environment_is_sent_or_looked_up() -> None:
    names = ("API_KEY", "ORGANIZATION", "ORG_ID", "PROJECT_ID", "AUTH_TOKEN", "CUSTOM_HEADERS", "BASE_URL", "API_BASE")
    stray = {f"{vendor}_{name}": "x-stray: stray" for vendor in ("OPENAI", "ANTHROPIC", "OLLAMA") for name in names}
    arrived: list[bytes] = []

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        arrived.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        program = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.konstruct.adapters.calling_alone", url),
            env=os.environ | stray,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        output, noise = await program.communicate()

    assert noise.decode() == ""
    assert set(json.loads(output)) <= {"127.0.0.1"}
    assert len(arrived) == 5
    assert b"stray" not in b"".join(arrived).lower()
    assert b"own-openai" in b"".join(arrived)
    assert b"own-anthropic" in b"".join(arrived)


async def test_everything_else_goes_on_while_a_long_answer_comes_all_at_once(doubles: ModelDoubles) -> None:
    doubles.next("anthropic", Behaviour(answer=lambda _: " ".join(map(str, range(300)))))
    turns = 0

    async def go_on() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    going_on = asyncio.create_task(go_on())
    seen = [turns async for _ in LiteLLMChatModel().stream(only_link(doubles, "anthropic"), TALK, max_tokens=1_000)]
    going_on.cancel()

    assert len(seen) >= 300
    assert len(set(seen)) == len(seen)
