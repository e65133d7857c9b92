"""Every fault that the product is tried with: what is done, how often, and what has to come of it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol


class Outcome(Protocol):
    """What an entry counted: ``Verdict``, or counts of its own."""

    @property
    def amiss(self) -> dict[str, list[str]]: ...

    def counts(self) -> dict[str, object]: ...


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
    """How often in ``make test``."""
    run: Trial
    twin: Trial | None = None
    """The same against a program that is wrong on purpose, which has to be found amiss. None: the entry's function says
    why there is none."""
