"""Which employees have a tool or search a source: what is published of them, and what their open drafts say."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct.designs.drafting import IS_OPEN
from konstruct.employees import IS_PUBLISHED
from konstruct.tables import Employee, EmployeeDraft, EmployeeVersion


@dataclass(frozen=True)
class User:
    """An employee that names something."""

    key: str
    name: str
    is_published: bool
    """Whether what contacts meet names it; else its draft does."""


@dataclass(frozen=True)
class _Design:
    key: str
    name: str
    published: frozenset[str]
    drafted: frozenset[str]
    """Names of tools, or keys of sources with ``knowledge:`` before them."""


class Users:
    """Of one tenant's tools and sources."""

    def __init__(self, designs: Iterable[_Design]) -> None:
        self._designs = list(designs)

    def of_source(self, key: str) -> list[User]:
        return self._naming({f"knowledge:{key}"})

    def of_tool(self, name: str) -> list[User]:
        """``name``: of a tool, be it built in, one of the tenant's, or one that a server offers as ``crm/find``."""
        return self._naming({name})

    def of_server(self, key: str) -> list[User]:
        """Those that have any of its tools."""
        named = {name for each in self._designs for name in each.published | each.drafted}
        return self._naming({name for name in named if name.startswith(f"{key}/")})

    def _naming(self, names: set[str]) -> list[User]:
        return [
            User(each.key, each.name, bool(names & each.published))
            for each in self._designs
            if names & (each.published | each.drafted)
        ]


async def users(session: AsyncSession) -> Users:
    """Of the session's tenant, without employees that are archived."""
    drafted = [col(EmployeeDraft.content)[name] for name in ("name", "tools", "knowledge")]
    rows = await session.execute(
        select(
            col(Employee.key),
            *(col(getattr(EmployeeVersion, name)) for name in ("name", "tools", "knowledge")),
            *drafted,
        )
        .outerjoin(EmployeeVersion, IS_PUBLISHED)
        .outerjoin(EmployeeDraft, IS_OPEN)
        .where(col(Employee.archived_at).is_(None))
    )
    found = [_design(*row) for row in rows]
    return Users(sorted(found, key=lambda each: (each.name.casefold(), each.key)))


def _design(key: str, *said: Any) -> _Design:
    name, tools, knowledge, drafted_name, drafted_tools, drafted_knowledge = said
    return _Design(key, name or drafted_name or key, _names(tools, knowledge), _names(drafted_tools, drafted_knowledge))


def _names(tools: Any, knowledge: Any) -> frozenset[str]:
    """A draft may hold what is no name, since it is checked only when it is published."""
    named = [each.get("name") if isinstance(each, dict) else each for each in tools or ()]
    sources = [f"knowledge:{key}" for key in knowledge or ()]
    return frozenset(name for name in [*named, *sources] if isinstance(name, str))
