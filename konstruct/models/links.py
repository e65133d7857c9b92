"""From the names that people write to links that can be called. Knows settings; calls nothing."""

from collections.abc import Sequence
from typing import Final, Literal, cast, get_args

from pydantic import SecretStr

from konstruct.errors import BadInput
from konstruct.models import prices
from konstruct.ports import ModelLink
from konstruct.settings import Settings

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


def chain(names: Sequence[str], settings: Settings) -> list[ModelLink]:
    """The links for ``provider/model`` names, in order; what the deployment has not configured is left out.

    Raises BadInput for a name that cannot be understood, configured or not.
    """
    links = [_link(name, settings) for name in names or settings.default_models or DEFAULT_MODELS]
    return [link for link in links if link is not None]


def _link(name: str, settings: Settings) -> ModelLink | None:
    provider, _, model = name.strip().partition("/")
    if not model.strip() or model != model.strip():
        raise BadInput(f"“{name}” is not a model: write provider/model, for example {DEFAULT_MODELS[0]}.")
    if provider not in PROVIDERS:
        raise BadInput(f"“{name}”: there is no provider “{provider}”; there are {', '.join(PROVIDERS)}.")
    base_url, api_key = _access(cast(Provider, provider), settings)
    if not base_url or not api_key or not api_key.get_secret_value():
        return None
    facts = prices.look_up(provider, model)
    return ModelLink(
        name=name.strip(),
        provider=cast(Provider, provider),
        model=model,
        base_url=base_url,
        api_key=api_key,
        context_window=facts.window,
        max_output_tokens=min(facts.max_output, LONGEST_ANSWER),
        input_price=facts.input,
        output_price=facts.output,
        cached_price=facts.cached,
    )


def _access(provider: Provider, settings: Settings) -> tuple[str | None, SecretStr | None]:
    match provider:
        case "anthropic":
            return settings.anthropic_base_url, settings.anthropic_api_key
        case "openai":
            return settings.openai_base_url, settings.openai_api_key
        case "ollama":
            return settings.ollama_base_url, NO_KEY
        case "local":
            return settings.local_model_base_url, NO_KEY
