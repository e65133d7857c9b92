"""The filters of the trail as they stand in an address, and as the core takes them."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final
from urllib.parse import urlencode
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import Query

from konstruct import audit
from konstruct.audit import Filters
from konstruct.identity import id_in

_Text = Annotated[str, Query(max_length=200)]
NOT_A_DAY: Final = "Enter a day, such as 2026-11-24."
NOT_AN_ID: Final = "Enter an id, such as the ones in addresses of pages."


@dataclass(frozen=True)
class Given:
    """As it was typed or chosen."""

    actor: _Text = ""
    group: _Text = ""
    action: _Text = ""
    conversation: _Text = ""
    contact: _Text = ""
    employee: _Text = ""
    since: _Text = ""
    until: _Text = ""

    @property
    def said(self) -> dict[str, str]:
        return {name: value.strip() for name, value in vars(self).items() if value.strip()}

    def query(self, **more: object) -> str:
        return urlencode(self.said | {name: str(value) for name, value in more.items()})


@dataclass(frozen=True)
class Read:
    filters: Filters
    mistakes: Mapping[str, str] = field(default_factory=dict)


def read(given: Given, time_zone: str, employees: Collection[str]) -> Read:
    """``time_zone``: in which days begin and end. ``employees``: the keys of all."""
    said, mistakes = given.said, dict[str, str]()
    zone = ZoneInfo(time_zone)
    days: dict[str, datetime] = {}
    for name in ("since", "until"):
        if name in said:
            try:
                day = datetime.strptime(said[name], "%Y-%m-%d").replace(tzinfo=zone)
                # The first and the last days of all lie outside of what can be reckoned with in some zones.
                if day.astimezone(UTC) < day + timedelta(days=2):
                    days[name] = day
            except (ValueError, OverflowError):
                mistakes[name] = NOT_A_DAY
    ids: dict[str, UUID] = {}
    for name in ("conversation", "contact"):
        if name in said:
            if (found := id_in(said[name])) is not None:
                ids[name] = found
            else:
                mistakes[name] = NOT_AN_ID
    if "employee" in said and said["employee"] not in employees:
        mistakes["employee"] = "There is no such employee."
    until = days.get("until")
    return Read(
        audit.Filters(
            conversation_id=ids.get("conversation"),
            actor=said.get("actor"),
            action=said.get("action") or said.get("group"),
            since=days.get("since"),
            # The whole of that day.
            until=until + timedelta(days=1) if until else None,
            subject_id=ids.get("contact"),
            employee=said.get("employee"),
        ),
        mistakes,
    )
