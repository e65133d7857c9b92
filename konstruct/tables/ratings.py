"""What contacts said of how they were helped."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, SmallInteger
from sqlmodel import Field

from konstruct.tables.base import Owned, moment


class Rating(Owned, table=True):
    """One time that a contact was asked how satisfied they are."""

    __tablename__ = "ratings"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "conversation_id"], ["conversations.tenant_id", "conversations.id"], ondelete="CASCADE"
        ),
        ForeignKeyConstraint(["tenant_id", "contact_id"], ["contacts.tenant_id", "contacts.id"]),
        ForeignKeyConstraint(["tenant_id", "employee_id"], ["employees.tenant_id", "employees.id"]),
        Index("ratings_by_time", "tenant_id", "asked_at"),
        Index("ratings_of_conversation", "tenant_id", "conversation_id"),
        Index("ratings_of_contact", "tenant_id", "contact_id", "asked_at"),
    )

    conversation_id: UUID
    contact_id: UUID
    employee_id: UUID
    """Who served the conversation when it was asked."""
    agent: str | None = None
    """The person who had it last, if one did."""
    message_id: UUID | None = None
    """The question, as it was sent."""
    asked_at: datetime = moment()
    score: int | None = Field(default=None, sa_type=SmallInteger)
    """From 1, the worst, to 5; none until they answer."""
    answered_at: datetime | None = moment(optional=True)
