"""Links to the models that are asked by default, at the providers' doubles."""

from dataclasses import replace

from pydantic import SecretStr

from konstruct import models
from konstruct.ports import ModelLink
from konstruct.settings import Settings
from tests.support.model_doubles import ModelDoubles, Provider

PROVIDERS: tuple[Provider, ...] = ("anthropic", "openai", "ollama", "local")
VENDORS: tuple[Provider, ...] = PROVIDERS[:3]


def links(doubles: ModelDoubles, *order: Provider) -> list[ModelLink]:
    settings = Settings(
        anthropic_api_key=SecretStr("key-of-anthropic"),
        anthropic_base_url=doubles.base_url("anthropic"),
        openai_api_key=SecretStr("key-of-openai"),
        openai_base_url=doubles.base_url("openai"),
        ollama_base_url=doubles.base_url("ollama"),
        local_model_base_url=doubles.base_url("local"),
    )
    by_provider = {link.provider: link for link in models.chain([], settings)}
    return [replace(by_provider[provider], api_key=SecretStr(f"key-of-{provider}")) for provider in order or PROVIDERS]


def only_link(doubles: ModelDoubles, provider: Provider) -> ModelLink:
    (link,) = links(doubles, provider)
    return link
