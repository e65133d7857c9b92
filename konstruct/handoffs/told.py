"""What an employee is told about the people who had its conversation: where they begin, and where they end."""

from typing import Final

_HOLDS: Final = (
    "What people of the team wrote above holds: do not repeat it, do not contradict it, and keep what they promised."
    " The reason for which a person was asked is dealt with: do not hand off for it again."
)


def began(reason: str) -> str:
    return (
        f"From here on, people of the team have this conversation, and not you. Why: {reason}"
        " You did not answer what follows; they did, where anything was answered."
    )


def resolved(who: str, note: str) -> str:
    return _ending(f"{who} dealt with it and gave the conversation back to you.", who, note)


def handed_back(who: str, note: str) -> str:
    return _ending(f"{who} handed the conversation back to you.", who, note)


def nobody_came() -> str:
    return (
        "A person of the team was asked for, and nobody could come in time. Say that you are sorry for it, truthfully,"
        " and help as far as you can. Do not hand off for the same reason again; offer that they leave word how the"
        " team can reach them."
    )


def ended(words: str, *, at_once: bool) -> str:
    """``words``: who gave it back, and what is to be known."""
    what_next = "Write to the person now." if at_once else "Answer what the person writes next."
    return f"Here ends the part of the team. {words} {what_next}"


def _ending(how: str, who: str, note: str) -> str:
    left = f"{who} left you this note, which the person you talk with does not see: {note}\n" if note else ""
    return f"{how}\n{left}{_HOLDS}"
