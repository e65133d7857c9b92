"""By which names people know those who did something."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from konstruct.accounts import team
from konstruct.desk import people
from konstruct.desk.people import Desk

_KNOWN: Final[Mapping[str, str]] = {
    "runtime": "Konstruct",
    "contact": "The contact",
    "limiter": "Konstruct",
    "memory": "Konstruct",
    "system": "Konstruct",
    "judge": "Konstruct",
    "channel": "The channel",
}


@dataclass(frozen=True)
class Names:
    """Of all who may have done something in a tenant. ``employee``: who serves where it is asked."""

    members: Mapping[str, str]
    desk: Desk
    employee: str = "The employee"

    def of(self, actor: str | None) -> str:
        if not actor:
            return "Somebody"
        if actor == "employee":
            return self.employee
        if actor in _KNOWN:
            return _KNOWN[actor]
        if actor in self.members:
            return self.members[actor]
        kind, _, rest = actor.partition(":")
        if kind == "api" and rest:
            return f"The API key {rest}"
        if kind == "slack" and rest:
            known = self.desk.agent_for_slack(rest)
            return known.name if known else f"{rest} in Slack"
        if kind == "user" and rest:
            return "Somebody who has left"
        person = self.desk.agent(actor)
        return person.name if person else actor


async def names(session: AsyncSession, employee: str = "The employee") -> Names:
    """Of the session's tenant."""
    members = {f"user:{member.user_id}": member.name or member.email for member in await team.members(session)}
    return Names(members, await people.settings(session), employee)
