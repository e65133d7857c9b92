"""Contracts of ConversationWorkflow and its activities."""

from dataclasses import dataclass, field
from typing import Literal
from uuid import UUID

from konstruct.contracts.handoffs import OwnerChange, OwnerState

WORKFLOW = "ConversationWorkflow"
DELIVER_MESSAGE = "deliver_message"
SEND_NOTICE = "send_notice"
STOP_TURN = "stop_turn"
MOVE_ON = "move_on"
"""Says nothing, and has the conversation see that there is another build to go on with."""


@dataclass(frozen=True)
class ConversationState:
    """The workflow's input, and what it carries into its next run."""

    tenant_id: UUID
    conversation_id: UUID
    mailbox: list[UUID] = field(default_factory=list)
    notices: list[UUID] = field(default_factory=list)
    ownership: OwnerState = field(default_factory=OwnerState)
    changes: list[OwnerChange] = field(default_factory=list)


@dataclass(frozen=True)
class DeliverMessage:
    message_id: UUID


@dataclass(frozen=True)
class SendNotice:
    message_id: UUID


@dataclass(frozen=True)
class ThinkRequest:
    tenant_id: UUID
    conversation_id: UUID
    turn_id: UUID
    """One for each set of messages that is thought about; the same in every retry."""
    message_ids: list[UUID]
    """What the workflow knows of; whatever else waits in the database is answered along with it."""
    step: int = 0
    """How many model calls of this turn ended in calls of tools."""
    without_files: bool = False
    """Files that have not come by now are not waited for any more."""


@dataclass(frozen=True)
class ToolCallToMake:
    call_id: UUID
    timeout_seconds: float
    """For one attempt."""
    attempts: int


@dataclass(frozen=True)
class Thought:
    """``nothing``: all of it was answered or taken back. ``superseded``: another turn has begun meanwhile, and what
    this one thought was not kept. ``tools``: it goes on when these are done. ``files``: it can begin when these are
    fetched. ``handed_off``: people have it, and what is to be sent tells the contact so."""

    decision: Literal["reply", "nothing", "superseded", "tools", "files", "handed_off"]
    reply_ids: list[UUID] = field(default_factory=list)
    showed_status: bool = False
    """Whether the channel shows that somebody is at work, which is to be ended after the reply."""
    calls: list[ToolCallToMake] = field(default_factory=list)
    approvals: list[UUID] = field(default_factory=list)
    """That people are to be asked for, while the turn goes on, or after its answer."""
    is_repeated: bool = False
    """An earlier attempt had thought of it already, without what has come in since."""
    ownership: OwnerState | None = None
    """Who has it, where it was handed off."""
    told_handoff_id: UUID | None = None
    """The handoff of which people are only to be told."""


@dataclass(frozen=True)
class ToolCallRequest:
    tenant_id: UUID
    call_id: UUID
    attempts: int
    """At most so many are made."""


@dataclass(frozen=True)
class DeliverRequest:
    tenant_id: UUID
    conversation_id: UUID
    message_ids: list[UUID]
    end_status: bool = False
    are_apart: bool = False
    """Each is sent, whatever becomes of the others; else they are parts, which end with the first that is not."""


@dataclass(frozen=True)
class Delivered:
    """``superseded``: the conversation's owner or turn has moved on; nothing more of this was sent."""

    outcome: Literal["sent", "superseded", "failed"]


@dataclass(frozen=True)
class AdmitRequest:
    """A turn could not be answered for now: the contact is told so, once for these messages."""

    tenant_id: UUID
    conversation_id: UUID
    turn_id: UUID
    reason: str


@dataclass(frozen=True)
class Admitted:
    notice_ids: list[UUID] = field(default_factory=list)


@dataclass(frozen=True)
class AbandonRequest:
    """These messages will get no answer: a person stopped the turn, or it failed for too long."""

    tenant_id: UUID
    conversation_id: UUID
    message_ids: list[UUID]
    why: Literal["stopped", "failed"]


@dataclass(frozen=True)
class Swept:
    """How many messages a sweep put back on their way."""

    messages: int


@dataclass(frozen=True)
class FetchFilesRequest:
    """What was sent along in a conversation and is not here yet is fetched, before an employee thinks about it."""

    tenant_id: UUID
    conversation_id: UUID
