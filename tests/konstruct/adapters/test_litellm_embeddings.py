"""Embeddings through litellm from providers' doubles over real HTTP: what arrives, what comes back, what goes wrong."""

import asyncio
import math
import re
from collections.abc import AsyncIterator, Callable
from typing import Literal

import pytest
from pydantic import SecretStr

from konstruct import models
from konstruct.adapters.litellm import LONGEST_TEXT_BYTES, TEXTS_AT_ONCE, LiteLLMEmbedder
from konstruct.errors import EmbeddingUnavailable
from konstruct.models import EmbeddingLink
from konstruct.settings import Settings
from tests.support.model_doubles import Behaviour, Fault, ModelDoubles, Provider, Vectors, bag_of_words

# litellm switches these warnings of pydantic's off for itself, and pytest on again.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*`ReadOnly` qualifier:UserWarning"),
    pytest.mark.filterwarnings("ignore:Accessing the .* attribute on the instance is deprecated:DeprecationWarning"),
]

NAMES: dict[Provider, str] = {"openai": "openai/text-embedding-3-small", "ollama": "ollama/nomic-embed-text"}
PROVIDERS = tuple(NAMES)
TEXTS = ["We open at ten.", "Wir öffnen um zehn.", "Nothing of the sort."]


@pytest.fixture
async def doubles() -> AsyncIterator[ModelDoubles]:
    keys: dict[Provider, set[str]] = {"openai": {"key-of-openai"}, "anthropic": {"key-of-anthropic"}}
    async with ModelDoubles(keys=keys).running() as running:
        yield running


def link(doubles: ModelDoubles, provider: Provider, *, key: str = "key-of-openai") -> EmbeddingLink:
    settings = Settings(
        anthropic_api_key=SecretStr("key-of-anthropic"),
        anthropic_base_url=doubles.base_url("anthropic"),
        openai_api_key=SecretStr(key),
        openai_base_url=doubles.base_url("openai"),
        ollama_base_url=doubles.base_url("ollama"),
    )
    found = models.embedding_link(NAMES[provider], settings)
    assert found is not None
    return found


def embedder(doubles: ModelDoubles, provider: Provider) -> LiteLLMEmbedder:
    return LiteLLMEmbedder(link(doubles, provider))


def near(one: list[float], other: list[float]) -> bool:
    return math.dist(one, other) < 1e-6


async def test_each_text_has_its_vector_in_the_texts_order(doubles: ModelDoubles) -> None:
    vectors = await embedder(doubles, "openai").embed(TEXTS, purpose="passage")
    assert all(near(vector, bag_of_words(text)) for vector, text in zip(vectors, TEXTS, strict=True))


async def test_an_answer_in_another_order_is_put_right(doubles: ModelDoubles) -> None:
    doubles.embeddings.always("openai", Behaviour(vectors=lambda vectors: vectors[::-1]))
    vectors = await embedder(doubles, "openai").embed(TEXTS, purpose="passage")
    assert all(near(vector, bag_of_words(text)) for vector, text in zip(vectors, TEXTS, strict=True))


@pytest.mark.parametrize(("purpose", "prefix"), [("query", "search_query: "), ("passage", "search_document: ")])
async def test_a_model_that_wants_to_know_the_purpose_is_told(
    doubles: ModelDoubles, purpose: Literal["query", "passage"], prefix: str
) -> None:
    (vector,) = await embedder(doubles, "ollama").embed(["When do you open?"], purpose=purpose)
    assert near(vector, bag_of_words(f"{prefix}When do you open?"))
    (call,) = doubles.embedding_calls
    assert call.body["input"] == [f"{prefix}When do you open?"]


async def test_the_request_says_what_was_meant_and_nothing_else(doubles: ModelDoubles) -> None:
    await embedder(doubles, "openai").embed(TEXTS, purpose="query")
    (call,) = doubles.embedding_calls
    assert call.body == {"model": "text-embedding-3-small", "input": TEXTS, "encoding_format": "float"}
    assert doubles.calls == []


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_no_texts_have_no_vectors_and_nobody_is_asked(doubles: ModelDoubles, provider: Provider) -> None:
    assert await embedder(doubles, provider).embed([], purpose="passage") == []
    assert doubles.embedding_calls == []


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_many_texts_are_sent_in_several_requests(doubles: ModelDoubles, provider: Provider) -> None:
    texts = [f"number {number}" for number in range(2 * TEXTS_AT_ONCE + 1)]
    vectors = await embedder(doubles, provider).embed(texts, purpose="passage")
    assert [len(call.body["input"]) for call in doubles.embedding_calls] == [TEXTS_AT_ONCE, TEXTS_AT_ONCE, 1]
    sent = [text for call in doubles.embedding_calls for text in call.body["input"]]
    assert all(near(vector, bag_of_words(text)) for vector, text in zip(vectors, sent, strict=True))


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_no_text_is_too_long_or_too_odd(doubles: ModelDoubles, provider: Provider) -> None:
    texts = ["", "  ", "\0", "half \ud83d a pair", "👩‍👩‍👧‍👦" * 9_999, "word " * 200_000, "é" * 1_000_000]
    vectors = await embedder(doubles, provider).embed(texts, purpose="passage")
    assert [len(vector) for vector in vectors] == [256] * len(texts)
    (call,) = doubles.embedding_calls
    assert max(len(text.encode()) for text in call.body["input"]) < LONGEST_TEXT_BYTES + 20


KINDS: dict[Fault, dict[Provider, str]] = {
    Fault.RATE_LIMITED: {"openai": "rate_limited", "ollama": "rate_limited"},
    Fault.SERVER_ERROR: {"openai": "server", "ollama": "server"},
    Fault.UNAVAILABLE: {"openai": "server", "ollama": "server"},
    Fault.UNAUTHORIZED: {"openai": "auth", "ollama": "auth"},
    Fault.CONTEXT_EXCEEDED: {"openai": "context", "ollama": "bad_request"},
    Fault.EMPTY_BODY: {"openai": "nonsense", "ollama": "nonsense"},
    Fault.HTML_BODY: {"openai": "server", "ollama": "nonsense"},
    Fault.MALFORMED: {"openai": "nonsense", "ollama": "nonsense"},
    Fault.DROPPED: {"openai": "refused", "ollama": "refused"},
}


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("fault", KINDS)
async def test_every_failure_is_one_error_that_tells_no_key_and_no_address(
    doubles: ModelDoubles, provider: Provider, fault: Fault, caplog: pytest.LogCaptureFixture
) -> None:
    doubles.embeddings.always(provider, Behaviour(fault=fault))
    with pytest.raises(EmbeddingUnavailable) as caught, caplog.at_level("DEBUG"):
        await embedder(doubles, provider).embed(TEXTS, purpose="passage")
    error = caught.value
    told = rf"{NAMES[provider]} made no vectors: {KINDS[fault][provider]} \(\w+, status (\d+|None)\)\."
    assert re.fullmatch(told, str(error))
    for secret in ("key-of", *TEXTS):
        assert secret not in caplog.text
    assert error.__cause__ is None
    assert error.__context__ is None
    # A reset looks like a kept connection gone stale; litellm's HTTP client tries another once.
    assert len(doubles.embedding_calls) <= (2 if fault is Fault.DROPPED else 1), "a failed call was tried again"


NONSENSE: dict[str, Callable[[Vectors], Vectors]] = {
    "too few": lambda vectors: vectors[:-1],
    "too many": lambda vectors: [*vectors, (len(vectors), vectors[0][1])],
    "none": lambda vectors: [],
    "not a number": lambda vectors: [(index, [math.nan, *vector[1:]]) for index, vector in vectors],
    "endless": lambda vectors: [(index, [math.inf, *vector[1:]]) for index, vector in vectors],
    "nothing but zeros": lambda vectors: [(index, [0.0] * len(vector)) for index, vector in vectors],
    "uneven": lambda vectors: [(index, vector[index:]) for index, vector in vectors],
    "too short": lambda vectors: [(index, [1.0] * 7) for index, _ in vectors],
    "too long": lambda vectors: [(index, vector * 13) for index, vector in vectors],
}


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("twist", NONSENSE.values(), ids=NONSENSE)
async def test_what_cannot_be_the_texts_vectors_is_refused(
    doubles: ModelDoubles, provider: Provider, twist: Callable[[Vectors], Vectors]
) -> None:
    doubles.embeddings.always(provider, Behaviour(vectors=twist))
    with pytest.raises(EmbeddingUnavailable):
        await embedder(doubles, provider).embed(TEXTS, purpose="passage")


async def test_one_text_that_is_answered_twice_is_refused(doubles: ModelDoubles) -> None:
    doubles.embeddings.always("openai", Behaviour(vectors=lambda vectors: [(0, vector) for _, vector in vectors]))
    with pytest.raises(EmbeddingUnavailable):
        await embedder(doubles, "openai").embed(TEXTS, purpose="passage")


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_requests_of_one_call_that_differ_in_length_are_refused(
    doubles: ModelDoubles, provider: Provider
) -> None:
    doubles.embeddings.next(provider, Behaviour(), Behaviour(vectors=lambda vectors: [(0, vectors[0][1][:100])]))
    with pytest.raises(EmbeddingUnavailable, match="one length"):
        await embedder(doubles, provider).embed(["same"] * (TEXTS_AT_ONCE + 1), purpose="passage")


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_provider_that_hangs_is_given_up(doubles: ModelDoubles, provider: Provider) -> None:
    doubles.embeddings.always(provider, Behaviour(fault=Fault.HANG_BEFORE_HEADERS))
    impatient = LiteLLMEmbedder(link(doubles, provider), time_limit=0.5)
    with pytest.raises(EmbeddingUnavailable, match="timeout"):
        await impatient.embed(TEXTS, purpose="query")
    (call,) = doubles.embedding_calls
    await asyncio.wait_for(call.over.wait(), 20)
    assert call.outcome == "disconnected"


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_cancelled_call_is_ended_at_the_provider(doubles: ModelDoubles, provider: Provider) -> None:
    doubles.embeddings.always(provider, Behaviour(fault=Fault.HANG_BEFORE_HEADERS))
    asking = asyncio.create_task(embedder(doubles, provider).embed(TEXTS, purpose="query"))
    call = await doubles.embeddings.wait_for_call()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await asyncio.wait_for(call.over.wait(), 20)
    assert call.outcome == "disconnected"


async def test_a_model_that_ollama_does_not_have_is_said_to_be_a_bad_request(doubles: ModelDoubles) -> None:
    doubles.ollama_models = ()
    with pytest.raises(EmbeddingUnavailable, match="bad_request"):
        await embedder(doubles, "ollama").embed(TEXTS, purpose="query")


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_port_where_nobody_listens_is_a_refusal(
    doubles: ModelDoubles, provider: Provider, unused_tcp_port: int
) -> None:
    here = link(doubles, provider)
    away = EmbeddingLink(here.name, here.provider, here.model, f"http://127.0.0.1:{unused_tcp_port}", here.api_key)
    with pytest.raises(EmbeddingUnavailable, match="refused"):
        await LiteLLMEmbedder(away).embed(TEXTS, purpose="query")


@pytest.mark.parametrize(("base_url", "key"), [("http://127.0.0.1:9", ""), ("", "key-of-openai")])
async def test_without_a_key_or_an_address_nothing_that_is_found_is_used(base_url: str, key: str) -> None:
    lacking = EmbeddingLink(NAMES["openai"], "openai", "text-embedding-3-small", base_url, SecretStr(key))
    with pytest.raises(EmbeddingUnavailable, match="no API key or no address"):
        await LiteLLMEmbedder(lacking).embed(TEXTS, purpose="query")


async def test_no_provider_ever_sees_anothers_key(doubles: ModelDoubles) -> None:
    for provider in PROVIDERS:
        await embedder(doubles, provider).embed(TEXTS, purpose="query")
    assert [(call.provider, call.key) for call in doubles.embedding_calls] == [
        ("openai", "key-of-openai"),
        ("ollama", None),
    ]


async def test_calls_at_once_keep_their_keys_apart(doubles: ModelDoubles) -> None:
    keys = [f"key-of-tenant-{number}" for number in range(20)]
    doubles.keys["openai"] = keys
    await asyncio.gather(
        *(LiteLLMEmbedder(link(doubles, "openai", key=key)).embed([f"I am {key}"], purpose="query") for key in keys)
    )
    assert {call.key: call.body["input"] for call in doubles.embedding_calls} == {key: [f"I am {key}"] for key in keys}
