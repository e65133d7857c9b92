"""How a connection is, in words: what its state is called, what is wrong with it, and what to do then."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from konstruct.adapters import slack_errors, whatsapp_errors
from konstruct.connecting.naming import KINDS as KINDS
from konstruct.connecting.naming import title as title
from konstruct.connecting.overview import Seen
from portal.words import Tone

ICONS: Final[Mapping[str, str]] = {"slack": "hash", "whatsapp": "message-circle", "console": "terminal"}


@dataclass(frozen=True)
class State:
    label: str
    tone: Tone
    says: str = ""
    """What is wrong, and what to do; empty where nothing is."""
    is_to_reconnect: bool = False


def state(seen: Seen) -> State:
    if seen.status == "active":
        return _active(seen)
    if seen.status == "disconnected":
        return State("Disconnected", "neutral", "Nobody is answered here. Its conversations are kept.")
    reason = _reason(seen)
    if seen.status == "uninstalled":
        return State("Removed", "danger", f"{reason} Connect it again to have people answered.", is_to_reconnect=True)
    if seen.status == "restricted":
        says = (
            f"{reason} Meta's Business Support says why, and what to do; when Meta lifts it, people are answered again."
        )
        return State("Restricted", "warning", says)
    return State("Not working", "danger", f"{reason} Nobody is answered until it is connected again.", True)


def _active(seen: Seen) -> State:
    if seen.renewal_problem:
        says = f"{seen.renewal_problem} It works until its token expires; connect it again before that."
        return State("Needs you", "warning", says, is_to_reconnect=True)
    if seen.kind != "console" and not seen.has_heard:
        return State("Waiting", "info")
    return State("Active", "ok")


def _reason(seen: Seen) -> str:
    """What was noted is a sentence, or the channel's own code."""
    noted = seen.status_reason or ""
    if noted == "token_expired":
        return "Its token has expired."
    if noted in slack_errors.DEAD:
        return slack_errors.DEAD[noted]
    if noted.isdigit():
        return whatsapp_errors.meaning(int(noted))
    return noted if noted.endswith(".") else f"The channel refuses it ({noted or 'without a reason'})."
