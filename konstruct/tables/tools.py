"""Tools of tenants, what employees did with them, step by step, and what people said to that."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKeyConstraint, Index, LargeBinary, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from konstruct.tables.base import Owned, document, moment


class Tool(Owned, table=True):
    """A tool that a tenant defined (``http``), or a server that offers tools (``mcp``)."""

    __tablename__ = "tools"
    __table_args__ = (
        UniqueConstraint("tenant_id", "key"),
        ForeignKeyConstraint(["tenant_id"], ["tenants.id"], ondelete="CASCADE"),
    )

    key: str
    kind: str
    definition: dict[str, Any] = document()
    listing: dict[str, Any] = document()
    """What a server offers, by name, as it was when it was taken in."""
    sealed_secrets: str | None = None
    status: str = "active"
    status_reason: str | None = None
    status_changed_at: datetime = moment()
    listed_at: datetime | None = moment(optional=True)
    looked_at: datetime | None = moment(optional=True)
    """When its server was last asked, whether it answered or not."""
    created_at: datetime = moment()


class Step(SQLModel, table=True):
    """One model call of a turn that ended in calls of tools."""

    __tablename__ = "steps"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "conversation_id"], ["conversations.tenant_id", "conversations.id"], ondelete="CASCADE"
        ),
        ForeignKeyConstraint(["tenant_id", "contact_id"], ["contacts.tenant_id", "contacts.id"]),
        Index("steps_of_conversation", "tenant_id", "conversation_id"),
        Index("steps_of_contact", "tenant_id", "contact_id"),
    )

    tenant_id: UUID = Field(primary_key=True)
    turn_id: UUID = Field(primary_key=True)
    number: int = Field(primary_key=True)
    """From 0 on."""
    conversation_id: UUID
    contact_id: UUID
    """Under whose key it is sealed."""
    sealed: bytes | None = Field(default=None, sa_type=LargeBinary)
    """What the model said along with its calls."""
    after_seq: int = Field(sa_type=BigInteger)
    """The last message that the model knew of."""
    link: str
    created_at: datetime = moment()


class ToolCall(Owned, table=True):
    """One call. ``state`` tells how far it came: see ``konstruct.tools.calls``. Its id is the idempotency key."""

    __tablename__ = "tool_calls"
    __table_args__ = (
        UniqueConstraint("tenant_id", "turn_id", "step", "position"),
        ForeignKeyConstraint(
            ["tenant_id", "turn_id", "step"], ["steps.tenant_id", "steps.turn_id", "steps.number"], ondelete="CASCADE"
        ),
        ForeignKeyConstraint(
            ["tenant_id", "conversation_id"], ["conversations.tenant_id", "conversations.id"], ondelete="CASCADE"
        ),
        ForeignKeyConstraint(["tenant_id", "contact_id"], ["contacts.tenant_id", "contacts.id"]),
        ForeignKeyConstraint(["tenant_id", "tool_id"], ["tools.tenant_id", "tools.id"]),
        Index("tool_calls_of_conversation", "tenant_id", "conversation_id", "created_at"),
        Index("tool_calls_of_contact", "tenant_id", "contact_id"),
        Index("tool_calls_of_tool", "tenant_id", "tool_id", postgresql_where=text("tool_id is not null")),
    )

    conversation_id: UUID
    contact_id: UUID
    """For whom it is made, and under whose key it is sealed."""
    turn_id: UUID
    step: int
    position: int
    model_call_id: str
    tool: str
    """As the model named it."""
    tool_id: UUID | None = None
    """The tenant's tool or server; none for what is built in."""
    risk: str
    sealed_arguments: bytes = Field(sa_type=LargeBinary)
    fingerprint: str
    """Of tool and arguments, under the contact's key: the same for the same call."""
    state: str
    sealed_result: bytes | None = Field(default=None, sa_type=LargeBinary)
    """As the model is shown it."""
    sealed_whole: bytes | None = Field(default=None, sa_type=LargeBinary)
    """All of it, where that is more."""
    sealed_sources: bytes | None = Field(default=None, sa_type=LargeBinary)
    """The passages of documents that it gave, so that an answer can name them; or what it is to take along."""
    is_untrusted: bool = False
    """Whether strangers may have written what came back."""
    detail: dict[str, Any] = document()
    attempts: int = 0
    created_at: datetime = moment()
    started_at: datetime | None = moment(optional=True)
    settled_at: datetime | None = moment(optional=True)


class Approval(Owned, table=True):
    """A person's yes or no to one call, bound to the fingerprint of what was shown."""

    __tablename__ = "approvals"
    __table_args__ = (
        UniqueConstraint("tenant_id", "call_id"),
        ForeignKeyConstraint(["tenant_id", "call_id"], ["tool_calls.tenant_id", "tool_calls.id"], ondelete="CASCADE"),
        ForeignKeyConstraint(
            ["tenant_id", "conversation_id"], ["conversations.tenant_id", "conversations.id"], ondelete="CASCADE"
        ),
        ForeignKeyConstraint(["tenant_id", "contact_id"], ["contacts.tenant_id", "contacts.id"]),
        Index("approvals_by_time", "tenant_id", "state", "created_at"),
        Index("approvals_open", "created_at", postgresql_where=text("reported_at is null")),
        Index("approvals_of_conversation", "tenant_id", "conversation_id"),
        Index("approvals_of_contact", "tenant_id", "contact_id"),
    )

    call_id: UUID
    conversation_id: UUID
    contact_id: UUID
    tool: str
    risk: str
    reason: str
    """Why a person is asked."""
    fingerprint: str
    state: str = "waiting"
    decided_by: str | None = None
    decided_at: datetime | None = moment(optional=True)
    sealed_note: bytes | None = Field(default=None, sa_type=LargeBinary)
    expires_at: datetime = moment()
    cards: list[dict[str, Any]] = document(list)
    """Where people are shown it: connection, channel and the channel's id of the message."""
    announced_at: datetime | None = moment(optional=True)
    reported_at: datetime | None = moment(optional=True)
    """Since when the conversation knows the outcome."""
    swept_at: datetime | None = moment(optional=True)
    created_at: datetime = moment()
