"""What contacts are told of a handoff, a sentence a kind, in the name of the employee. Only what is true: that a person
was asked, never that one is about to come.
"""

from datetime import datetime
from typing import Final, Literal
from zoneinfo import ZoneInfo

Kind = Literal["asked", "closed", "still_waiting", "deadline", "apologise"]
"""Those of ``konstruct.desk.plan.Told``; ``apologise``: nobody came, and that is the group's ``then``."""

_WEEK: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_YEAR: Final = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)

_TEXTS: Final[dict[Kind, str]] = {
    "asked": "I have asked for a person to take over, and whoever comes will answer you here.",
    "closed": (
        "Nobody is here to take over at the moment; people are back on {until}, and will find your messages then."
    ),
    "still_waiting": "Nobody has been able to come yet; your conversation is still waiting for a person.",
    "deadline": (
        "Nobody has been able to come yet, and after {until} you can be answered here only if you write again, so "
        "please send a short message if you still want an answer."
    ),
    "apologise": (
        "I am sorry that nobody could come; write here how and when we can reach you, and a person will find it with "
        "your messages."
    ),
}
_NEVER_BACK: Final = (
    "Nobody is here to take over at the moment, and I cannot say when people are back; your messages are kept for them."
)


def told(kind: Kind, *, until: datetime | None = None, time_zone: str = "UTC") -> str:
    """``until``: for ``closed``, when people are back (None: nobody knows), and for ``deadline``, when it is; it is
    told as clocks in ``time_zone`` show it."""
    if kind == "closed" and until is None:
        return _NEVER_BACK
    return _TEXTS[kind].format(until=moment(until, time_zone) if until else "")


def moment(at: datetime, time_zone: str) -> str:
    """``Monday, 30 November at 09:00 (Vienna time)``: whole, since it may be read on another day and elsewhere."""
    local = at.astimezone(ZoneInfo(time_zone))
    place = time_zone.rpartition("/")[2].replace("_", " ")
    return f"{_WEEK[local.weekday()]}, {local.day} {_YEAR[local.month - 1]} at {local:%H:%M} ({place} time)"
