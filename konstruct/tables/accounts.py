"""People who sign in: who they are, where they are signed in, what they belong to, and what was mailed to them."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import LargeBinary, UniqueConstraint
from sqlmodel import Field, SQLModel

from konstruct.identity import new_id
from konstruct.tables.base import Owned, document, moment


class User(SQLModel, table=True):
    __tablename__ = "users"

    id: UUID = Field(default_factory=new_id, primary_key=True)
    email: str = Field(unique=True)
    """In small letters, so that one mailbox is one person."""
    name: str
    password_hash: str | None = None
    time_zone: str = "UTC"
    """In which times are shown, as the IANA names it."""
    language: str = "en"
    verified_at: datetime = moment()
    created_at: datetime = moment()


class OfPerson(SQLModel):
    """A row of one person: keyed by the person first."""

    user_id: UUID = Field(primary_key=True)
    id: UUID = Field(default_factory=new_id, primary_key=True)


class UserSession(OfPerson, table=True):
    __tablename__ = "user_sessions"

    digest: bytes = Field(sa_type=LargeBinary, unique=True)
    """SHA-256 of what the browser holds, which itself is kept nowhere."""
    factor: str
    """How the person showed who they are: ``password``, or what other ways there are."""
    agent: str
    """The browser in a few words."""
    address: str
    created_at: datetime = moment()
    last_seen_at: datetime = moment()
    authenticated_at: datetime = moment()
    """When the person last showed who they are."""


class UserDevice(OfPerson, table=True):
    __tablename__ = "user_devices"
    __table_args__ = (UniqueConstraint("user_id", "digest"),)

    digest: bytes = Field(sa_type=LargeBinary)
    used_at: datetime = moment()


class AccountToken(OfPerson, table=True):
    """A link that was mailed, good once."""

    __tablename__ = "account_tokens"

    purpose: str
    digest: bytes = Field(sa_type=LargeBinary, unique=True)
    content: dict[str, Any] = document()
    created_at: datetime = moment()
    expires_at: datetime = moment()


class Membership(SQLModel, table=True):
    __tablename__ = "memberships"

    tenant_id: UUID = Field(primary_key=True)
    user_id: UUID = Field(primary_key=True)
    role: str
    created_at: datetime = moment()


class Invitation(Owned, table=True):
    __tablename__ = "invitations"
    __table_args__ = (UniqueConstraint("tenant_id", "email"),)

    email: str
    role: str
    digest: bytes = Field(sa_type=LargeBinary, unique=True)
    invited_by: UUID | None = None
    created_at: datetime = moment()
    expires_at: datetime = moment()


class QueuedMail(SQLModel, table=True):
    """A mail on its way. The product may add one; how it comes out again is in the migrations."""

    __tablename__ = "mails"

    id: UUID = Field(default_factory=new_id, primary_key=True)
    sealed: str
    due_at: datetime = moment()
    attempts: int = 0
    created_at: datetime = moment()
