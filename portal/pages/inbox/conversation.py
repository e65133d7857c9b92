"""The open conversation in the inbox: what its middle and its right pane show, and what whoever looks may do there."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import Request
from sqlalchemy.ext.asyncio import AsyncSession

from konstruct.desk import hours, people, texts
from konstruct.desk.people import PHONE, Desk
from konstruct.errors import KonstructError
from konstruct.identity import new_id
from konstruct.tables.base import utc_now
from konstruct.workbench import about, thread
from konstruct.workbench.about import About, Place, Written
from konstruct.workbench.thread import File, Said, Thread
from portal import channel_words, inbox_words
from portal.access import Member
from portal.pages.rehearsals import readable
from portal.services import services
from portal.words import money

Standing = Literal["mine", "nobodys", "employees", "colleagues", "left"]
"""Whose it is, for who looks: ``nobodys`` waits for somebody, ``left`` was left behind by who is there no more."""


@dataclass(frozen=True)
class Refused:
    """What somebody sent, which was not done: nothing of it is to be lost."""

    sentence: str
    status: int
    text: str = ""
    is_note: bool = False


@dataclass(frozen=True)
class Pane:
    place: Place
    thread: Thread
    about: About
    desk: Desk
    me: str | None
    """The key by which the desk knows who looks; None: they only look."""
    standing: Standing
    may_manage: bool
    now: datetime
    time_zone: ZoneInfo
    begun: str
    """What the reply begins with, where somebody chose a draft."""
    refused: Refused | None

    @property
    def owner(self) -> str:
        """Who has it, by name."""
        conversation = self.place.conversation
        return self.desk.name_of(conversation.agent) if conversation.owner == "agent" else self.place.employee

    @property
    def may_take(self) -> bool:
        """Whether they may take it over; from a colleague, if that is who has it."""
        is_theirs = self.standing == "mine" or (self.standing == "colleagues" and not self.may_manage)
        return self.me is not None and not is_theirs and not self.place.is_erased

    @property
    def may_note(self) -> bool:
        return self.me is not None and self.place.handoff is not None and not self.place.is_erased

    @property
    def composer(self) -> str:
        """Another one, once something else can be done in it."""
        place = self.place
        parts = ["none" if self.me is None or place.is_erased else self.standing, str(place.conversation.epoch)]
        parts += [place.outlook, "out"] if place.has_opted_out else [place.outlook]
        return "-".join([*parts, "note"] if self.may_note else parts)

    @property
    def draft(self) -> Written | None:
        """The newest that was asked for since somebody answered."""
        drafts = [each for each in self.about.drafts if each.kind == "draft"]
        answered = [line.at for line in self.thread.lines if isinstance(line, Said) and line.author == "agent"]
        return drafts[0] if drafts and (not answered or drafts[0].at > answered[-1]) else None

    @property
    def summary(self) -> Written | None:
        """The newest that was asked for."""
        return next((each for each in self.about.drafts if each.kind == "summary"), None)

    @property
    def files(self) -> Sequence[tuple[Said, File]]:
        said = [line for line in self.thread.lines if isinstance(line, Said)]
        return [(line, file) for line in reversed(said) for file in line.files]

    @property
    def targets(self) -> list[tuple[str, str]]:
        """Whom it can be given: value and text, people before groups."""
        found = [
            (each.key, f"{each.name} – {self._presence(each.key)}")
            for each in (*self.desk.people, *self.desk.members)
            if each.key != self.me
        ]
        return found + [(each.key, f"Group {each.key} – {self._hours(each)}") for each in self.desk.groups]

    def day(self, at: datetime) -> date:
        return at.astimezone(self.time_zone).date()

    def day_name(self, day: date) -> str:
        ago = (self.day(self.now) - day).days
        return {0: "Today", 1: "Yesterday"}.get(ago) or f"{day:%A}, {day.day} {day:%B %Y}"

    def _presence(self, key: str) -> str:
        """By the hours of their groups; who is in none comes when they come."""
        groups = [group for group in self.desk.groups if any(person.key == key for person in group.people)]
        if not groups:
            return "in the team"
        opens = [at for group in groups if (at := hours.opens_next(group.hours, self.now)) is not None]
        if not opens:
            return "away"
        return "at the desk now" if min(opens) <= self.now else f"away until {self._moment(min(opens), groups[0])}"

    def _hours(self, group: people.Group) -> str:
        opens = hours.opens_next(group.hours, self.now)
        if opens is None:
            return "closed"
        return "open now" if opens <= self.now else f"closed until {self._moment(opens, group)}"

    def _moment(self, at: datetime, group: people.Group) -> str:
        return texts.moment(at, group.time_zone)


async def pane(request: Request, member: Member, session: AsyncSession, conversation_id: UUID) -> dict[str, Any]:
    """Raises NotFound when the session's tenant has no such conversation."""
    vault = services(request).vault
    place = await about.place(session, vault, conversation_id)
    desk = await people.settings(session)
    me = await people.agent_key(session, member.user_id, member.email) if member.may("inbox.act") else None
    beside = await about.read(session, vault, place, desk)
    shown = await thread.read(
        *(session, vault, place.conversation, desk, place.employee), since_seq=_number(request.query_params.get("from"))
    )
    made = Pane(
        place=place,
        thread=shown,
        about=beside,
        desk=desk,
        me=me,
        standing=_standing(place, desk, me),
        may_manage=member.may("inbox.manage"),
        now=utc_now(),
        time_zone=_zone(member.time_zone),
        begun=_begun(beside, request.query_params.get("use", "")),
        refused=getattr(request.state, "refused", None),
    )
    connection = place.connection
    return {
        "pane": made,
        "words": inbox_words,
        "channel_title": channel_words.title(connection),
        "channel_icon": channel_words.ICONS.get(connection.kind, "plug"),
        "channel_kind": channel_words.KINDS.get(connection.kind, connection.kind),
        "money": money,
        "readable": readable,
        "new_id": new_id,
    }


def refuse(request: Request, error: KonstructError, text: str = "", *, is_note: bool = False) -> Refused:
    """Has the pane say that something was not done, with what was written."""
    request.state.refused = refused = Refused(str(error), error.status, text, is_note)
    return refused


def _standing(place: Place, desk: Desk, me: str | None) -> Standing:
    conversation = place.conversation
    if conversation.owner == "employee":
        return "employees"
    if conversation.owner == "queue":
        return "nobodys"
    if conversation.agent == me and me is not None:
        return "mine"
    return "left" if conversation.agent == PHONE or desk.has_left(conversation.agent) else "colleagues"


def _begun(beside: About, chosen: str) -> str:
    if chosen == "suggestion":
        return beside.packet.suggestion
    return next((each.text for each in beside.drafts if str(each.id) == chosen), "")


def _number(said: str | None) -> int | None:
    return int(said) if said is not None and said.isascii() and said.isdigit() and len(said) < 16 else None


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name or "UTC")
    except (KeyError, ValueError, OSError):
        return ZoneInfo(str(UTC))
