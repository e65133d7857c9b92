"""What is under way with a person or with the trail: erasures, and checks of what the trail says."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKeyConstraint, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from konstruct.tables.base import Owned, moment


class ContactErasure(Owned, table=True):
    """One time that somebody had a person erased, and how far that is: see ``konstruct.erasing``."""

    __tablename__ = "contact_erasures"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "contact_id"], ["contacts.tenant_id", "contacts.id"]),
        Index(
            "contact_erasures_open",
            *("tenant_id", "contact_id"),
            unique=True,
            postgresql_where=text("ended_at is null"),
        ),
        Index("contact_erasures_of_contact", "tenant_id", "contact_id", "asked_at"),
    )

    contact_id: UUID
    asked_by: str
    asked_at: datetime = moment()
    attempts: int = 0
    error: str | None = None
    """What the latest attempt failed of; a sentence without anything of the person."""
    sealed: str | None = None
    """What the later steps need of what the first one shredded, under the tenant's key; gone when all is done."""
    contacts: int = 0
    conversations: int = 0
    messages: int = 0
    memories: int = 0
    shredded_at: datetime | None = moment(optional=True)
    """From here on nothing of the person can be read again."""
    events_removed_at: datetime | None = moment(optional=True)
    """When events that could not be processed and named them were gone."""
    is_cache_clear: bool = False
    ended_at: datetime | None = moment(optional=True)


class AuditCheck(Owned, table=True):
    """One time that the trail, or one conversation's chain, was checked: see ``konstruct.audit.checks``."""

    __tablename__ = "audit_checks"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenants.id"], ondelete="CASCADE"),
        Index("audit_checks_one_at_a_time", "tenant_id", unique=True, postgresql_where=text("ended_at is null")),
        Index("audit_checks_by_time", "tenant_id", "asked_at"),
    )

    chain_id: UUID | None = None
    """The conversation's; none where all of the trail is checked."""
    asked_by: str
    asked_at: datetime = moment()
    beat_at: datetime | None = moment(optional=True)
    """When whoever is at it last said so."""
    ended_at: datetime | None = moment(optional=True)
    outcome: str | None = None
    """``whole``, ``broken`` or ``failed``, which says nothing of the trail."""
    error: str | None = None
    total: int = Field(default=0, sa_type=BigInteger)
    """How many events there were when it began."""
    events: int = Field(default=0, sa_type=BigInteger)
    chains: int = Field(default=0, sa_type=BigInteger)
    seals: int = Field(default=0, sa_type=BigInteger)
    anchored: int = Field(default=0, sa_type=BigInteger)
    unproven: int = Field(default=0, sa_type=BigInteger)
    elsewhere: int = Field(default=0, sa_type=BigInteger)
    """Seals that were anchored, but not in the file of the worker that checked."""
    broken: dict[str, Any] | None = Field(default=None, sa_type=JSONB)
    """Where the first break is, as ``konstruct.audit.breaks.Break`` has it."""
