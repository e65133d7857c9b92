"""What of the inbox an address asks for: all filters are in it, so that it can be sent to a colleague and kept."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Final
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Request
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct.connecting import overview
from konstruct.desk import people
from konstruct.identity import id_in
from konstruct.tables import Connection
from konstruct.workbench.views import PRIORITIES, VIEWS, Asked, View
from portal import channel_words
from portal.access import Member

TITLES: Final[Mapping[View, str]] = {
    "needs": "Needs a person",
    "mine": "Mine",
    "owned": "With agents",
    "open": "Open",
    "told": "Heads-up",
    "closed": "Closed",
    "all": "All",
}
TABS: Final[Sequence[tuple[View, str]]] = (("needs", "Needs you"), ("mine", "Mine"), ("open", "Open"), ("all", "All"))
"""Those that are always at hand; the others are in a menu."""
_LONGEST: Final = 200
_NOTHING: Final = UUID(int=0)


@dataclass(frozen=True)
class Filters:
    """As the address has them; empty where it asks for nothing."""

    view: str = "needs"
    employee: str = ""
    channel: str = ""
    kind: str = ""
    to: str = ""
    priority: str = ""
    q: str = ""
    after: str = ""

    @classmethod
    def of(cls, request: Request) -> "Filters":
        given = {each.name: request.query_params.get(each.name, "").strip()[:_LONGEST] for each in fields(cls)}
        return cls(**given | {"view": given["view"] if given["view"] in VIEWS else "needs"})

    @property
    def chosen(self) -> int:
        """How many of those are set that stand in the form of filters."""
        return sum(bool(each) for each in (self.employee, self.channel, self.kind, self.to, self.priority))

    def query(self, **changed: str) -> str:
        """Of an address that asks for the same but for what is changed; with its question mark, or empty."""
        # Another view, or other filters, begin at their first page.
        kept = {"after": ""} | changed if changed else {}
        set_ones = {name: value for name, value in asdict(replace(self, **kept)).items() if value}
        if set_ones.get("view") == "needs":
            del set_ones["view"]
        return f"?{urlencode(set_ones)}" if set_ones else ""

    @property
    def hidden(self) -> Mapping[str, str]:
        """What the form of filters carries along."""
        return {name: value for name, value in (("view", self.view), ("q", self.q)) if value}


@dataclass(frozen=True)
class Choices:
    """What the form of filters offers: pairs of value and text."""

    employee: Sequence[tuple[str, str]]
    channel: Sequence[tuple[str, str]]
    kind: Sequence[tuple[str, str]]
    to: Sequence[tuple[str, str]]
    priority: Sequence[tuple[str, str]]


async def choices(session: AsyncSession) -> Choices:
    employees = await overview.employees(session)
    connections = await session.scalars(
        select(Connection).where(col(Connection.kind) != "rehearsal").order_by(col(Connection.created_at))
    )
    channels = [(str(each.id), channel_words.title(each), each.kind) for each in connections]
    desk = await people.settings(session)
    kinds = dict.fromkeys(kind for _, _, kind in channels)
    return Choices(
        employee=[("", "Any employee"), *((each.key, each.name) for each in employees)],
        channel=[("", "Any channel"), *((value, title) for value, title, _ in channels)],
        kind=[("", "Any kind"), *((kind, channel_words.KINDS.get(kind, kind)) for kind in kinds)],
        to=[
            ("", "Anybody"),
            *((group.key, group.key) for group in desk.groups),
            *((person.key, person.name) for person in (*desk.people, *desk.members)),
        ],
        priority=[("", "Any priority"), *((each, each.capitalize()) for each in PRIORITIES)],
    )


async def asked(session: AsyncSession, member: Member, filters: Filters) -> Asked:
    employees = {each.key: each.employee_id for each in await overview.employees(session)}
    return Asked(
        view=filters.view,  # type: ignore[arg-type]
        agent=await people.agent_key(session, member.user_id, member.email),
        # What there is not is a filter all the same: nothing passes it.
        employee_id=employees.get(filters.employee, _NOTHING) if filters.employee else None,
        connection_id=(id_in(filters.channel) or _NOTHING) if filters.channel else None,
        kind=filters.kind or None,
        to=filters.to or None,
        priority=filters.priority or None,
        text=filters.q,
        after=filters.after or None,
    )
