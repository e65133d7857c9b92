"""Makes the weights by which requests are measured of the prototypes, none of which is in the labelled set."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from konstruct.scope.measures import BUSINESS

PROTOTYPES: Final = Path(__file__).with_name("prototypes.txt")
_PENALTY: Final = 3e-4
_STEPS: Final = 3_000
_SPREAD: Final = 8.0
"""Vectors of this model lie so close together that they are drawn apart first."""


def prototypes() -> list[tuple[str, str]]:
    """Each with its kind."""
    kind, found = "", []
    for line in filter(None, PROTOTYPES.read_text().splitlines()):
        if line.startswith("# "):
            kind = line.removeprefix("# ")
        else:
            found.append((kind, line))
    return found


def fit(kinds: Sequence[str], vectors: Sequence[Sequence[float]]) -> dict[str, Any]:
    """Multinomial logistic regression by gradient descent with momentum; the same each time."""
    names = sorted(set(kinds))
    numbers = np.array([names.index(kind) for kind in kinds])
    middle = np.mean(vectors, axis=0)
    given = np.c_[(np.array(vectors) - middle) * _SPREAD, np.ones(len(numbers))]
    wanted = np.eye(len(names))[numbers]
    # A kind counts the same however many prototypes it has, and ordinary business as much as five of the others.
    counts = np.bincount(numbers)
    weighs = np.array([(5.0 if names[number] == BUSINESS else 1.0) / counts[number] for number in numbers])
    weights = np.zeros((len(names), given.shape[1]))
    momentum = np.zeros_like(weights)
    for _ in range(_STEPS):
        scores = given @ weights.T
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        found = powers / powers.sum(axis=1, keepdims=True)
        slope = ((found - wanted) * weighs[:, None]).T @ given / weighs.sum()
        slope[:, :-1] += _PENALTY * weights[:, :-1]
        momentum = 0.9 * momentum + slope
        weights -= 0.5 * momentum
    of_vectors = weights[:, :-1] * _SPREAD
    biases = weights[:, -1] - of_vectors @ middle
    return {
        "middle": [round(value, 5) for value in middle.tolist()],
        "kinds": {
            name: {"bias": round(bias, 5), "weights": [round(value, 4) for value in row]}
            for name, bias, row in zip(names, biases.tolist(), of_vectors.tolist(), strict=True)
        },
    }


def write(weights: dict[str, Any], path: Path) -> None:
    path.write_text(json.dumps(weights).replace('"kinds": ', '\n"kinds": ').replace('}, "', '},\n"') + "\n")
