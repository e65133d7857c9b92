"""Employees, their published versions, and the channels they are bound to."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, UniqueConstraint

from konstruct.tables.base import Owned, document, moment


class Employee(Owned, table=True):
    __tablename__ = "employees"
    __table_args__ = (
        UniqueConstraint("tenant_id", "key"),
        ForeignKeyConstraint(["tenant_id"], ["tenants.id"], ondelete="CASCADE"),
    )

    key: str
    published_version: int = 0
    created_at: datetime = moment()


class EmployeeVersion(Owned, table=True):
    """What an employee is, as it was published once. Never changed afterwards."""

    __tablename__ = "employee_versions"
    __table_args__ = (
        UniqueConstraint("tenant_id", "employee_id", "number"),
        ForeignKeyConstraint(["tenant_id", "employee_id"], ["employees.tenant_id", "employees.id"], ondelete="CASCADE"),
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
    published_at: datetime = moment()


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
