"""Contracts of the workflows that write memory."""

from dataclasses import dataclass, field
from uuid import UUID


@dataclass(frozen=True)
class RememberRequest:
    tenant_id: UUID
    conversation_id: UUID


@dataclass(frozen=True)
class MemoryWork:
    """Conversations whose memory is due, claimed for whoever got this."""

    due: list[RememberRequest] = field(default_factory=list)


@dataclass(frozen=True)
class Embedded:
    """How many memories got a vector."""

    memories: int
