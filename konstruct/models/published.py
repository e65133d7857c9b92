"""Price maps as litellm publishes them, read as what a stranger wrote: only what is known to be meant is taken over.

Of providers that bill us, models that can be chatted with and models that write speech down; all else is left out. A
model without a price is left out too, which makes it one whose price is assumed, never one that is free.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import ROUND_UP, Decimal
from typing import Any, Final

from konstruct.errors import BadInput
from konstruct.models.prices import LONGEST_WINDOW, MILLION, PAID, UNLISTED, Model, PriceMap

MOST_BYTES: Final = 32_000_000
_MOST_ENTRIES: Final = 100_000
_DEAREST: Final = Decimal(10_000)
"""US dollars for a million tokens, or for an hour of speech: whoever asks for more means something else."""
_STEP: Final = Decimal("0.0001")
"""Of prices: with four places, what tokens cost fits the ledger's ten exactly. What has more is rounded up."""
_NOISE: Final = Decimal("0.000000001")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")
_TIER: Final = re.compile(r"(?:input|output)_cost_per_token_above_(\d{1,6})k_tokens")
_LONGEST: Final = 100_000_000
"""Tokens; no window is as long."""


@dataclass(frozen=True)
class Published:
    """What could be taken over, without a version yet."""

    models: dict[str, dict[str, Model]]
    speech: dict[str, Decimal]
    passed_over: list[str] = field(default_factory=list)
    """Models of ours that have no price in it."""

    def called(self, version: str) -> PriceMap:
        return PriceMap(version, self.models, self.speech)


def read(raw: bytes) -> Published:
    """Raises BadInput for what is no such map, or holds a price that cannot be one."""
    if len(raw) > MOST_BYTES:
        raise BadInput(f"It is larger than {MOST_BYTES // 1_000_000} MB, which no price map is.")
    try:
        found = json.loads(raw, parse_float=Decimal, parse_constant=_refuse)
    except (ValueError, ArithmeticError, RecursionError):
        raise BadInput("It is no JSON, or not all of it.") from None
    if not isinstance(found, dict) or len(found) > _MOST_ENTRIES:
        raise BadInput("It is no price map: that is one object of JSON, with an entry for each model.")
    taken = Published({provider: {} for provider in PAID}, {})
    for key, entry in found.items():
        provider = entry.get("litellm_provider") if isinstance(entry, dict) else None
        if isinstance(provider, str) and provider in PAID:
            _take(taken, provider, key.removeprefix(f"{provider}/"), entry)
    if empty := [provider for provider in PAID if not taken.models[provider]]:
        raise BadInput(f"It has no price of any model of {' or '.join(empty)}: it is no price map, or not all of one.")
    return taken


def _take(found: Published, provider: str, name: str, entry: Mapping[str, Any]) -> None:
    if not _NAME.fullmatch(name):
        return
    if entry.get("mode") == "chat":
        if (model := _model(provider, name, entry)) is not None:
            found.models[provider][name] = model
        else:
            found.passed_over.append(f"{provider}/{name}")
    elif entry.get("mode") == "audio_transcription" and provider == "openai":
        minute = _price(f"{name}: input_cost_per_second", entry.get("input_cost_per_second"), Decimal(60))
        if minute:
            found.speech[name] = minute


def _model(provider: str, name: str, entry: Mapping[str, Any]) -> Model | None:
    """None where one of its prices is missing, or nothing."""
    where = f"{provider}/{name}"
    read_, written, cached = (
        _price(f"{where}: {field}", entry.get(field), MILLION)
        for field in ("input_cost_per_token", "output_cost_per_token", "cache_read_input_token_cost")
    )
    if not read_ or not written:
        return None
    usual = UNLISTED[provider]
    window = _count(f"{where}: max_input_tokens", entry.get("max_input_tokens")) or usual.window
    tiers = [int(found[1]) * 1_000 for found in map(_TIER.fullmatch, entry) if found is not None]
    window = min(window, LONGEST_WINDOW, *(tier for tier in tiers if tier))
    output = _count(f"{where}: max_output_tokens", entry.get("max_output_tokens")) or usual.max_output
    # Some windows are so short that an answer as long as its model allows would leave no room for what is asked.
    output = min(output, max(window // 3, 1))
    return Model(window, output, read_, written, cached or read_, sees=entry.get("supports_vision") is True)


def _price(what: str, value: object, times: Decimal) -> Decimal | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise BadInput(f"{what} is no number.")
    # Compared before it is multiplied, so that no exponent is too large for that.
    if not 0 <= value <= _DEAREST / times:
        raise BadInput(f"{what} is no price: it is below nothing, or more than anybody asks.")
    # What computers add in the last place of a fraction is no part of the price.
    return (Decimal(value) * times).quantize(_NOISE).quantize(_STEP, ROUND_UP)


def _count(what: str, value: object) -> int | None:
    if value is None or isinstance(value, str):
        # Some say in words that they do not know.
        return None
    if isinstance(value, bool) or not isinstance(value, int | Decimal) or not 0 <= value <= _LONGEST:
        raise BadInput(f"{what} is no number of tokens.")
    return int(value)


def _refuse(constant: str) -> None:
    # Python reads NaN and Infinity, which nobody else takes for JSON.
    raise ValueError(constant)
