"""What is under way while somebody connects a channel."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, LargeBinary, UniqueConstraint
from sqlmodel import Field

from konstruct.tables.base import Owned, document, moment


class SlackAttempt(Owned, table=True):
    """A person whom we have sent to Slack to allow the app, and who is awaited back."""

    __tablename__ = "slack_attempts"
    __table_args__ = (
        UniqueConstraint("tenant_id", "digest"),
        ForeignKeyConstraint(["tenant_id"], ["tenants.id"], ondelete="CASCADE"),
        ForeignKeyConstraint(["tenant_id", "employee_id"], ["employees.tenant_id", "employees.id"], ondelete="CASCADE"),
    )

    digest: bytes = Field(sa_type=LargeBinary)
    """SHA-256 of the state, which itself is kept nowhere."""
    browser_digest: bytes = Field(sa_type=LargeBinary)
    """The same of what the browser holds that was sent there."""
    user_id: UUID
    session_id: UUID
    employee_id: UUID
    """Who is to serve the workspace."""
    redirect_uri: str
    created_at: datetime = moment()
    expires_at: datetime = moment()
    used_at: datetime | None = moment(optional=True)


class WhatsAppDraft(Owned, table=True):
    """The form for a WhatsApp number as far as a person has filled it in."""

    __tablename__ = "whatsapp_drafts"
    __table_args__ = (
        UniqueConstraint("tenant_id", "user_id"),
        ForeignKeyConstraint(["tenant_id"], ["tenants.id"], ondelete="CASCADE"),
    )

    user_id: UUID
    content: dict[str, Any] = document()
    """What is no secret, by field."""
    sealed_secrets: str | None = None
    updated_at: datetime = moment()
