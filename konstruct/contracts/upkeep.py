"""Contracts of the workflows that a schedule starts, and of those that somebody asks for now and then."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

ERASE_WORKFLOW: Final = "EraseContactWorkflow"
CHECK_WORKFLOW: Final = "CheckTrailWorkflow"


@dataclass(frozen=True)
class Asked:
    """Something that was put down to be done: an erasure, or a check of the trail."""

    tenant_id: UUID
    id: UUID


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
class Questions:
    """How many contacts were asked how they were helped, and of how many tenants they could not be."""

    asked: int
    tenants_failed: int


@dataclass(frozen=True)
class Cleared:
    """Of how many deleted tenants nothing is left, and of how many something still is."""

    tenants: int
    left: int


LOOK_WORKFLOW: Final = "LookAtServerWorkflow"


@dataclass(frozen=True)
class ServerToLookAt:
    """A server of tools that is to be asked at once what it offers."""

    tenant_id: UUID
    tool_id: UUID
