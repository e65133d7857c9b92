"""What needs somebody, in words: what is the matter, and the page where it is put right."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from konstruct.attention import Matter
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


def tell(matter: Matter, member: Member) -> Told:
    if matter.connection is not None:
        return _connection(matter.connection, member)
    base = f"/t/{member.tenant_slug}"
    title, says, tone, icon = _sentences(matter, member)
    href, act = None, ""
    if matter.kind == "handoffs" and member.may("inbox.read"):
        href, act = f"{base}/inbox", "Open the inbox"
    elif matter.kind == "approvals" and member.may("approvals.read"):
        href, act = f"{base}/approvals", "Open"
    elif matter.kind in ("draft", "unpublished"):
        href, act = f"{base}/employees/{matter.key}", "Open"
    elif matter.kind == "model_key" and member.may("keys.edit"):
        href, act = f"{base}/settings/models", "Replace key"
    elif matter.kind == "budget":
        href, act = f"{base}/usage#budgets", "Open"
    elif matter.kind == "tool" and member.may("tools.read"):
        href, act = f"{base}/tools/{matter.key}", "Open"
    elif matter.kind == "knowledge_source" and member.may("knowledge.read"):
        href, act = f"{base}/knowledge/{matter.key}", "Open"
    elif matter.kind == "knowledge_documents" and member.may("knowledge.read"):
        href, act = f"{base}/knowledge/{matter.key}?state=failed", "Show them"
    return Told(title, says, tone, icon, matter.since, href, act)


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
        case "model_key":
            return (
                f"Your key for {NAMES.get(name, name)} is refused",
                f"Its models are passed over.{reason}",
                "danger",
                "key-round",
            )
        case "tool":
            return f"The tool {name} does not work", f"Employees go on without it.{reason}", "warning", "wrench"
        case "knowledge_source":
            says = f"Employees know what it held before.{reason}"
            return f"{name} could not be read", says, "warning", "book-open"
        case "knowledge_documents":
            count = "One document" if many == 1 else f"{many} documents"
            return f"{count} of {name} could not be read", "Why stands beside each.", "warning", "book-open"
        case "budget":
            whose = f"The month's budget of {name}" if name else "The business's budget for the month"
            is_over, then = matter.percent >= 100, THEN[matter.when_spent]
            says = then if is_over else f"When it is used up: {then}"
            title = f"{whose} is used up" if is_over else f"{matter.percent}% of {whose[0].lower()}{whose[1:]} is used"
            return title, says, "danger" if is_over else "warning", "gauge"
        case "unpublished":
            return f"{name} was never published", "Nobody is answered by it until then.", "info", "bot"
        case _:
            return f"{name} has changes that are not published", "Contacts meet what it was before.", "info", "bot"
