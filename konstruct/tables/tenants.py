"""Tenants, their wrapped data keys and their channel accounts."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKeyConstraint, LargeBinary, UniqueConstraint
from sqlmodel import Field, SQLModel

from konstruct.identity import new_id
from konstruct.tables.base import Owned, document, moment


class Tenant(SQLModel, table=True):
    __tablename__ = "tenants"

    id: UUID = Field(default_factory=new_id, primary_key=True)
    slug: str = Field(unique=True)
    name: str
    models: list[str] = document(list)
    limits: dict[str, str] = document()
    time_zone: str = "UTC"
    """Of the business, as the IANA names it."""
    approvals: dict[str, Any] = document()
    """Where people are asked, who of them may decide, and for how long it is waited."""
    desk: dict[str, Any] = document()
    """The people who take conversations over, in groups, with their hours and what is done when nobody comes."""
    onboarding: dict[str, Any] = document()
    """What of the first three steps cannot be seen from elsewhere: see ``konstruct.onboarding``."""
    requires_second_factor: bool = False
    """Of all its members: who has none is let in nowhere before setting one up."""
    retention: dict[str, int] = document()
    """For how many days messages, files and memories are kept; what is not named is kept for good."""
    budgets: dict[str, Any] = document()
    """US dollars for models in a calendar month: see ``konstruct.budgets.terms``."""
    satisfaction: dict[str, Any] = document()
    """Whether, when and how contacts are asked how they were helped: see ``konstruct.satisfaction``."""
    created_at: datetime = moment()
    deleted_at: datetime | None = moment(optional=True)
    """Since when it is nobody's any more."""
    cleared_at: datetime | None = moment(optional=True)
    """Since when nothing of it is left but its audit trail."""


class TenantKey(SQLModel, table=True):
    """The tenant's data key, wrapped by the deployment's: without this row its secrets are unreadable."""

    __tablename__ = "tenant_keys"

    tenant_id: UUID = Field(primary_key=True, foreign_key="tenants.id", ondelete="CASCADE")
    wrapped: str
    previous: str | None = None
    """The data key before it: what somebody read a moment ago may still be under it."""
    digesting: str | None = None
    """The key of digests, from when the first data key was replaced on. It stays: see ``konstruct.vault``."""
    newest: str | None = None
    """The id of the deployment's key that was the newest when ``wrapped`` was made."""
    is_resealed: bool = True
    """Whether nothing that is kept is under ``previous`` any more."""
    created_at: datetime = moment()


class Connection(Owned, table=True):
    """A channel account of a tenant. ``account`` is the channel's own name for it and belongs to one tenant only."""

    __tablename__ = "connections"
    __table_args__ = (
        UniqueConstraint("tenant_id", "key"),
        UniqueConstraint("kind", "account"),
        ForeignKeyConstraint(["tenant_id"], ["tenants.id"], ondelete="CASCADE"),
        ForeignKeyConstraint(["tenant_id", "employee_id"], ["employees.tenant_id", "employees.id"]),
    )

    key: str
    kind: str
    account: str
    """Slack: ``{enterprise id or -}/{team id or -}``; WhatsApp: the number's id; console: the tenant's slug.
    Of one that was disconnected: ``disconnected/{its id}``, so that the account is free."""
    external: dict[str, Any] = document()
    """Ids and names that are no secret. Slack: team_id, enterprise_id, app_id, bot_user_id, bot_id, team_name;
    WhatsApp: phone_number_id, waba_id, display_phone_number, and the template that asks people to write again."""
    functions: list[str] = document(list)
    """What it is for, each in a few words; without any it is not held to them."""
    sealed_secrets: str | None = None
    employee_id: UUID
    """Who serves it where no binding of a channel says otherwise."""
    status: str = "active"
    status_reason: str | None = None
    status_changed_at: datetime = moment()
    last_event_at: datetime | None = moment(optional=True)
    """When the channel last told us something, to within some seconds."""
    token_expires_at: datetime | None = moment(optional=True)
    renew_at: datetime | None = moment(optional=True)
    """When the token is to be renewed; None where none expires."""
    renewing_until: datetime | None = moment(optional=True)
    """Somebody renews it, until then at the latest."""
    renewal_problem: str | None = None
    """Why the last attempt came to nothing, in a sentence for whoever runs the tenant."""
    created_at: datetime = moment()


class ApiKey(Owned, table=True):
    """Lets a program act for a tenant, within its scopes."""

    __tablename__ = "api_keys"
    __table_args__ = (
        UniqueConstraint("tenant_id", "name"),
        UniqueConstraint("digest"),
        ForeignKeyConstraint(["tenant_id"], ["tenants.id"], ondelete="CASCADE"),
    )

    name: str
    digest: bytes = Field(sa_type=LargeBinary)
    """SHA-256 of the key, which itself is kept nowhere."""
    scopes: list[str] = document(list)
    created_at: datetime = moment()
    last_used_at: datetime | None = moment(optional=True)
    """To within a few minutes."""
    revoked_at: datetime | None = moment(optional=True)


class ModelKey(Owned, table=True):
    """The tenant's own access to a provider of models, which stands in the place of the deployment's."""

    __tablename__ = "model_keys"
    __table_args__ = (
        UniqueConstraint("tenant_id", "provider"),
        ForeignKeyConstraint(["tenant_id"], ["tenants.id"], ondelete="CASCADE"),
    )

    provider: str
    base_url: str | None = None
    """None: where the deployment asks this provider."""
    sealed: str | None = None
    """None where the server wants no key."""
    last_four: str | None = None
    fingerprint: str | None = None
    """The same for the same key of this tenant, and for no other."""
    created_by: str
    created_at: datetime = moment()
    tested_at: datetime = moment()
    """When it last worked in a test."""
    refused_at: datetime | None = moment(optional=True)
    refused_why: str | None = None
    """Since when, and with which kind of error, the provider refuses it; gone once it takes it again."""
    falls_back: bool = False
    """Whether the deployment's key is asked where the provider refuses this one."""


class RetentionRun(SQLModel, table=True):
    """What the last run of a tenant's retention let go of, or has so far."""

    __tablename__ = "retention_runs"
    __table_args__ = (ForeignKeyConstraint(["tenant_id"], ["tenants.id"], ondelete="CASCADE"),)

    tenant_id: UUID = Field(primary_key=True)
    started_at: datetime = moment()
    ended_at: datetime | None = moment(optional=True)
    messages: int = Field(default=0, sa_type=BigInteger)
    files: int = Field(default=0, sa_type=BigInteger)
    memories: int = Field(default=0, sa_type=BigInteger)
