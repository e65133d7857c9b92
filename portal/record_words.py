"""Conversations and what happened in them, in words for pages: states, tones, drawings."""

from collections.abc import Mapping
from typing import Final

from konstruct.record import wording
from konstruct.record.events import Event, Kind, Said
from portal.words import CALLS as CALLS
from portal.words import Tone
from portal.words import seconds as seconds

KINDS: Final[Mapping[Kind, tuple[str, str]]] = {
    "messages": ("Messages", "message-square-text"),
    "models": ("Model calls", "sparkles"),
    "tools": ("Tools", "wrench"),
    "people": ("People", "users"),
    "rules": ("Rules", "route"),
    "memory": ("Memory", "brain"),
}
OWNERS: Final[Mapping[str, tuple[str, Tone]]] = {
    "employee": ("The employee has it", "neutral"),
    "queue": ("Waits for a person", "danger"),
    "agent": ("With a person", "info"),
}
RATINGS: Final[Mapping[int, Tone]] = {1: "danger", 2: "danger", 3: "warning", 4: "ok", 5: "ok"}
GONE: Final[Mapping[str, str]] = {
    "erased": "This was erased with the contact.",
    "taken_back": "This was taken back.",
    "let_go": "This was let go of, as retention says.",
}
_INBOUND: Final[Mapping[str, tuple[str, Tone]]] = {
    "received": ("Not taken up yet", "warning"),
    "taken": ("Being answered", "info"),
    "refused": ("Over a limit, not answered", "warning"),
    "stopped": ("Stopped", "neutral"),
    "failed": ("Could not be answered", "danger"),
    "passed": ("For people", "neutral"),
    "quarantined": ("Set aside: it was tried too often", "danger"),
}
_OUTBOUND: Final[Mapping[str, tuple[str, Tone]]] = {
    "pending": ("Queued", "neutral"),
    "sending": ("Being sent", "info"),
    "streaming": ("Being written", "info"),
    "sent": ("Sent", "neutral"),
    "failed": ("Not delivered", "danger"),
    "discarded": ("Not sent: the conversation had moved on", "neutral"),
    "waiting": ("Waits until the contact writes again", "warning"),
}
_REASONS: Final[Mapping[str, str]] = {
    "opted_out": "the contact wants to hear nothing more",
    "window_closed": "the channel takes no answer so long after the contact wrote",
    "131047": "the channel takes no answer so long after the contact wrote",
    "connection_inactive": "the channel was not connected",
    "outcome_unknown": "nobody can tell whether it arrived",
    "erased": "the contact was erased",
    "restored": "a backup was restored before it was known whether it arrived",
    "kept_failing": "sending it failed time and again; it may have arrived",
}
_ICONS: Final[Mapping[str, str]] = {
    "handoff.opened": "life-buoy",
    "handoff.told": "bell",
    "handoff.claimed": "user-check",
    "handoff.released": "undo-2",
    "handoff.transferred": "arrow-up-right",
    "handoff.resolved": "circle-check",
    "handoff.handed_back": "corner-up-left",
    "handoff.noted": "sticky-note",
    "approval.approved": "thumbs-up",
    "approval.denied": "ban",
    "conversation.exported": "download",
    "message.deleted": "undo-2",
}
_ICONS_OF: Final[Mapping[str, str]] = {
    "approval.": "hand",
    "consult.": "at-sign",
    "rating.": "star",
    "turn.": "info",
    "contact.": "contact",
}


def sentence(event: Event) -> str:
    return wording.sentence(event)


def icon(event: Event) -> str:
    if event.said is not None:
        return {"contact": "user", "employee": "bot", "agent": "user-check"}.get(event.said.author, "info")
    if event.action in _ICONS:
        return _ICONS[event.action]
    of_group = next((name for prefix, name in _ICONS_OF.items() if event.action.startswith(prefix)), None)
    return of_group or KINDS[event.kind][1]


def state(said: Said) -> tuple[str, Tone] | None:
    """How far a message came; None where that goes without saying."""
    if said.direction == "inbound":
        # What the employee was told by the product waits for nobody.
        return _INBOUND.get(said.state) if said.author == "contact" else None
    label, tone = _OUTBOUND.get(said.state, (said.state, "neutral"))
    if said.state == "sent":
        label, tone = ("Read", "ok") if said.read_at else ("Delivered", "ok") if said.delivered_at else (label, tone)
    if said.state == "failed" and said.error:
        label = f"{label}: {_REASONS.get(said.error, said.error.replace('_', ' '))}"
    return label, tone
