"""Rehearsals: conversations in which somebody tries out a draft, and what was seen of each step."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, LargeBinary
from sqlmodel import Field, SQLModel

from konstruct.tables.base import Owned, document, moment


class Rehearsal(SQLModel, table=True):
    """What makes a conversation a rehearsal: the draft that answers in it, as it was when the rehearsal began."""

    __tablename__ = "rehearsals"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "conversation_id"], ["conversations.tenant_id", "conversations.id"], ondelete="CASCADE"
        ),
        ForeignKeyConstraint(["tenant_id", "employee_id"], ["employees.tenant_id", "employees.id"], ondelete="CASCADE"),
        ForeignKeyConstraint(["tenant_id", "contact_id"], ["contacts.tenant_id", "contacts.id"]),
        Index("rehearsals_of_contact", "tenant_id", "contact_id"),
    )

    tenant_id: UUID = Field(primary_key=True)
    conversation_id: UUID = Field(primary_key=True)
    employee_id: UUID
    contact_id: UUID
    """Who rehearses, as the contact of all their rehearsals of this employee: nobody else is remembered in them."""
    draft_revision: int
    content: dict[str, Any] = document()
    """The draft: the fields of an employee's version."""
    acts: bool = False
    """Whether tools that do more than look really do it; else they are simulated."""
    created_at: datetime = moment()


class RehearsedStep(Owned, table=True):
    """What one step was shown and why it went as it did, or what a simulated call would have sent."""

    __tablename__ = "rehearsed_steps"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "conversation_id"], ["rehearsals.tenant_id", "rehearsals.conversation_id"], ondelete="CASCADE"
        ),
        Index("rehearsed_steps_of_conversation", "tenant_id", "conversation_id", "id"),
    )

    conversation_id: UUID
    contact_id: UUID
    """Under whose key it is sealed."""
    turn_id: UUID
    kind: str
    """``thought`` or ``call``."""
    sealed: bytes = Field(sa_type=LargeBinary)
    created_at: datetime = moment()
