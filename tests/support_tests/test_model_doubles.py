"""The model doubles over plain HTTP: what they check, how they fail, what they record."""

import asyncio
import json
from collections.abc import AsyncIterator

import httpx
import pytest

from tests.support.model_doubles import Behaviour, Fault, Json, ModelDoubles, Provider

HELLO: list[Json] = [{"role": "user", "content": "hello there"}]
PATHS: dict[Provider, str] = {
    "openai": "/v1/chat/completions",
    "anthropic": "/v1/messages",
    "ollama": "/api/chat",
    "local": "/local/v1/chat/completions",
}
LAST_WORDS = {"openai": "[DONE]", "anthropic": "message_stop", "ollama": '"done": true', "local": "[DONE]"}


@pytest.fixture
async def models() -> AsyncIterator[ModelDoubles]:
    keys: dict[Provider, set[str]] = {"openai": {"sk-good"}, "anthropic": {"sk-good"}}
    async with ModelDoubles(keys=keys, context_window=1000).running() as models:
        yield models


@pytest.fixture
async def http(models: ModelDoubles) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": "Bearer sk-good", "x-api-key": "sk-good", "anthropic-version": "2023-06-01"}
    async with httpx.AsyncClient(base_url=models.url, headers=headers, timeout=10) as http:
        yield http


def ask(provider: Provider, *, stream: bool = True, **more: object) -> Json:
    limits = {"max_tokens": 100} if provider != "ollama" else {}
    return {"model": "llama3.2", "messages": HELLO, "stream": stream, **limits, **more}


@pytest.mark.parametrize("provider", PATHS)
async def test_a_stream_says_the_answer_and_ends(
    models: ModelDoubles, http: httpx.AsyncClient, provider: Provider
) -> None:
    answer = await http.post(PATHS[provider], json=ask(provider))
    assert answer.status_code == 200
    assert all(word in answer.text for word in ("You", " said:", " hello", LAST_WORDS[provider]))
    call = await models.wait_for_call(1)
    await call.over.wait()
    assert (call.provider, call.key, call.messages, call.outcome) == (provider, "sk-good", HELLO, "answered")


@pytest.mark.parametrize("provider", PATHS)
async def test_a_cut_stream_ends_cleanly_without_its_last_words(
    models: ModelDoubles, http: httpx.AsyncClient, provider: Provider
) -> None:
    models.next(provider, Behaviour(lambda _: "one", fault=Fault.CUT))
    cut = await http.post(PATHS[provider], json=ask(provider))
    assert "one" in cut.text
    assert LAST_WORDS[provider] not in cut.text
    whole = await http.post(PATHS[provider], json=ask(provider))
    assert LAST_WORDS[provider] in whole.text


@pytest.mark.parametrize("fault", [Fault.DROPPED, Fault.DROPPED_AT_ONCE])
@pytest.mark.parametrize("stream", [True, False])
async def test_a_dropped_connection_is_an_error_to_the_client(
    models: ModelDoubles, http: httpx.AsyncClient, fault: Fault, stream: bool
) -> None:
    models.next("openai", Behaviour(fault=fault))
    with pytest.raises(httpx.TransportError):
        await http.post(PATHS["openai"], json=ask("openai", stream=stream))
    assert models.calls[0].outcome == "broken"


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (Fault.RATE_LIMITED, 429),
        (Fault.SERVER_ERROR, 500),
        (Fault.UNAVAILABLE, 503),
        (Fault.OVERLOADED, 529),
        (Fault.UNAUTHORIZED, 401),
        (Fault.CONTEXT_EXCEEDED, 400),
    ],
)
@pytest.mark.parametrize("provider", PATHS)
async def test_errors_have_the_status_and_the_providers_own_body(
    models: ModelDoubles, http: httpx.AsyncClient, provider: Provider, fault: Fault, status: int
) -> None:
    models.next(provider, Behaviour(fault=fault, retry_after=7))
    answer = await http.post(PATHS[provider], json=ask(provider))
    assert answer.status_code == status
    assert answer.headers.get("retry-after") == ("7" if status in {429, 503, 529} else None)
    error = answer.json()["error"]
    assert (error if provider == "ollama" else error["message"]) != ""


async def test_requests_that_a_provider_would_refuse_are_refused(http: httpx.AsyncClient) -> None:
    async def status(provider: Provider, body: Json, **headers: str) -> int:
        return (await http.post(PATHS[provider], json=body, headers=headers)).status_code

    assert await status("openai", ask("openai"), authorization="Bearer sk-bad", **{"x-api-key": ""}) == 401
    assert await status("anthropic", ask("anthropic"), **{"x-api-key": "sk-bad"}) == 401
    assert await status("anthropic", {"model": "claude", "messages": HELLO}) == 400
    assert await status("anthropic", ask("anthropic", messages=[{"role": "system", "content": "x"}])) == 400
    del http.headers["anthropic-version"]
    assert await status("anthropic", ask("anthropic")) == 400
    assert await status("openai", {"messages": HELLO}) == 400
    assert await status("openai", ask("openai", messages=[])) == 400
    assert await status("openai", ask("openai", messages=[{"role": "user", "content": "word " * 999}])) == 400
    assert await status("ollama", ask("ollama", model="never-pulled")) == 404


async def test_a_hanging_call_goes_on_when_it_is_released(models: ModelDoubles, http: httpx.AsyncClient) -> None:
    for fault in (Fault.HANG_BEFORE_HEADERS, Fault.HANG_BEFORE_FIRST_TOKEN, Fault.HANG_MID_STREAM):
        hanging = models.always("ollama", Behaviour(fault=fault))
        asking = asyncio.create_task(http.post(PATHS["ollama"], json=ask("ollama")))
        call = await models.wait_for_call(len(models.calls) + 1)
        assert call.outcome == "running"
        hanging.released.set()
        assert json.loads((await asking).text.splitlines()[-1])["done"]


@pytest.mark.parametrize("fault", [Fault.HANG_BEFORE_HEADERS, Fault.HANG_MID_STREAM])
async def test_a_client_that_goes_away_is_noticed(models: ModelDoubles, http: httpx.AsyncClient, fault: Fault) -> None:
    models.next("anthropic", Behaviour(fault=fault))
    asking = asyncio.create_task(http.post(PATHS["anthropic"], json=ask("anthropic")))
    call = await models.wait_for_call(1)
    asking.cancel()
    async with asyncio.timeout(5):
        await call.over.wait()
    assert call.outcome == "disconnected"


async def test_usage_is_told_as_each_provider_tells_it(models: ModelDoubles, http: httpx.AsyncClient) -> None:
    for provider in PATHS:
        models.always(provider, Behaviour(lambda _: "one two three", cached_tokens=1))
    openai = (await http.post(PATHS["openai"], json=ask("openai", stream=False))).json()
    assert openai["usage"]["prompt_tokens"] == 2
    assert openai["usage"]["completion_tokens"] == 3
    assert openai["usage"]["prompt_tokens_details"]["cached_tokens"] == 1
    anthropic = (await http.post(PATHS["anthropic"], json=ask("anthropic", stream=False))).json()
    assert anthropic["usage"]["input_tokens"] == anthropic["usage"]["cache_read_input_tokens"] == 1
    ollama = (await http.post(PATHS["ollama"], json=ask("ollama", stream=False))).json()
    assert (ollama["prompt_eval_count"], ollama["eval_count"]) == (2, 3)
    streamed = (await http.post(PATHS["openai"], json=ask("openai"))).text
    assert "prompt_tokens" not in streamed
    with_usage = ask("openai", stream_options={"include_usage": True})
    assert "prompt_tokens" in (await http.post(PATHS["openai"], json=with_usage)).text


async def test_an_answer_stops_at_max_tokens_and_says_so(http: httpx.AsyncClient) -> None:
    openai = (await http.post(PATHS["openai"], json=ask("openai", stream=False, max_tokens=2))).json()
    assert openai["choices"][0]["finish_reason"] == "length"
    assert openai["choices"][0]["message"]["content"] == "You said:"
    anthropic = (await http.post(PATHS["anthropic"], json=ask("anthropic", stream=False, max_tokens=2))).json()
    assert anthropic["stop_reason"] == "max_tokens"
    options = {"num_predict": 2}
    ollama = (await http.post(PATHS["ollama"], json=ask("ollama", stream=False, options=options))).json()
    assert ollama["done_reason"] == "length"


async def test_ollama_lists_its_models(http: httpx.AsyncClient) -> None:
    assert (await http.get("/api/version")).json()["version"]
    assert "llama3.2" in [model["name"] for model in (await http.get("/api/tags")).json()["models"]]
    assert (await http.post("/api/show", json={"model": "llama3.2"})).status_code == 200
    assert (await http.post("/api/show", json={"model": "never-pulled"})).status_code == 404


EMBEDDING_PATHS: dict[Provider, str] = {"openai": "/v1/embeddings", "ollama": "/api/embed"}


def embed(texts: object, **more: object) -> Json:
    return {"model": "nomic-embed-text", "input": texts, **more}


def vectors_in(answer: httpx.Response) -> list[list[float]]:
    body = answer.json()
    return body["embeddings"] if "embeddings" in body else [item["embedding"] for item in body["data"]]


@pytest.mark.parametrize("provider", EMBEDDING_PATHS)
async def test_texts_that_share_words_have_near_vectors(
    models: ModelDoubles, http: httpx.AsyncClient, provider: Provider
) -> None:
    texts = ["The shop opens at ten", "When does the shop open?", "Penguins dive well"]
    said, asked, other = vectors_in(await http.post(EMBEDDING_PATHS[provider], json=embed(texts)))
    assert sum(a * b for a, b in zip(said, asked, strict=True)) > sum(a * b for a, b in zip(said, other, strict=True))
    [call] = models.embedding_calls
    assert (call.provider, call.key, call.body["input"], call.outcome) == (provider, "sk-good", texts, "answered")
    assert models.calls == []


async def test_embeddings_that_a_provider_would_refuse_are_refused(http: httpx.AsyncClient) -> None:
    async def status(provider: Provider, body: Json, **headers: str) -> int:
        return (await http.post(EMBEDDING_PATHS[provider], json=body, headers=headers)).status_code

    assert await status("openai", embed(["a"]), authorization="Bearer sk-bad", **{"x-api-key": ""}) == 401
    for refused in ([], [""], ["a", 1], None, ["a"] * 2_049, ["word " * 8_193]):
        assert await status("openai", embed(refused)) == 400
    assert await status("openai", {"input": ["a"]}) == 400
    assert await status("ollama", embed(["a"], model="never-pulled")) == 404
    assert await status("ollama", embed([1])) == 400
    assert await status("ollama", embed("one text alone, which may be long " * 9_999)) == 200


async def test_embeddings_fail_as_they_are_told_and_chats_do_not(models: ModelDoubles, http: httpx.AsyncClient) -> None:
    models.embeddings.next(
        "ollama", Behaviour(fault=Fault.SERVER_ERROR), Behaviour(vectors=lambda vectors: vectors[1:])
    )
    assert (await http.post(PATHS["ollama"], json=ask("ollama"))).status_code == 200
    assert (await http.post(EMBEDDING_PATHS["ollama"], json=embed(["a", "b"]))).status_code == 500
    assert len(vectors_in(await http.post(EMBEDDING_PATHS["ollama"], json=embed(["a", "b"])))) == 1
    assert len(vectors_in(await http.post(EMBEDDING_PATHS["ollama"], json=embed(["a", "b"])))) == 2
    assert [call.outcome for call in models.embedding_calls] == ["refused", "answered", "answered"]
