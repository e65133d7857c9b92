"""The agents of a tenant, their groups, and the terms on which each group is asked."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final, Literal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct.accounts import team
from konstruct.accounts.permissions import allows
from konstruct.desk import hours
from konstruct.desk.hours import DAYS, Hours
from konstruct.tables import Tenant

Ringing = Literal["all_at_once", "in_order"]
Ending = Literal["apologise", "hand_back"]
"""What is done when nobody came: the contact may leave word for a call back, or is the employee's again."""

_MEMBER: Final = "user:"
PHONE: Final = "Phone"
"""Who has a conversation that was answered from the business's own phone: nobody's key, so whoever is at the desk may
take it from there, or hand it back."""
EVERYONE: Final = "everyone"
"""What the group is called that takes handoffs where the tenant has none of its own."""
DURATIONS: Final = ("ring_for", "remind_every", "tell_contact_every", "email_after", "give_up_after")
"""Of a group's terms; they are stored in seconds."""


@dataclass(frozen=True)
class Person:
    """An agent. ``slack``: their user's id there."""

    key: str
    name: str
    slack: str | None = None
    email: str | None = None


@dataclass(frozen=True)
class Group:
    """Durations are of time in which it is open. With nobody in it, it is asked over the API alone."""

    key: str
    people: tuple[Person, ...] = ()
    time_zone: str = "UTC"
    """That times are told in."""
    hours: Hours | None = None
    """None: it is always open."""
    ring: Ringing = "all_at_once"
    ring_for: timedelta = timedelta(minutes=5)
    """For how long one person rings before the next does, in order."""
    remind_every: timedelta = timedelta(minutes=15)
    tell_contact_every: timedelta = timedelta(minutes=30)
    email_after: timedelta = timedelta(minutes=10)
    give_up_after: timedelta = timedelta(hours=8)
    then: Ending = "apologise"


@dataclass(frozen=True)
class Desk:
    connection_key: str | None = None
    """Of the Slack connection in whose ``channel`` agents are shown handoffs; None: they come over the API alone."""
    channel: str | None = None
    people: tuple[Person, ...] = ()
    groups: tuple[Group, ...] = ()
    default: Group = Group(EVERYONE)
    """For handoffs that name nobody."""
    members: tuple[Person, ...] = ()
    """Who may act as an agent by their role in the team, and is none of ``people``: they come by the portal."""

    def agent(self, key: str) -> Person | None:
        return next((person for person in (*self.people, *self.members) if person.key == key), None)

    def name_of(self, key: str | None) -> str:
        """As people know the agent; who left the desk by the key that is left of them."""
        if key is None:
            return "Somebody"
        person = self.agent(key)
        if person is None and is_member_key(key):
            return "Somebody who left the team"
        return person.name if person else key

    def has_left(self, key: str | None) -> bool:
        """Whether nobody is there any more who goes by it: what they have is anybody's to take. Where the desk names
        nobody, keys are of programs, which are not known here."""
        if key in (None, PHONE):
            return True
        return self.agent(key) is None and (bool(self.people) or is_member_key(key))

    def agent_for_slack(self, user: str) -> Person | None:
        return next((person for person in self.people if person.slack == user), None)

    def group_for(self, to: str | None) -> Group:
        """Whom a handoff is for. A person alone is a group of one on the default's terms. Who is no longer there is
        replaced by the default: a handoff has to reach somebody."""
        group = next((group for group in self.groups if group.key == to), None)
        person = self.agent(to) if to is not None else None
        if group is None and person is not None:
            return replace(self.default, key=person.key, people=(person,))
        return group or self.default


async def settings(session: AsyncSession) -> Desk:
    """Of the session's tenant. Where nobody is named as being at its desk, whoever of the team may act is asked."""
    kept, time_zone = (await session.execute(select(col(Tenant.desk), col(Tenant.time_zone)))).one()
    desk = read(kept, time_zone)
    at_desk = {person.email.casefold() for person in desk.people if person.email}
    members = [
        Person(member_key(member.user_id), member.name or member.email, email=member.email)
        for member in await team.members(session)
        if allows(member.role, "inbox.act") and member.email.casefold() not in at_desk
    ]
    if desk.people:
        return replace(desk, members=tuple(members))
    return replace(desk, members=tuple(members), default=replace(desk.default, people=tuple(members)))


def member_key(user_id: UUID) -> str:
    """By which the desk knows a member of the team who is none of its people."""
    return f"{_MEMBER}{user_id}"


def is_member_key(key: str) -> bool:
    return key.startswith(_MEMBER)


async def agent_key(session: AsyncSession, user_id: UUID, email: str) -> str:
    """By which the desk knows somebody of the team: as the person who has their address there, else as a member."""
    desk = await settings(session)
    found = (person.key for person in desk.people if person.email and person.email.casefold() == email.casefold())
    return next(found, member_key(user_id))


def read(kept: dict[str, Any], time_zone: str) -> Desk:
    """From what is stored of a manifest; ``time_zone`` is the tenant's, which holds where a group names none."""
    people = {key: Person(key, **person) for key, person in kept.get("people", {}).items()}
    groups = {key: _group(key, group, people, time_zone) for key, group in kept.get("groups", {}).items()}
    everyone = Group(EVERYONE, tuple(people.values()), time_zone)
    default = groups.get(kept.get("default", ""), everyone)
    if len(groups) == 1:
        [default] = groups.values()
    return Desk(kept.get("connection"), kept.get("channel"), tuple(people.values()), tuple(groups.values()), default)


def _group(key: str, kept: dict[str, Any], people: dict[str, Person], time_zone: str) -> Group:
    terms: dict[str, Any] = {name: kept[name] for name in ("ring", "then") if name in kept}
    terms |= {name: timedelta(seconds=kept[f"{name}_seconds"]) for name in DURATIONS if f"{name}_seconds" in kept}
    open_hours = None
    if "hours" in kept:
        time_zone = kept["hours"].get("time_zone", time_zone)
        days = {day: text for day, text in kept["hours"].items() if day in DAYS}
        open_hours = hours.read(time_zone, days, kept["hours"].get("closed", ()))
    return Group(key, tuple(people[person] for person in kept["people"]), time_zone, open_hours, **terms)
