"""Contracts of changes of a conversation's owner, of HandoffWorkflow, and of their activities.

What people write is never in them: a note is a row, and only its id travels.
"""

from dataclasses import dataclass, field
from typing import Literal
from uuid import UUID

WORKFLOW = "HandoffWorkflow"
CHANGED = "changed"

HAND_OFF = "handoff"
RESUME = "resume"

Action = Literal["hand_off", "resume", "claim", "transfer", "release", "resolve", "hand_back"]
Priority = Literal["low", "normal", "high", "urgent"]


def workflow_id(tenant_id: UUID, handoff_id: UUID) -> str:
    return f"handoff:{tenant_id}:{handoff_id}"


@dataclass(frozen=True)
class HandOff:
    """Signal: people are to take this conversation over. ``to``: a group or a person of the desk. ``reason`` is a
    sentence for them, and nothing that anybody said."""

    by: str = "outside"
    reason: str = "Another system asked for a person."
    to: str | None = None
    priority: Priority = "normal"


@dataclass(frozen=True)
class Resume:
    """Signal: the employee goes on. ``note`` is for it alone, and nothing that a contact said; ``at_once``: it writes
    without waiting for the contact."""

    by: str = "outside"
    note: str = ""
    at_once: bool = False


@dataclass(frozen=True)
class AgentAct:
    """Update: what one agent does with a conversation."""

    by: str
    """The key under which the desk knows the agent."""
    handoff_id: UUID | None = None
    """Only to take over what nobody offered may it be left out."""
    to: str | None = None
    """To whom it is transferred: an agent, or a group."""
    note_id: UUID | None = None
    """An entry of the handoff, for the employee."""
    at_once: bool = False
    from_colleague: bool = False
    """To claim what somebody has who is at the desk."""


@dataclass(frozen=True)
class OwnerChange:
    tenant_id: UUID
    conversation_id: UUID
    action: Action
    act: AgentAct | None = None
    wish: HandOff | None = None
    resume: Resume | None = None


@dataclass(frozen=True)
class OwnerState:
    """Who owns a conversation since ``epoch``; of two, the one with the greater epoch holds."""

    owner: Literal["employee", "queue", "agent"] = "employee"
    epoch: int = 0
    handoff_id: UUID | None = None
    agent: str | None = None
    answer_id: UUID | None = None
    """The note that the employee is to answer at once."""


@dataclass(frozen=True)
class HandoffState:
    """The workflow's input, and what its activities ask about."""

    tenant_id: UUID
    handoff_id: UUID


@dataclass(frozen=True)
class HandoffStanding:
    """``seconds``: until there is something to do without anybody's word; None: never."""

    is_over: bool
    seconds: float | None = None
    needs_packet: bool = False
    assist: list[UUID] = field(default_factory=list)
    """Entries that agents wait for: drafts and summaries."""
    files_wait_in: UUID | None = None
    """The conversation, where people wait for files that the contact sent."""


@dataclass(frozen=True)
class AssistRequest:
    tenant_id: UUID
    entry_id: UUID
