"""What models hold and cost. Facts with a source and a version, and the arithmetic over them.

Nothing that is paid for is ever taken for free because nobody knows its price: it costs what the deployment's setting
says, or as much as the dearest of its provider, and is marked as assumed.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import ROUND_UP, Decimal
from types import MappingProxyType
from typing import Final

from konstruct.ports import ModelLink, Tokens

MILLION: Final = Decimal(1_000_000)
SMALLEST: Final = Decimal("0.0000000001")
"""US dollars, as the ledger keeps them."""
PAID: Final = ("anthropic", "openai")
"""Providers that bill for each call."""
REFUSE: Final = "refuse"
BY_SETTING: Final = "KONSTRUCT_MODEL_PRICES"
"""What stands for a version where the deployment's setting says the price."""

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


VERSION: Final = "2026-11-22"
"""Of what follows."""

# List prices as of that day, from the price map that litellm 1.103.6 carries; the vendors' own pages
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


@dataclass(frozen=True)
class PriceMap:
    """What models of paid providers cost, as it was known at one time."""

    version: str
    models: Mapping[str, Mapping[str, Model]]
    """By provider and model."""
    speech: Mapping[str, Decimal] = field(default_factory=dict)
    """US dollars for a minute, by models of OpenAI."""

    def listed(self, provider: str, model: str) -> Model | None:
        """A version pinned by date (``gpt-5.4-2026-03-05``) has its model's facts, if it has none of its own."""
        known = self.models.get(provider, {}) if provider in PAID else MODELS.get(provider, {})
        return known.get(model) or known.get(_PINNED_DATE.sub("", model))


# Of speech, a minute, from the same source.
PACKAGED: Final = PriceMap(
    VERSION,
    MODELS,
    {
        "whisper-1": Decimal("0.006"),
        "gpt-4o-transcribe": Decimal("0.006"),
        "gpt-4o-mini-transcribe": Decimal("0.003"),
    },
)


@dataclass(frozen=True)
class Facts:
    """Of one model, and where its price is from."""

    model: Model
    version: str
    is_assumed: bool = False


def look_up(
    provider: str,
    model: str,
    known: PriceMap = PACKAGED,
    by_setting: Mapping[str, str] = MappingProxyType({}),
) -> Facts | None:
    """``by_setting``: ``KONSTRUCT_MODEL_PRICES``, for what the map does not have. None: the setting refuses it."""
    if (listed := known.listed(provider, model)) is not None:
        return Facts(listed, known.version)
    unlisted = UNLISTED[provider]
    plain = replace(unlisted, sees=unlisted.sees or _SEEING.match(model) is not None)
    said = by_setting.get(f"{provider}/{model}") or (by_setting.get("*") if provider in PAID else None)
    if said == REFUSE:
        return None
    if said is not None and not said.endswith("/minute"):
        read, written, *cached = (Decimal(price) for price in said.split("/"))
        priced = replace(plain, input=read, output=written, cached=cached[0] if cached else read)
        return Facts(priced, BY_SETTING, is_assumed=True)
    if provider not in PAID:
        return Facts(plain, known.version)
    return Facts(_as_dear_as_any(plain, (known.models.get(provider) or MODELS[provider]).values()), known.version, True)


def _as_dear_as_any(plain: Model, known: Iterable[Model]) -> Model:
    read, written, cached = zip(*((each.input, each.output, each.cached) for each in known), strict=True)
    return replace(plain, input=max(read), output=max(written), cached=max(cached))


def cost(link: ModelLink, tokens: Tokens) -> Decimal | None:
    """US dollars, exact. None when nobody knows: a link to a paid provider's model that was made without a price."""
    if link.provider in PAID and not link.output_price and link.price_version is None:
        return None
    uncached = tokens.input - tokens.cached
    return (
        uncached * link.input_price + tokens.cached * link.cached_price + tokens.output * link.output_price
    ) / MILLION


@dataclass(frozen=True)
class SpeechPrice:
    """US dollars for a minute, and where that is from."""

    minute: Decimal
    version: str
    is_assumed: bool = False

    def of(self, seconds: Decimal) -> Decimal:
        """Rounded up to what the ledger can keep."""
        return (seconds * self.minute / 60).quantize(SMALLEST, ROUND_UP)


def speech_price(
    model: str, known: PriceMap = PACKAGED, by_setting: Mapping[str, str] = MappingProxyType({})
) -> SpeechPrice:
    """Of a model of OpenAI, or of a compatible server: by the map, by the setting, or as dear as the dearest."""
    if model in known.speech:
        return SpeechPrice(known.speech[model], known.version)
    said = by_setting.get(f"openai/{model}", "")
    if said.endswith("/minute"):
        return SpeechPrice(Decimal(said.removesuffix("/minute")), BY_SETTING, is_assumed=True)
    return SpeechPrice(max((known.speech or PACKAGED.speech).values()), known.version, is_assumed=True)
