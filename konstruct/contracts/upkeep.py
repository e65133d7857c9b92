"""Contracts of the workflows that a schedule starts."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Sealed:
    """How many seals were anchored, and how many tenants' trails could not be sealed and wait for the next time."""

    anchored: int
    failed: int
