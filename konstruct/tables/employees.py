"""Employees, their published versions, and the channels they are bound to."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, LargeBinary, UniqueConstraint
from sqlmodel import Field

from konstruct.tables.base import Owned, document, moment


class Employee(Owned, table=True):
    __tablename__ = "employees"
    __table_args__ = (
        UniqueConstraint("tenant_id", "key"),
        ForeignKeyConstraint(["tenant_id"], ["tenants.id"], ondelete="CASCADE"),
    )

    key: str
    published_version: int = 0
    """0 until it is published for the first time: till then it is a draft, and serves nobody."""
    created_at: datetime = moment()
    archived_at: datetime | None = moment(optional=True)
    """Since when it takes no new conversations."""


class EmployeeVersion(Owned, table=True):
    """What an employee is, as it was published once. Never changed afterwards."""

    __tablename__ = "employee_versions"
    __table_args__ = (
        UniqueConstraint("tenant_id", "employee_id", "number"),
        ForeignKeyConstraint(["tenant_id", "employee_id"], ["employees.tenant_id", "employees.id"], ondelete="CASCADE"),
        ForeignKeyConstraint(["tenant_id", "picture"], ["employee_pictures.tenant_id", "employee_pictures.id"]),
    )

    employee_id: UUID
    number: int
    name: str
    role: str
    persona: str
    system_prompt: str
    greeting: str
    suggested_prompts: list[str] = document(list)
    models: list[str] = document(list)
    tools: list[dict[str, Any]] = document(list)
    """Which it may use, by name, and what of each it may do without asking."""
    knowledge: list[str] = document(list)
    """The sources that it may search, by key."""
    caps: dict[str, Any] = document()
    """What one turn may take."""
    escalation: list[dict[str, Any]] = document(list)
    picture: UUID | None = None
    language: str = ""
    """The code of the one that it keeps to; empty: whichever it is written to in."""
    hours: dict[str, Any] = document()
    """When it answers, as the desk's groups have theirs; empty: always."""
    away_reply: str = ""
    """What it says outside of them; empty: what it says then anyway."""
    published_by: str = ""
    """Empty for versions from before this was kept."""
    note: str = ""
    restored_from: int | None = None
    """The version of which this one is a copy."""
    published_at: datetime = moment()


class EmployeeDraft(Owned, table=True):
    """What an employee is to be. There is one at most, which people share."""

    __tablename__ = "employee_drafts"
    __table_args__ = (
        UniqueConstraint("tenant_id", "employee_id"),
        ForeignKeyConstraint(["tenant_id", "employee_id"], ["employees.tenant_id", "employees.id"], ondelete="CASCADE"),
    )

    employee_id: UUID
    revision: int
    """Goes up whenever it is saved."""
    base_version: int
    """The version that was published when it was begun."""
    content: dict[str, Any] = document()
    """As a version has it; it need not be whole."""
    is_open: bool = True
    """False of one that was published or discarded."""
    saved_by: str
    saved_at: datetime = moment()


class EmployeePicture(Owned, table=True):
    """A small JPEG. Never changed afterwards."""

    __tablename__ = "employee_pictures"
    __table_args__ = (ForeignKeyConstraint(["tenant_id"], ["tenants.id"], ondelete="CASCADE"),)

    content: bytes = Field(sa_type=LargeBinary)
    created_at: datetime = moment()


class EmployeeBinding(Owned, table=True):
    """Which employee serves one channel of a connection."""

    __tablename__ = "employee_bindings"
    __table_args__ = (
        UniqueConstraint("tenant_id", "connection_id", "channel"),
        ForeignKeyConstraint(
            ["tenant_id", "connection_id"], ["connections.tenant_id", "connections.id"], ondelete="CASCADE"
        ),
        ForeignKeyConstraint(["tenant_id", "employee_id"], ["employees.tenant_id", "employees.id"], ondelete="CASCADE"),
    )

    connection_id: UUID
    channel: str
    employee_id: UUID
