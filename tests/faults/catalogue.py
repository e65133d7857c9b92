"""Every fault that the product is tried with: what is done, how often, and what has to come of it."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from tests.faults.checker import Verdict


class Outcome(Protocol):
    """What an entry counted: ``Verdict``, or counts of its own."""

    @property
    def amiss(self) -> dict[str, list[str]]: ...

    def counts(self) -> dict[str, object]: ...


@dataclass(frozen=True)
class Tally:
    """What is counted where a verdict does not say all, or nothing."""

    counted: dict[str, object]
    found: dict[str, list[str]]
    """What was amiss, by kind."""

    @classmethod
    def beside(cls, verdict: Verdict, counted: Mapping[str, object], found: Mapping[str, list[str]]) -> "Tally":
        return cls({**verdict.counts(), **counted}, {**verdict.amiss, **found})

    @property
    def amiss(self) -> dict[str, list[str]]:
        return {kind: what for kind, what in self.found.items() if what}

    def counts(self) -> dict[str, object]:
        return self.counted | {kind: len(what) for kind, what in self.found.items()}


logger = logging.getLogger(__name__)


def tell_progress(done: int, of: int) -> None:
    """At each tenth of the way."""
    if done * 10 // of > (done - 1) * 10 // of:
        logger.info("%s of %s", done, of)


Trial = Callable[[int, int], Awaitable[Outcome]]
"""Takes how often, and the seed."""


@dataclass(frozen=True)
class Entry:
    id: str
    """As docs/faults.md lists it."""
    title: str
    """What goes wrong."""
    passes: str
    """What has to hold, in a sentence."""
    full: int
    """How often in ``make faults``."""
    short: int
    """How often in ``make test``; 0: not there."""
    run: Trial
    twin: Trial | None = None
    """The same against a program that is wrong on purpose, which has to be found amiss. None: the entry's function says
    why there is none."""
    twin_times: int = 0
    """How often that takes, where the short form would not do, or there is none; 0: as often as that, or once."""
