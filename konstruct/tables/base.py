"""Column shapes that every table shares."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import DateTime
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from konstruct.identity import new_id


def utc_now() -> datetime:
    return datetime.now(UTC)


def moment(*, optional: bool = False, index: bool = False) -> Any:
    """A column that holds a point in time with its zone; set at creation unless it is optional."""
    if optional:
        return Field(default=None, sa_type=DateTime(timezone=True), index=index)
    return Field(default_factory=utc_now, sa_type=DateTime(timezone=True), index=index)


def document(default: type[dict[str, Any]] | type[list[Any]] = dict) -> Any:
    """A JSONB column for data whose shape is checked where it enters."""
    return Field(default_factory=default, sa_type=JSONB)


class Owned(SQLModel):
    """A row of one tenant: keyed by tenant first, so that a foreign key can never cross tenants."""

    tenant_id: UUID = Field(primary_key=True)
    id: UUID = Field(default_factory=new_id, primary_key=True)
