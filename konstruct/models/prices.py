"""What models hold and cost. Facts with a source and a date, and the arithmetic over them; no settings."""

import re
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from konstruct.ports import ModelLink, Tokens

MILLION: Final = Decimal(1_000_000)

# Several vendors double their prices for long prompts (above 200,000 or 272,000 tokens). No conversation
# needs one, so windows end where the first such tier begins, and one price a model stays exact.
LONGEST_WINDOW: Final = 200_000


@dataclass(frozen=True)
class Model:
    """Prices are US dollars for a million tokens; ``cached`` is for prompt tokens read from the vendor's cache."""

    window: int
    max_output: int
    input: Decimal
    output: Decimal
    cached: Decimal
    sees: bool = True
    """Whether it looks at pictures."""


def _model(
    input_price: str, output_price: str, cached_price: str, *, window: int, max_output: int, sees: bool = True
) -> Model:
    prices = (Decimal(input_price), Decimal(output_price), Decimal(cached_price))
    return Model(min(window, LONGEST_WINDOW), max_output, *prices, sees)


# List prices as of 2026-11-22, from the price map that litellm 1.103.6 carries; the vendors' own pages
# (platform.claude.com/docs/en/about-claude/pricing, developers.openai.com/api/docs/pricing) have the last word.
MODELS: Final[dict[str, dict[str, Model]]] = {
    "anthropic": {
        "claude-opus-5": _model("5", "25", "0.50", window=1_000_000, max_output=128_000),
        "claude-opus-4-6": _model("5", "25", "0.50", window=1_000_000, max_output=128_000),
        "claude-opus-4-5": _model("5", "25", "0.50", window=200_000, max_output=64_000),
        "claude-sonnet-5": _model("2", "10", "0.20", window=1_000_000, max_output=128_000),
        "claude-sonnet-4-6": _model("3", "15", "0.30", window=1_000_000, max_output=128_000),
        "claude-sonnet-4-5": _model("3", "15", "0.30", window=1_000_000, max_output=64_000),
        "claude-haiku-4-5": _model("1", "5", "0.10", window=200_000, max_output=64_000),
    },
    "openai": {
        "gpt-5.6": _model("4", "20", "0.40", window=1_050_000, max_output=128_000),
        "gpt-5.6-terra": _model("2", "12", "0.20", window=1_050_000, max_output=128_000),
        "gpt-5.6-luna": _model("0.20", "1.20", "0.02", window=1_050_000, max_output=128_000),
        "gpt-5.5": _model("5", "30", "0.50", window=1_050_000, max_output=128_000),
        "gpt-5.4": _model("2.50", "15", "0.25", window=1_050_000, max_output=128_000),
        "gpt-5.4-mini": _model("0.75", "4.50", "0.075", window=272_000, max_output=128_000),
        "gpt-4.1": _model("2", "8", "0.50", window=1_047_576, max_output=32_768),
        "gpt-4.1-mini": _model("0.40", "1.60", "0.10", window=1_047_576, max_output=32_768),
        "gpt-4o-mini": _model("0.15", "0.60", "0.075", window=128_000, max_output=16_384),
    },
    # What runs on one's own machine costs nothing a call. A slot of the local server holds 2,048 tokens; half
    # of it is used, as this model's small vocabulary takes up to twice our estimate for digits and other scripts.
    "local": {"smollm2": _model("0", "0", "0", window=1_024, max_output=160, sees=False)},
}

# A model that is not listed gets limits that any current model of its provider keeps. Ollama's window is
# one that we ask for (num_ctx): it costs the server memory, so it stays modest.
UNLISTED: Final[dict[str, Model]] = {
    "anthropic": _model("0", "0", "0", window=100_000, max_output=4_096),
    "openai": _model("0", "0", "0", window=32_000, max_output=4_096, sees=False),
    "ollama": _model("0", "0", "0", window=8_192, max_output=1_024, sees=False),
    "local": _model("0", "0", "0", window=1_024, max_output=160, sees=False),
}

# Families of which every model looks at pictures, as Ollama's library and OpenAI's and its servers' names have them.
_SEEING: Final = re.compile(
    r"(?:.*/)?(?:gpt-4o|gpt-4\.1|gpt-5|o[34]|llava|bakllava|moondream|minicpm-v|llama3\.2-vision|llama4|gemma3"
    r"|qwen2\.?5-?vl|qwen3-vl|mistral-small3\.[12]|granite3\.2-vision|pixtral|.*-vision|.*-vl)(?:[-:.]|$)"
)

_PINNED_DATE: Final = re.compile(r"-(\d{8}|\d{4}-\d{2}-\d{2})$")


def look_up(provider: str, model: str) -> Model:
    """A version pinned by date (``gpt-5.4-2026-03-05``) has the facts of its model."""
    listed = MODELS.get(provider, {}).get(_PINNED_DATE.sub("", model))
    if listed is not None:
        return listed
    unlisted = UNLISTED[provider]
    return replace(unlisted, sees=unlisted.sees or _SEEING.match(model) is not None)


def cost(link: ModelLink, tokens: Tokens) -> Decimal | None:
    """US dollars, exact. None when nobody knows: a paid provider's model whose price we do not have."""
    if link.provider in ("anthropic", "openai") and not link.output_price:
        return None
    uncached = tokens.input - tokens.cached
    return (
        uncached * link.input_price + tokens.cached * link.cached_price + tokens.output * link.output_price
    ) / MILLION
