"""The model doubles as litellm sees them: a streamed answer and its usage in each wire format."""

import os
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.support.model_doubles import Behaviour, Fault, ModelDoubles, Provider

# Of an Ollama model that is not in its price list litellm asks /api/show, with a blocking call in the event
# loop, which is where the double lives too; llama3.1 is in the list.
MODELS = {"openai": "openai/gpt-4o-mini", "anthropic": "anthropic/claude-sonnet-4-5", "ollama": "ollama_chat/llama3.1"}


@pytest.fixture(scope="module")
def litellm() -> Any:
    # Both must be there before the import, which otherwise asks the internet for price lists.
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    os.environ["LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS"] = "True"
    import litellm  # noqa: PLC0415 - slow to load, and this test is about this very client.

    return litellm


@pytest.fixture
async def models() -> AsyncIterator[ModelDoubles]:
    keys: dict[Provider, set[str]] = {"openai": {"sk-1"}, "anthropic": {"sk-1"}}
    async with ModelDoubles(keys=keys, ollama_models=["llama3.1"]).running() as models:
        yield models


async def stream(litellm: Any, models: ModelDoubles, provider: Any) -> Any:
    return await litellm.acompletion(
        model=MODELS[provider],
        messages=[{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hello"}],
        api_base=models.base_url(provider),
        api_key="sk-1",
        stream=True,
        stream_options={"include_usage": True},
        max_tokens=50,
        num_retries=0,
        max_retries=0,
    )


@pytest.mark.parametrize("provider", MODELS)
async def test_litellm_reads_a_streamed_answer_and_its_usage(litellm: Any, models: ModelDoubles, provider: Any) -> None:
    models.always(provider, Behaviour(lambda _: "one two three", cached_tokens=1))
    answer = await stream(litellm, models, provider)
    chunks = [chunk async for chunk in answer]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "one two three"
    assert answer.received_finish_reason == "stop"
    usage = next(chunk.usage for chunk in chunks if getattr(chunk, "usage", None))
    assert (usage.prompt_tokens, usage.completion_tokens) == (3, 3)
    if provider != "ollama":
        assert usage.prompt_tokens_details.cached_tokens == 1
    assert models.calls[0].key == "sk-1"


@pytest.mark.parametrize("provider", MODELS)
async def test_litellm_sees_no_finish_reason_in_a_cut_stream(litellm: Any, models: ModelDoubles, provider: Any) -> None:
    models.always(provider, Behaviour(fault=Fault.CUT))
    answer = await stream(litellm, models, provider)
    async for _ in answer:
        pass
    assert answer.received_finish_reason is None


@pytest.mark.parametrize("provider", MODELS)
async def test_litellm_maps_the_errors(litellm: Any, models: ModelDoubles, provider: Any) -> None:
    models.always(provider, Behaviour(fault=Fault.RATE_LIMITED))
    with pytest.raises(litellm.RateLimitError):
        await stream(litellm, models, provider)
    models.always(provider, Behaviour(fault=Fault.UNAUTHORIZED))
    with pytest.raises(litellm.AuthenticationError):
        await stream(litellm, models, provider)
