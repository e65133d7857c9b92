"""What a seed decides: who says what, which faults there are, who takes over, each at its moment.

Moments are counted in words that were said, not in time, so that the same seed tries the same again on any machine.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

WEIGHTS: Final[Mapping[str, int]] = {
    "a gateway is killed": 10,
    "a worker is killed": 7,
    "the background worker is killed": 3,
    "everything is restarted, one program after the other": 1,
    "a worker stands still": 5,
    "a gateway stands still": 3,
    "Postgres is restarted": 4,
    "Postgres is cut off and restarted": 4,
    "Temporal is killed": 3,
    "Redis is killed": 4,
    "Redis hangs": 4,
    "Redis is emptied": 4,
    "a model is asked too often": 6,
    "a model errs": 6,
    "a model hangs": 6,
    "a model breaks off": 6,
    "Slack is asked too often": 6,
    "Slack errs": 6,
    "Slack takes a message and does not say so": 7,
    "Slack is slow": 5,
    "WhatsApp is asked too often": 2,
    "WhatsApp errs": 3,
    "WhatsApp takes a message and does not say so": 3,
}
"""How often each kind of fault is drawn, of their sum."""

REPEATED: Final = 0.1
AT_ONCE: Final = 0.03
"""Of all words: those that come again after they were taken, and bursts of which the order is left to the network."""
WORDS_A_TAKEOVER: Final = 50
SLOW_ANSWERS: Final = 0.03
"""Of all words: so many answers are streamed."""


@dataclass(frozen=True)
class Saying:
    person: int
    words: int = 1
    """More of them are said at once."""
    repeats: int = 0


@dataclass(frozen=True)
class Fault:
    after: int
    """Words."""
    kind: str
    draw: float
    """Between 0 and 1, from which the rest of it is drawn."""


@dataclass(frozen=True)
class Taking:
    """An agent takes somebody's conversation over."""

    after: int
    person: int
    replies: int
    until: int
    """It is handed back after so many words."""
    at_once: bool
    """The employee then writes without waiting."""


@dataclass(frozen=True)
class Schedule:
    sayings: tuple[Saying, ...]
    faults: tuple[Fault, ...]
    takings: tuple[Taking, ...]
    slow: frozenset[int]
    """Before these sayings an answer is made slow."""

    @property
    def words(self) -> int:
        return sum(saying.words for saying in self.sayings)


def drawn(seed: int, *, words: int, faults: int, people: int) -> Schedule:
    # Each has a source of its own, so that one of them can be changed and the others stay as they were.
    of_words, of_faults, of_people = (random.Random(f"{seed}:{what}") for what in ("words", "faults", "people"))
    sayings: list[Saying] = []
    left = words
    while left > 0:
        sayings.append(_saying(of_words, people, left))
        left -= sayings[-1].words
    slow = frozenset(number for number in range(len(sayings)) if of_words.random() < SLOW_ANSWERS)
    # The first words are said in peace: what is not there yet cannot break.
    moments = sorted(of_faults.randrange(min(people, words // 4), words) for _ in range(faults))
    kinds = of_faults.choices(list(WEIGHTS), list(WEIGHTS.values()), k=faults)
    planned = [Fault(after, kind, of_faults.random()) for after, kind in zip(moments, kinds, strict=True)]
    takings = sorted(
        (_taking(of_people, words, people) for _ in range(words // WORDS_A_TAKEOVER)), key=lambda each: each.after
    )
    return Schedule(tuple(sayings), tuple(planned), tuple(takings), slow)


def _saying(chance: random.Random, people: int, left: int) -> Saying:
    person, draw = chance.randrange(people), chance.random()
    if draw < AT_ONCE:
        return Saying(person, words=min(left, chance.randint(2, 4)))
    return Saying(person, repeats=chance.randint(1, 3) if draw < AT_ONCE + REPEATED else 0)


def _taking(chance: random.Random, words: int, people: int) -> Taking:
    after = chance.randrange(words)
    until = after + chance.randint(1, 4 * people)
    return Taking(after, chance.randrange(people), chance.randint(0, 2), until, chance.random() < 0.3)
