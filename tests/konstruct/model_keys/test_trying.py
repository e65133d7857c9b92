"""What somebody is told of access that was tried: a sentence for each way in which it does not work."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from pydantic import SecretStr

from konstruct.adapters.web import SafeWeb, open_client
from konstruct.embedded.loopback import free_port
from konstruct.model_keys.keeping import Candidate, Provider
from konstruct.model_keys.trying import Trouble, try_out
from konstruct.settings import Settings
from tests.support.http import serve
from tests.support.model_doubles import Behaviour, Fault, ModelDoubles

KEYS = {"anthropic": "sk-ant-good", "openai": "sk-good"}


@pytest.fixture
async def doubles() -> AsyncIterator[ModelDoubles]:
    async with ModelDoubles(keys={"anthropic": {KEYS["anthropic"]}, "openai": {KEYS["openai"]}}).running() as running:
        yield running


def settings_at(url: str) -> Settings:
    return Settings(anthropic_base_url=url, openai_base_url=f"{url}/v1")


async def tried(url: str, candidate: Candidate, *, allowed: bool = True) -> Trouble | None:
    place = url.removeprefix("http://")
    async with open_client([place] if allowed else []) as theirs, open_client([place]) as ours:
        return await try_out(candidate, settings_at(url), SafeWeb(theirs), SafeWeb(ours))


def of(provider: Provider, key: str | None = None, base_url: str | None = None) -> Candidate:
    return Candidate(provider, SecretStr(key or KEYS[provider]), base_url)


@pytest.mark.parametrize("provider", ["anthropic", "openai"])
async def test_a_good_key_works_and_costs_one_word(doubles: ModelDoubles, provider: Provider) -> None:
    assert await tried(doubles.url, of(provider)) is None
    [call] = doubles.calls
    assert (call.provider, call.key, call.outcome) == (provider, KEYS[provider], "answered")
    assert call.body.get("max_tokens", 0) + call.body.get("max_completion_tokens", 0) <= 16


@pytest.mark.parametrize("provider", ["anthropic", "openai"])
async def test_a_wrong_key_is_called_one(doubles: ModelDoubles, provider: Provider) -> None:
    wrong = {"anthropic": "sk-ant-bad-canary", "openai": "sk-bad-canary"}[provider]
    trouble = await tried(doubles.url, of(provider, wrong))
    assert trouble is not None
    assert trouble.is_refusal
    assert "does not take this key" in trouble.sentence
    assert "canary" not in trouble.sentence


@asynccontextmanager
async def answering(status: int, body: object) -> AsyncIterator[str]:
    async def answer(request: web.Request) -> web.Response:
        if request.path.endswith("/models"):
            return web.json_response({"data": []})
        return web.Response(status=status, text=json.dumps(body), content_type="application/json")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with serve(app) as url:
        yield url


OUT_OF_CREDIT = {
    "anthropic": (
        400,
        {"error": {"type": "invalid_request_error", "message": "Your credit balance is too low to access the API."}},
    ),
    "openai": (429, {"error": {"message": "You exceeded your current quota.", "code": "insufficient_quota"}}),
}


@pytest.mark.parametrize("provider", ["anthropic", "openai"])
async def test_an_account_without_credit_is_told_apart_from_a_wrong_key(provider: Provider) -> None:
    async with answering(*OUT_OF_CREDIT[provider]) as url:
        trouble = await tried(url, of(provider))
    assert trouble is not None
    assert trouble.is_refusal
    assert "no credit left" in trouble.sentence


@pytest.mark.parametrize(
    ("status", "told"),
    [(403, "may not ask models"), (529, "having trouble (status 529)"), (302, "sends us elsewhere")],
)
async def test_other_answers_have_their_own_sentences(status: int, told: str) -> None:
    async with answering(status, {}) as url:
        trouble = await tried(url, of("anthropic"))
    assert trouble is not None
    assert told in trouble.sentence


@pytest.mark.parametrize(
    ("status", "body"), [(429, {"error": {"type": "rate_limit_error"}}), (404, {"error": {"type": "not_found_error"}})]
)
async def test_whoever_is_told_of_a_limit_was_let_in(status: int, body: object) -> None:
    async with answering(status, body) as url:
        assert await tried(url, of("anthropic")) is None


async def test_a_provider_that_cannot_be_reached_says_nothing_of_the_key() -> None:
    trouble = await tried(f"http://127.0.0.1:{free_port()}", of("anthropic"))
    assert trouble is not None
    assert not trouble.is_refusal
    assert "Nothing was changed; try again" in trouble.sentence


async def test_an_own_address_is_asked_with_the_own_key_through_the_guard(doubles: ModelDoubles) -> None:
    own = of("openai", base_url=f"{doubles.url}/v1")
    assert await tried(doubles.url, own) is None
    doubles.calls.clear()
    trouble = await tried(doubles.url, own, allowed=False)
    assert trouble is not None
    assert trouble.field == "base_url"
    assert doubles.calls == []


async def test_a_compatible_server_that_lists_its_models_to_everybody_is_asked_for_a_word() -> None:
    async def models(_: web.Request) -> web.Response:
        return web.json_response({"data": [{"id": "text-embed"}, {"id": "their-model"}]})

    async def chat(request: web.Request) -> web.Response:
        assert (await request.json())["model"] == "their-model"
        return web.json_response({"error": "no"}, status=401)

    app = web.Application()
    app.add_routes([web.get("/v1/models", models), web.post("/v1/chat/completions", chat)])
    async with serve(app) as url:
        trouble = await tried(url, of("openai", base_url=f"{url}/v1"))
    assert trouble is not None
    assert trouble.sentence.startswith("The server does not take this key")


async def test_ollama_is_asked_what_it_holds(doubles: ModelDoubles) -> None:
    own = Candidate("ollama", None, doubles.url)
    assert await tried(doubles.url, own) is None
    doubles.ollama_models = ()
    trouble = await tried(doubles.url, own)
    assert trouble is not None
    assert "holds no model yet" in trouble.sentence
    trouble = await tried(doubles.url, Candidate("ollama", None, f"{doubles.url}/elsewhere"))
    assert trouble is not None
    assert "no Ollama at this address" in trouble.sentence


@pytest.mark.parametrize(
    ("candidate", "field"),
    [
        (Candidate("anthropic", SecretStr("")), "api_key"),
        (Candidate("anthropic", SecretStr("two words")), "api_key"),
        (Candidate("anthropic", SecretStr("sk-proj-of-openai")), "api_key"),
        (Candidate("openai", SecretStr("sk-ant-of-anthropic")), "api_key"),
        (Candidate("openai", SecretStr("sk-good"), "llm.example/v1"), "base_url"),
        (Candidate("openai", SecretStr("sk-good"), "https://llm.example/v1?key=1"), "base_url"),
        (Candidate("ollama", None), "base_url"),
    ],
)
async def test_what_cannot_be_right_is_sent_nowhere(doubles: ModelDoubles, candidate: Candidate, field: str) -> None:
    trouble = await tried(doubles.url, candidate)
    assert trouble is not None
    assert trouble.field == field
    assert doubles.calls == []


async def test_a_model_that_fails_is_no_good_news(doubles: ModelDoubles) -> None:
    doubles.next("anthropic", Behaviour(fault=Fault.SERVER_ERROR))
    assert await tried(doubles.url, of("anthropic")) is not None
