"""Whether a request is one that a connection is clearly not for. No model is asked; what is doubtful is let through.

Numbers here were chosen on the half of ``benchmarks/scope/messages.jsonl`` that is there for it.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from konstruct.escalation.wishes import asks_for_human
from konstruct.scope import cues, measures
from konstruct.scope.measures import BUSINESS, Vector

NEARNESS_WEIGHS: Final = 8.0
"""How much it counts against a foreign request that it is near what the connection is for."""
CUES_WEIGH: Final = 2.0
CERTAIN_FROM: Final = 2.25
"""Logarithm of odds, as all scores here."""
ANSWER_WEIGHS: Final = 2.0
"""What answers a question of the employee's may be about anything that it asked."""
ALLOWED_FROM: Final = 0.15
"""A kind that one of the functions has so much of is what this business does: courses have homework."""
FEWEST_WORDS: Final = 3
FEWEST_WORDS_IN_TALK: Final = 5
"""In a talk that is under way; what is shorter follows up on what was said before."""

_UNSPACED: Final = re.compile("[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff]")
_WORDS: Final = re.compile(r"\w+")


@dataclass(frozen=True)
class Bounds:
    """What a connection is for, as far as it can be measured."""

    functions: tuple[Vector, ...]
    allowed: frozenset[str]
    """Kinds of request that are what it is for."""


@dataclass(frozen=True)
class Verdict:
    foreign: bool
    """Whether it seems to have nothing to do with the business."""
    certain: bool
    """Whether it certainly has not, and may be turned down."""
    why: str
    """The kind of request; or what lets it through."""


def bounds(functions: Mapping[str, Vector]) -> Bounds:
    """``functions``: what a connection is for, each with its vector of ``measures.MODEL``."""
    kinds: set[str] = set()
    for text, vector in functions.items():
        kinds |= cues.told(text)
        kinds |= {kind for kind, share in measures.shares(vector).items() if share >= ALLOWED_FROM}
    return Bounds(tuple(functions.values()), frozenset((kinds | {BUSINESS}) - {"jailbreak"}))


def judge(text: str, vector: Vector, within: Bounds, *, is_in_talk: bool, is_answer: bool) -> Verdict:
    """``vector`` is the text's. ``is_in_talk``: the employee has said something before; ``is_answer``: and it was a
    question."""
    if _length(text) < (FEWEST_WORDS_IN_TALK if is_in_talk else FEWEST_WORDS):
        return Verdict(foreign=False, certain=False, why="short")
    if asks_for_human(text):
        return Verdict(foreign=False, certain=False, why="person")
    if cues.is_emergency(text):
        return Verdict(foreign=False, certain=False, why="emergency")
    score, kind = measured(text, vector, within)
    score -= ANSWER_WEIGHS if is_answer else 0
    return Verdict(foreign=score > 0, certain=score >= CERTAIN_FROM, why=kind if score > 0 else BUSINESS)


def measured(text: str, vector: Vector, within: Bounds) -> tuple[float, str]:
    """How foreign it is, and of which kind."""
    shares = measures.shares(vector)
    foreign = {kind: share for kind, share in shares.items() if kind not in within.allowed}
    told = cues.told(text) & foreign.keys()
    share = min(max(sum(foreign.values()), 1e-6), 1 - 1e-6)
    nearest = max(measures.nearness(vector, function) for function in within.functions)
    score = math.log(share / (1 - share)) + (CUES_WEIGH if told else 0) - NEARNESS_WEIGHS * nearest
    return score, max(told or foreign, key=lambda kind: foreign[kind])


def _length(text: str) -> int:
    """In words; of scripts that are written without spaces two characters count as one."""
    unspaced = len(_UNSPACED.findall(text))
    return len(_WORDS.findall(_UNSPACED.sub(" ", text))) + unspaced // 2
