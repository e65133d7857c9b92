"""When a tenant has its contacts asked, by its own choice: whether, after what, how often, whom, and in which words."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct import tenant_settings
from konstruct.errors import Mistakes
from konstruct.manifest.fields import Section
from konstruct.tables import Connection, Employee, Tenant

MOST_MINUTES: Final = 12 * 60
"""Longer than that nobody remembers what it was about, and some channels take no question any more."""
MOST_DAYS: Final = 365
LONGEST_QUESTION: Final = 300
_LISTS: Final = ("employees", "connections")


class _Wanted(Section):
    enabled: bool
    after_person: bool
    after_quiet: bool
    quiet_minutes: Annotated[int, Field(ge=2, le=MOST_MINUTES)]
    every_days: Annotated[int, Field(ge=1, le=MOST_DAYS)]
    employees: list[str]
    connections: list[str]
    question: Annotated[str, Field(max_length=LONGEST_QUESTION)]


@dataclass(frozen=True)
class Terms:
    enabled: bool = False
    after_person: bool = True
    """Once a person has resolved a conversation or handed it back."""
    after_quiet: bool = True
    """Once an employee's answer has stayed the last word for ``quiet_minutes``."""
    quiet_minutes: int = 30
    every_days: int = 7
    """A contact is asked once in so many days at most."""
    employees: tuple[str, ...] = ()
    """Keys of those after whose conversations is asked; none: all."""
    connections: tuple[str, ...] = ()
    """The same of channels."""
    question: str = ""
    """In the tenant's own words; empty: in ours, and in the contact's language."""

    @property
    def quiet_for(self) -> timedelta:
        return timedelta(minutes=self.quiet_minutes)

    @property
    def again_after(self) -> timedelta:
        return timedelta(days=self.every_days)


async def read(session: AsyncSession) -> Terms:
    """Of the session's tenant."""
    return of((await session.execute(select(col(Tenant.satisfaction)))).scalar_one())


def of(kept: Mapping[str, Any]) -> Terms:
    """From what is stored."""
    known: dict[str, Any] = {name: kept[name] for name in Terms.__dataclass_fields__ if name in kept}
    known |= {name: tuple(known[name]) for name in _LISTS if name in known}
    return Terms(**known)


async def change(session: AsyncSession, tenant_id: UUID, wanted: Mapping[str, Any], *, actor: str) -> list[str]:
    """All of it at once; the names of what was set. Raises Mistakes."""
    read = tenant_settings.checked(_Wanted, wanted).model_dump()
    if read["enabled"] and not (read["after_person"] or read["after_quiet"]):
        raise Mistakes({"after_quiet": "Choose when they are asked, or switch it off."})
    await _be_known(session, "employees", read["employees"], Employee)
    await _be_known(session, "connections", read["connections"], Connection)
    tenant = await tenant_settings.locked(session, tenant_id)
    return tenant_settings.put(session, tenant, {"satisfaction": read}, actor=actor)


async def _be_known(
    session: AsyncSession, field: str, keys: list[str], table: type[Employee] | type[Connection]
) -> None:
    known = set(await session.scalars(select(col(table.key)).where(col(table.key).in_(keys))))
    if missing := [key for key in keys if key not in known]:
        raise Mistakes({field: f"There is none called {', '.join(missing)} here."})
