"""Whether somebody may do something with a handoff as it stands, or else the sentence that says why not."""

from konstruct.desk.people import PHONE, Desk
from konstruct.errors import Conflict
from konstruct.tables import Handoff


def be_to_be_had(desk: Desk, handoff: Handoff, *, from_colleague: bool) -> None:
    """Raises Conflict where it is over, or somebody of the desk has it from whom it is not to be taken."""
    _be_open(desk, handoff)
    if handoff.state == "owned" and not from_colleague and not desk.has_left(handoff.agent):
        raise Conflict(f"{desk.name_of(handoff.agent)} has it already.")


def be_theirs(desk: Desk, handoff: Handoff, key: str) -> None:
    """Raises Conflict unless it is the agent with this key who has it."""
    _be_open(desk, handoff)
    if handoff.state != "owned":
        raise Conflict("Nobody has it yet: take it over first.")
    if handoff.agent not in (key, PHONE):
        raise Conflict(f"{desk.name_of(handoff.agent)} has it: only they can do that.")


def be_theirs_or_nobodys(desk: Desk, handoff: Handoff, key: str) -> None:
    """Raises Conflict unless it waits, or it is the agent with this key who has it."""
    if handoff.state == "told":
        raise Conflict("The employee has it: take it over first.")
    if handoff.state != "waiting":
        be_theirs(desk, handoff, key)


def _be_open(desk: Desk, handoff: Handoff) -> None:
    if handoff.state == "over":
        raise Conflict(_why_over(desk, handoff))


def _why_over(desk: Desk, handoff: Handoff) -> str:
    ends = {
        "resolved": f"{desk.name_of(handoff.agent)} has dealt with it.",
        "handed_back": "It was handed back to the employee.",
        "nobody_came": "Nobody came in time; the employee went on.",
        "erased": "The person whom it was about was erased.",
    }
    return f"This is over: {ends.get(handoff.ended_how or '', 'nobody is needed any more.')}"
