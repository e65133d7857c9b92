"""Contracts of the workflows that a schedule starts."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Sealed:
    """How many seals were anchored, and how many tenants' trails could not be sealed and wait for the next time."""

    anchored: int
    failed: int


@dataclass(frozen=True)
class LetGo:
    """Of how many tenants what they keep no longer was let go of, and of how many it could not be, and waits."""

    tenants: int
    failed: int


@dataclass(frozen=True)
class Cleared:
    """Of how many deleted tenants nothing is left, and of how many something still is."""

    tenants: int
    left: int
