"""Handoffs, what agents wrote in them or keep to write, what colleagues were asked, and what was judged of turns."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKeyConstraint, Index, LargeBinary, SmallInteger, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from konstruct.tables.base import Owned, document, moment


class Handoff(Owned, table=True):
    """One time that people are asked for in a conversation. ``state``: see ``konstruct.handoffs``."""

    __tablename__ = "handoffs"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "conversation_id"], ["conversations.tenant_id", "conversations.id"], ondelete="CASCADE"
        ),
        ForeignKeyConstraint(["tenant_id", "contact_id"], ["contacts.tenant_id", "contacts.id"]),
        Index("handoffs_by_time", "tenant_id", "state", "created_at"),
        Index("handoffs_open", "created_at", postgresql_where=text("state <> 'over' or next_due_at is not null")),
        Index(
            "handoffs_by_end",
            "tenant_id",
            text("ended_at desc"),
            text("id desc"),
            postgresql_where=text("state = 'over'"),
        ),
        Index("handoffs_of_conversation", "tenant_id", "conversation_id"),
        Index("handoffs_of_contact", "tenant_id", "contact_id"),
        Index(
            "handoffs_by_card",
            "tenant_id",
            "card_channel",
            "card_external_id",
            postgresql_where=text("card_channel is not null"),
        ),
        Index(
            "handoffs_one_at_a_time",
            "tenant_id",
            "conversation_id",
            unique=True,
            postgresql_where=text("state in ('waiting', 'owned')"),
        ),
    )

    conversation_id: UUID
    contact_id: UUID
    """Who is to be helped, and under whose key it is sealed."""
    state: str = "waiting"
    ended_how: str | None = None
    target: str | None = None
    """The group or the person who is asked; none where the tenant's desk has neither."""
    priority: str = "normal"
    cause: str
    rule: str | None = None
    requested_by: str
    sealed_reason: bytes = Field(sa_type=LargeBinary)
    sealed_packet: bytes | None = Field(default=None, sa_type=LargeBinary)
    """Summary, what was tried and a suggested reply, once they were written."""
    agent: str | None = None
    """Who has it, or had it last, or gave it back."""
    began_seq: int = Field(sa_type=BigInteger)
    """The conversation's last message before."""
    mirrored_seq: int = Field(sa_type=BigInteger)
    """Up to here the conversation stands in the card's thread."""
    mirroring_seq: int | None = Field(default=None, sa_type=BigInteger)
    """What was being put there last: it is looked for before it is put there again."""
    shown_state: str | None = None
    """What the card showed last."""
    card_connection_id: UUID | None = None
    card_channel: str | None = None
    card_external_id: str | None = None
    """Where people are shown it: through which connection, in which channel, as which message."""
    progress: dict[str, Any] = document()
    """What was done of the desk's plan: who was rung and reminded, what the contact was told, and when."""
    tries: int = Field(default=0, sa_type=SmallInteger)
    """Attempts to show it of which nobody knows a good end."""
    created_at: datetime = moment()
    claimed_at: datetime | None = moment(optional=True)
    """Since when its agent has it."""
    first_claimed_at: datetime | None = moment(optional=True)
    """When anybody first took it: so long the contact waited for a person."""
    replied_at: datetime | None = moment(optional=True)
    ended_at: datetime | None = moment(optional=True)
    next_due_at: datetime | None = moment(optional=True)
    """When there is something to do next: by the desk's plan, or since it has changed."""
    attended_at: datetime | None = moment(optional=True)
    swept_at: datetime | None = moment(optional=True)


class HandoffEntry(Owned, table=True):
    """One thing that an agent wrote, or had written; ``source`` and ``external_id`` tell a repetition."""

    __tablename__ = "handoff_entries"
    __table_args__ = (
        UniqueConstraint("tenant_id", "source", "external_id", "kind"),
        ForeignKeyConstraint(["tenant_id", "handoff_id"], ["handoffs.tenant_id", "handoffs.id"], ondelete="CASCADE"),
        ForeignKeyConstraint(
            ["tenant_id", "conversation_id"], ["conversations.tenant_id", "conversations.id"], ondelete="CASCADE"
        ),
        ForeignKeyConstraint(["tenant_id", "contact_id"], ["contacts.tenant_id", "contacts.id"]),
        Index("handoff_entries_of_handoff", "tenant_id", "handoff_id", "created_at"),
        Index("handoff_entries_of_contact", "tenant_id", "contact_id"),
        Index(
            "handoff_entries_of_message",
            "tenant_id",
            "message_id",
            postgresql_where=text("message_id is not null"),
        ),
    )

    handoff_id: UUID
    conversation_id: UUID
    contact_id: UUID
    kind: str
    agent: str
    source: str
    external_id: str
    sealed: bytes | None = Field(default=None, sa_type=LargeBinary)
    """Of a reply, nothing: it is the message's."""
    message_id: UUID | None = None
    state: str = "kept"
    posting_at: datetime | None = moment(optional=True)
    """When it was last being put into the card's thread: it is looked for before it is put there again."""
    posted_at: datetime | None = moment(optional=True)
    """Since when it stands in the card's thread; what was written there does from the beginning."""
    created_at: datetime = moment()


class Consult(Owned, table=True):
    """One question of an employee's to a person of the desk. ``state``: see ``konstruct.consults``."""

    __tablename__ = "consults"
    __table_args__ = (
        UniqueConstraint("tenant_id", "call_id"),
        ForeignKeyConstraint(["tenant_id", "call_id"], ["tool_calls.tenant_id", "tool_calls.id"], ondelete="CASCADE"),
        ForeignKeyConstraint(
            ["tenant_id", "conversation_id"], ["conversations.tenant_id", "conversations.id"], ondelete="CASCADE"
        ),
        ForeignKeyConstraint(["tenant_id", "contact_id"], ["contacts.tenant_id", "contacts.id"]),
        Index("consults_by_time", "tenant_id", "state", "created_at"),
        Index("consults_open", "created_at", postgresql_where=text("reported_at is null")),
        Index("consults_of_conversation", "tenant_id", "conversation_id"),
        Index("consults_of_contact", "tenant_id", "contact_id"),
        Index(
            "consults_by_card",
            "tenant_id",
            "card_channel",
            "card_external_id",
            postgresql_where=text("card_channel is not null"),
        ),
    )

    call_id: UUID
    conversation_id: UUID
    contact_id: UUID
    """For whom it is asked, and under whose key it is sealed."""
    colleague: str
    """The key under which the desk knows who is asked."""
    state: str = "waiting"
    sealed_question: bytes = Field(sa_type=LargeBinary)
    sealed_answer: bytes | None = Field(default=None, sa_type=LargeBinary)
    card_connection_id: UUID | None = None
    card_channel: str | None = None
    card_external_id: str | None = None
    """Where they are shown it: through which connection, in which channel, as which message."""
    created_at: datetime = moment()
    expires_at: datetime = moment()
    showing_at: datetime | None = moment(optional=True)
    """Since when it may stand in the channel: it is looked for before it is put there again."""
    announced_at: datetime | None = moment(optional=True)
    settled_at: datetime | None = moment(optional=True)
    reported_at: datetime | None = moment(optional=True)
    """Since when the conversation knows the outcome."""
    swept_at: datetime | None = moment(optional=True)


class Judgement(SQLModel, table=True):
    """What was judged of one turn."""

    __tablename__ = "judgements"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "conversation_id"], ["conversations.tenant_id", "conversations.id"], ondelete="CASCADE"
        ),
        Index("judgements_of_conversation", "tenant_id", "conversation_id", "created_at"),
    )

    tenant_id: UUID = Field(primary_key=True)
    turn_id: UUID = Field(primary_key=True)
    conversation_id: UUID
    asked_for_human: bool
    has_failed: bool
    """Whether what the contact wants was once more not done."""
    mood: str
    outside_policy: bool
    topics: list[str] = document(list)
    confidence: float | None = None
    created_at: datetime = moment()


class InboxMark(SQLModel, table=True):
    """Up to where somebody of the team has seen a conversation."""

    __tablename__ = "inbox_marks"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "user_id"], ["memberships.tenant_id", "memberships.user_id"], ondelete="CASCADE"
        ),
        ForeignKeyConstraint(
            ["tenant_id", "conversation_id"], ["conversations.tenant_id", "conversations.id"], ondelete="CASCADE"
        ),
        Index("inbox_marks_of_conversation", "tenant_id", "conversation_id"),
    )

    tenant_id: UUID = Field(primary_key=True)
    user_id: UUID = Field(primary_key=True)
    conversation_id: UUID = Field(primary_key=True)
    seen_seq: int = Field(sa_type=BigInteger)
    seen_at: datetime = moment()


class CannedReply(Owned, table=True):
    """Words that agents of a tenant need again and again."""

    __tablename__ = "canned_replies"
    __table_args__ = (
        UniqueConstraint("tenant_id", "key"),
        ForeignKeyConstraint(["tenant_id"], ["tenants.id"], ondelete="CASCADE"),
    )

    key: str
    """What an agent types after a slash."""
    title: str
    body: str
    """It may hold ``{contact}`` and ``{agent}``, in whose places names come."""
    created_by: str
    created_at: datetime = moment()
    updated_at: datetime = moment()
    removed_at: datetime | None = moment(optional=True)
    """Since when nobody is offered it; for a while it can be had back."""
