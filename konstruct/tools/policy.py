"""What a call of a tool may do without a person's yes: decided here, not by a prompt. Pure; the table is in docs/."""

from typing import Final, Literal, get_args

Risk = Literal["harmless", "reads", "memory", "changes", "sends", "irreversible"]
"""``memory``: it changes what is remembered of the one who asks. ``changes``: something of the business. ``sends``: it
reaches other people. ``irreversible``: either, and nobody can take it back."""
Approval = Literal["always", "after_untrusted", "never"]
"""When a person is asked first."""
Verdict = Literal["run", "ask", "refuse"]

RISKS: Final = get_args(Risk)
APPROVALS: Final = get_args(Approval)

_USUAL: Final[dict[Risk, Approval]] = {
    "harmless": "never",
    "reads": "never",
    "memory": "never",
    "changes": "always",
    "sends": "always",
    "irreversible": "always",
}


def usual(risk: Risk) -> Approval:
    """What holds where the operator says nothing."""
    return _USUAL[risk]


def acts(risk: Risk) -> bool:
    """Whether it does more than look."""
    return risk not in ("harmless", "reads")


def may_be(risk: Risk, approval: Approval) -> bool:
    """Whether an operator may set it so: what cannot be taken back is never done without a yes."""
    return risk != "irreversible" or approval == "always"


def judge(risk: Risk, approval: Approval, *, is_untrusted: bool) -> Verdict:
    """``is_untrusted``: what the model has read may hold what somebody wrote to steer it: documents, pages, results of
    tools. What the asker says is no order either, but a wish; that is what ``always`` is for."""
    if risk == "memory" and is_untrusted:
        # A document could have false things remembered, or true ones forgotten, for all the conversations to come.
        return "refuse"
    if approval == "always" or (approval == "after_untrusted" and is_untrusted):
        return "ask"
    return "run"


def why(risk: Risk, approval: Approval) -> str:
    """The reason that people are given for being asked."""
    if risk == "irreversible":
        return "It cannot be taken back."
    if approval == "after_untrusted":
        return "Text that strangers may have written was read in this conversation before."
    return "This tool is set up to ask first."
