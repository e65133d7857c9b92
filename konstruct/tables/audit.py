"""The audit trail: events in chains, their heads, the seals over them; written by the database's functions alone."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Boolean, Computed, ForeignKeyConstraint, Index, LargeBinary, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from konstruct.tables.base import Owned, document, moment


class AuditEvent(Owned, table=True):
    """Written in the transaction of what it tells of; the database lets nobody change or remove it."""

    __tablename__ = "audit_events"
    __table_args__ = (
        UniqueConstraint("tenant_id", "chain_id", "seq"),
        ForeignKeyConstraint(["tenant_id", "chain_id"], ["audit_heads.tenant_id", "audit_heads.chain_id"]),
        Index("audit_events_by_time", "tenant_id", "created_at", "id"),
        Index("audit_events_by_actor", "tenant_id", "actor", "created_at", "id"),
        Index("audit_events_by_action", "tenant_id", text('action collate "C"'), "created_at", "id"),
        Index(
            "audit_events_by_subject",
            *("tenant_id", "subject_id", "created_at", "id"),
            postgresql_where=text("subject_id is not null"),
        ),
    )

    conversation_id: UUID | None = None
    actor: str
    action: str
    detail: dict[str, Any] = document()
    created_at: datetime = moment()
    chain_id: UUID
    """The conversation's id, or the tenant's for what belongs to no conversation."""
    seq: int
    subject_id: UUID | None = None
    """The contact whom it is about."""
    payload: bytes
    """``detail`` as the exact bytes that are hashed."""
    content: bytes | None = None
    """Sealed under the contact's key: without the key it is unreadable, and the chain holds all the same."""
    prev: bytes
    hash: bytes


class AuditHead(SQLModel, table=True):
    """Where a chain ends; locked until the commit by whoever makes it longer."""

    __tablename__ = "audit_heads"
    __table_args__ = (Index("audit_heads_moved", "tenant_id", "chain_id", postgresql_where=text("is_moved")),)

    tenant_id: UUID = Field(primary_key=True, foreign_key="tenants.id")
    chain_id: UUID = Field(primary_key=True)
    seq: int
    hash: bytes
    sealed_seq: int
    is_moved: bool = Field(sa_type=Boolean, sa_column_args=(Computed("seq > sealed_seq", persisted=True),))


class AuditSeal(SQLModel, table=True):
    """One Merkle root over the heads that had moved, and over the root of the seal before."""

    __tablename__ = "audit_seals"
    __table_args__ = (
        Index("audit_seals_unanchored", "tenant_id", "number", postgresql_where=text("anchored_at is null")),
    )

    tenant_id: UUID = Field(primary_key=True, foreign_key="tenants.id")
    number: int = Field(primary_key=True)
    sealed_at: datetime = moment()
    root: bytes = Field(sa_type=LargeBinary)
    previous: bytes = Field(sa_type=LargeBinary)
    leaves: int
    anchored_at: datetime | None = moment(optional=True)


class AuditSealLeaf(SQLModel, table=True):
    """How far a chain went when it was sealed."""

    __tablename__ = "audit_seal_leaves"
    __table_args__ = (
        UniqueConstraint("tenant_id", "chain_id", "seq"),
        ForeignKeyConstraint(["tenant_id", "number"], ["audit_seals.tenant_id", "audit_seals.number"]),
    )

    tenant_id: UUID = Field(primary_key=True)
    number: int = Field(primary_key=True)
    chain_id: UUID = Field(primary_key=True)
    seq: int
    hash: bytes
