"""What needs somebody, in words: what is the matter, and the page where it is put right."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from konstruct.attention import Kind, Matter
from konstruct.connecting.overview import Seen
from konstruct.model_keys.trying import NAMES
from portal import channel_words
from portal.access import Member
from portal.report_words import THEN

Tone = Literal["danger", "warning", "info"]


@dataclass(frozen=True)
class Told:
    title: str
    says: str
    tone: Tone
    icon: str
    since: datetime | None = None
    href: str | None = None
    """None where this member can do nothing about it."""
    act: str = ""


_PLACES: Final[Mapping[Kind, tuple[str | None, str, str]]] = {
    "handoffs": ("inbox.read", "inbox", "Open the inbox"),
    "approvals": ("approvals.read", "approvals", "Open"),
    "quarantined": ("conversations.read", "conversations/{key}", "Look at it"),
    "model_key": ("keys.edit", "settings/models", "Replace key"),
    "knowledge_source": ("knowledge.read", "knowledge/{key}", "Open"),
    "knowledge_documents": ("knowledge.read", "knowledge/{key}?state=failed", "Show them"),
    "tool": ("tools.read", "tools/{key}", "Open"),
    "budget": (None, "usage#budgets", "Open"),
    "messages": ("billing.read", "billing", "See plans"),
    "resting_employees": ("billing.read", "billing", "See plans"),
    "resting_connections": ("billing.read", "billing", "See plans"),
    "unpublished": (None, "employees/{key}", "Open"),
    "draft": (None, "employees/{key}", "Open"),
}
"""Who may put it right, where, and what they press. Connections have their own page."""


def tell(matter: Matter, member: Member) -> Told:
    if matter.connection is not None:
        return _connection(matter.connection, member)
    base = f"/t/{member.tenant_slug}"
    title, says, tone, icon = _sentences(matter, member)
    permission, path, act = _PLACES[matter.kind]
    href = f"{base}/{path.format(key=matter.key)}" if permission is None or member.may(permission) else None
    return Told(title, says, tone, icon, matter.since, href, act if href else "")


def _connection(seen: Seen, member: Member) -> Told:
    state = channel_words.state(seen)
    title = f"{channel_words.title(seen)} ({channel_words.KINDS.get(seen.kind, seen.kind)})"
    return Told(
        f"{title}: {state.label[0].lower()}{state.label[1:]}",
        state.says,
        "danger" if state.tone == "danger" else "warning",
        channel_words.ICONS.get(seen.kind, "plug"),
        seen.status_changed_at,
        f"/t/{member.tenant_slug}/channels/{seen.connection_id}",
        "Connect again" if state.is_to_reconnect and member.may("channels.edit") else "Open",
    )


def _sentences(matter: Matter, member: Member) -> tuple[str, str, Tone, str]:
    name, many = matter.name, matter.count
    reason = f" {matter.reason}" if matter.reason else ""
    match matter.kind:
        case "handoffs":
            title = "Somebody waits for a person" if many == 1 else f"{many} people wait for a person"
            says = (
                "Take it over in the inbox, or in Slack."
                if member.may("inbox.act")
                else "Agents take over in the inbox."
            )
            return title, says, "danger", "life-buoy"
        case "approvals":
            title = "A decision is waited for" if many == 1 else f"{many} decisions are waited for"
            here = "Say yes or no here, or in Slack where the question was asked."
            says = here if member.may("approvals.decide") else "Agents, admins and owners decide."
            return title, says, "warning", "hand"
        case "quarantined":
            title = "A message was set aside" if many == 1 else f"{many} messages of a conversation were set aside"
            says = f"The employee failed at it time and again, and tries it no more.{reason}"
            return title, says, "danger", "triangle-alert"
        case "model_key":
            return (
                f"Your key for {NAMES.get(name, name)} is refused",
                f"Its models are passed over.{reason}",
                "danger",
                "key-round",
            )
        case "tool":
            return f"The tool {name} does not work", f"Employees go on without it.{reason}", "warning", "wrench"
        case "knowledge_source" | "knowledge_documents":
            return _of_knowledge(matter)
        case "budget":
            whose = f"The month's budget of {name}" if name else "The business's budget for the month"
            is_over, then = matter.percent >= 100, THEN[matter.when_spent]
            says = then if is_over else f"When it is used up: {then}"
            title = f"{whose} is used up" if is_over else f"{matter.percent}% of {whose[0].lower()}{whose[1:]} is used"
            return title, says, "danger" if is_over else "warning", "gauge"
        case "messages" | "resting_employees" | "resting_connections":
            return _of_plan(matter)
        case "unpublished":
            return f"{name} was never published", "Nobody is answered by it until then.", "info", "bot"
        case _:
            return f"{name} has changes that are not published", "Contacts meet what it was before.", "info", "bot"


def _of_knowledge(matter: Matter) -> tuple[str, str, Tone, str]:
    if matter.kind == "knowledge_source":
        says = f"Employees know what it held before. {matter.reason or ''}".strip()
        return f"{matter.name} could not be read", says, "warning", "book-open"
    count = "One document" if matter.count == 1 else f"{matter.count} documents"
    return f"{count} of {matter.name} could not be read", "Why stands beside each.", "warning", "book-open"


def _of_plan(matter: Matter) -> tuple[str, str, Tone, str]:
    many, is_over = matter.count, matter.percent >= 100
    if matter.kind == "resting_employees":
        title = "One employee rests" if many == 1 else f"{many} employees rest"
        return title, "Your plan includes fewer. Archive some, or choose a larger plan.", "warning", "bot"
    if matter.kind == "resting_connections":
        title = "One channel rests" if many == 1 else f"{many} channels rest"
        says = "Your plan does not include as many. Employees answer nobody there; people can."
        return title, says, "warning", "plug"
    title = "The month's messages are used up" if is_over else f"{matter.percent}% of the month's messages are used"
    then = "Contacts are told that people can read what they write. " if is_over else ""
    says = f"{then}A larger plan includes more, and next month they begin anew."
    return title, says, "danger" if is_over else "warning", "message-circle"
