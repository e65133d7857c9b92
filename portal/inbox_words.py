"""What an open conversation says of itself, in words: how far messages came, who had it, why people were asked."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from konstruct.adapters import slack_errors, whatsapp_errors
from konstruct.workbench.about import Outlook
from konstruct.workbench.thread import Passed, Said
from portal.words import CALLS as CALLS
from portal.words import Tone

CAUSES: Final[Mapping[str, str]] = {
    "rule": "A rule of the employee",
    "employee": "The employee itself",
    "agent": "Somebody of the team",
    "outside": "Another system",
}
PRIORITIES: Final[Mapping[str, Tone]] = {"low": "neutral", "normal": "neutral", "high": "warning", "urgent": "danger"}
ENDINGS: Final[Mapping[str, str]] = {
    "apologise": "the contact is told that nobody could come",
    "hand_back": "the employee goes on",
}
_FAILED: Final[Mapping[str, str]] = {
    "connection_inactive": "The channel is not connected any more. Connect it again, then write it anew.",
    "erased": "The contact was erased, so nothing is sent to them.",
    "kept_failing": "Sending it failed time and again, so it was given up. It may have arrived: ask them.",
    "opted_out": "They asked not to be written to any more. They can be answered when they write themselves.",
    "outcome_unknown": "Nobody knows whether it arrived, so it was not sent again. Ask them before you repeat it.",
    "restored": "A backup was restored, and this seems not to be in the channel. Look, then write it anew.",
    "window_closed": "They had not written for more than 24 hours. It can be sent when they write again.",
}
_CONNECTED: Final[Mapping[str, str]] = slack_errors.DEAD | slack_errors.REFUSED


@dataclass(frozen=True)
class Delivery:
    text: str
    tone: Tone
    icon: str
    help: str = ""
    """What went wrong, and what to do about it."""


_UNSETTLED: Final[Mapping[str, Delivery]] = {
    "pending": Delivery("Queued", "neutral", "clock"),
    "sending": Delivery("Sending", "neutral", "loader-circle"),
    "streaming": Delivery("Being written", "info", "loader-circle"),
    "waiting": Delivery("Waits", "warning", "hourglass", "It goes out when they write again: a template asks them to."),
    # Of these no other is shown than one that was on its way when it was given up.
    "discarded": Delivery("Perhaps sent", "warning", "circle-alert", _FAILED["outcome_unknown"]),
}


def delivery(said: Said) -> Delivery | None:
    """How far what went out has come; None for what came in."""
    if said.author == "contact":
        return None
    once_more = (
        "The answer to the first attempt was lost, so it may have arrived twice." if said.maybe_duplicate else ""
    )
    match said.state:
        case "failed":
            return Delivery("Not delivered", "danger", "circle-alert", failure(said.error))
        case "sent" if said.read_at is not None:
            return Delivery("Read", "ok", "check-check", once_more)
        case "sent" if said.delivered_at is not None:
            return Delivery("Delivered", "neutral", "check-check", once_more)
        case "sent":
            return Delivery("Sent", "neutral", "check", once_more)
    return _UNSETTLED.get(said.state)


def failure(code: str) -> str:
    if code in _FAILED:
        return _FAILED[code]
    if code.isascii() and code.isdigit():
        return whatsapp_errors.meaning(int(code))
    if code in _CONNECTED:
        return _CONNECTED[code]
    return f"The channel refused it ({code})." if code else "The channel refused it."


def unanswered(said: Said) -> str:
    """Why nobody answered what came in, where that is to be known."""
    return (
        {
            "refused": "Not answered: it was over the limit of messages.",
            "failed": "Not answered: no model answered in a day.",
            "stopped": "Not answered: somebody stopped it.",
            "quarantined": "Not answered: the employee failed at it time and again, and it is set aside.",
        }.get(said.state, "")
        if said.author == "contact"
        else ""
    )


def passed(line: Passed, employee: str) -> str:
    """A sentence: who has it from then on."""
    to = line.detail.get("to")
    match line.action:
        case "handoff.opened":
            return "A person was asked for"
        case "handoff.told":
            return f"The team was told, and {employee} carries on"
        case "handoff.claimed" if line.taken_from:
            return f"{line.by} took it over from {line.taken_from}"
        case "handoff.claimed":
            return f"{line.by} took it over"
        case "handoff.transferred" if line.agent:
            return f"{line.by} gave it to {line.agent}"
        case "handoff.transferred":
            return f"{line.by} gave it to the group {to}"
        case "handoff.released":
            return f"{line.by} put it back into the queue"
        case "handoff.resolved":
            return f"{line.by} resolved it; {employee} answers from here on"
    if line.detail.get("how") == "nobody_came":
        return f"Nobody came in time, and {employee} went on"
    return f"{line.by} handed it back to {employee}"


def window(outlook: Outlook) -> tuple[str, str, Tone]:
    """Title, sentence and tone where the channel takes answers for a time only."""
    if outlook == "open":
        return "", "", "info"
    title = "The time for an answer is over"
    if outlook == "waits":
        return (
            title,
            "They have not written for more than 24 hours. What you write is kept: a template asks them to write again,"
            " and it goes out when they do.",
            "warning",
        )
    return (
        title,
        "They have not written for more than 24 hours, and this connection has no template that would ask them to."
        " Nothing can be sent until they write again.",
        "danger",
    )
