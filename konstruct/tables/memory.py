"""What is remembered of contacts: sayings, facts, their vectors, and summaries of long conversations."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pgvector.sqlalchemy import HALFVEC
from sqlalchemy import REAL, BigInteger, ForeignKeyConstraint, Index, LargeBinary, text
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlmodel import Field, SQLModel

from konstruct.tables.base import Owned, moment


class ConversationSummary(SQLModel, table=True):
    """What left the window of a conversation, in few words."""

    __tablename__ = "conversation_summaries"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "conversation_id"], ["conversations.tenant_id", "conversations.id"], ondelete="CASCADE"
        ),
        ForeignKeyConstraint(["tenant_id", "contact_id"], ["contacts.tenant_id", "contacts.id"]),
    )

    tenant_id: UUID = Field(primary_key=True)
    conversation_id: UUID = Field(primary_key=True)
    contact_id: UUID
    """Under whose key it is sealed."""
    through_seq: int = Field(sa_type=BigInteger)
    """The last message that it covers; the window begins after it."""
    sealed: bytes = Field(sa_type=LargeBinary)
    updated_at: datetime = moment()


class Memory(Owned, table=True):
    """One thing that can be recalled: what was ``said``, word by word, or a ``fact`` that was learned from it."""

    __tablename__ = "memories"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "contact_id"], ["contacts.tenant_id", "contacts.id"], ondelete="CASCADE"),
        ForeignKeyConstraint(
            ["tenant_id", "conversation_id"], ["conversations.tenant_id", "conversations.id"], ondelete="CASCADE"
        ),
        ForeignKeyConstraint(["tenant_id", "message_id"], ["messages.tenant_id", "messages.id"], ondelete="CASCADE"),
        ForeignKeyConstraint(
            ["tenant_id", "superseded_by"], ["memories.tenant_id", "memories.id"], ondelete="SET NULL (superseded_by)"
        ),
        Index("memories_said_once", "tenant_id", "message_id", unique=True, postgresql_where=text("kind = 'said'")),
        Index("memories_of_contact", "tenant_id", "contact_id", "conversation_id", "seq"),
        Index("memories_to_embed", "embedded_with", postgresql_where=text("superseded_at is null")),
        Index("memories_of_conversation", "tenant_id", "conversation_id"),
        Index("memories_of_message", "tenant_id", "message_id"),
        Index(
            "memories_superseded_by",
            *("tenant_id", "superseded_by"),
            postgresql_where=text("superseded_by is not null"),
        ),
    )

    contact_id: UUID
    kind: str
    speaker: str
    conversation_id: UUID
    message_id: UUID
    """Where it comes from: the message, or the latest one that a fact was learned from."""
    seq: int = Field(sa_type=BigInteger)
    """The message's place in its conversation."""
    sealed: bytes = Field(sa_type=LargeBinary)
    words: str = Field(sa_type=TSVECTOR)
    """Its word stems with their places, each stem hashed under the contact's key: searchable, not readable."""
    length: int
    """How many words it has, as a search counts them."""
    confidence: float = Field(default=1.0, sa_type=REAL)
    """0 to 1; what was said is certain to have been said."""
    happened_at: datetime = moment()
    superseded_by: UUID | None = None
    superseded_at: datetime | None = moment(optional=True)
    """Since when a newer fact stands in its place."""
    embedded_with: str | None = None
    """The model that its vector is of; none yet."""
    created_at: datetime = moment()


class MemoryVector(SQLModel, table=True):
    """A memory's place in the space of one model."""

    __tablename__ = "memory_vectors"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "memory_id"], ["memories.tenant_id", "memories.id"], ondelete="CASCADE"),
        Index("memory_vectors_of_contact", "tenant_id", "contact_id", "model"),
        {"postgresql_partition_by": "HASH (tenant_id)"},
    )

    tenant_id: UUID = Field(primary_key=True)
    memory_id: UUID = Field(primary_key=True)
    contact_id: UUID
    model: str
    dimensions: int
    vector: Any = Field(sa_type=HALFVEC)
