"""Tools in words: what risks mean, and how each tool stands."""

from dataclasses import dataclass
from typing import Any, Final

from konstruct.tables import Tool
from konstruct.tools import editing
from konstruct.tools.policy import Risk, usual
from portal.words import Tone

RISKS: Final[dict[Risk, tuple[str, Tone, str]]] = {
    "harmless": ("Harmless", "neutral", "Looks at nothing that is anybody's, and changes nothing."),
    "reads": ("Reads", "neutral", "Looks things up of the business or its customers, and changes nothing."),
    "memory": ("Memory", "info", "Changes what is remembered of the person who asks."),
    "changes": ("Changes things", "warning", "Changes something of the business that can be changed back."),
    "sends": ("Reaches people", "warning", "Reaches other people, as by a mail or a message."),
    "irreversible": ("Cannot be undone", "danger", "Nobody can take it back, such as a payment."),
}
"""Label, look and explanation of each."""
CHOOSABLE: Final[tuple[Risk, ...]] = ("harmless", "reads", "changes", "sends", "irreversible")
"""For tools of a tenant; memory is kept by what is built in alone."""
_ASKED: Final = {
    "always": "A person is asked first each time.",
    "after_untrusted": "A person is asked first once strangers' text was read.",
    "never": "Nobody is asked.",
}


@dataclass(frozen=True)
class State:
    label: str
    tone: Tone
    says: str = ""


def asked(risk: Risk) -> str:
    """When a person is asked, as long as an employee is not set up otherwise."""
    return _ASKED[usual(risk)]


def risk_options() -> list[tuple[str, str]]:
    return [(risk, f"{RISKS[risk][0]} – {RISKS[risk][2]}") for risk in CHOOSABLE]


def state(tool: Tool) -> State:
    if tool.status == "down":
        return State("Does not answer", "danger", tool.status_reason or "Its server does not answer.")
    if tool.status == "refused":
        return State("Refuses us", "danger", tool.status_reason or "Its server does not let us in.")
    if tool.kind == "http":
        return State("Ready", "ok")
    if is_looked_for(tool):
        return State("Being asked", "info")
    changed = sum(each.get("state") == "changed" for each in tool.listing.values())
    if changed:
        count = "One of its tools is" if changed == 1 else f"{changed} of its tools are"
        return State(
            f"{changed} changed", "warning", f"{count} not what you accepted: employees go without until you do."
        )
    return State("Connected", "ok")


def is_looked_for(tool: Tool) -> bool:
    """Whether its server is about to be asked what it offers."""
    return tool.kind == "mcp" and tool.looked_at is None


def where(tool: Tool) -> str:
    """What it asks, without what stands behind the host."""
    if tool.kind == "http":
        method = tool.definition["request"].get("method", "GET")
        return f"{method} {editing.place(tool.kind, tool.definition).partition('://')[2]}"
    return editing.place(tool.kind, tool.definition).partition("://")[2]


def risk_of(tool: Tool, name: str) -> str:
    """Of one that a server offers."""
    known: dict[str, Any] = tool.definition.get("tools", {})
    return str(known.get(name, {}).get("risk", editing.UNJUDGED))
