"""Approvals as cards in Slack: exactly what is to be decided, as text that Slack shows and does not read. No calls.

What stands on a card may come from strangers, and a person decides by it. So nothing on it is markup, characters that
cannot be seen are spelt out, and a card that does not hold all of it has no button to approve it with.
"""

from typing import Final

from konstruct.adapters import slack_text
from konstruct.adapters.slack_blocks import Block, pieces, plain, section, text
from konstruct.ports import ApprovalCard
from konstruct.visible import visible

APPROVE: Final = "approval:approve"
DENY: Final = "approval:deny"
"""What the buttons are called. What they carry is the approval's id and the fingerprint of what was shown."""

CARD_SIZE: Final = 9_000
"""Slack has refused messages of 11,300 characters made of such blocks, and does not say how it counts."""
EXCERPT_SIZE: Final = 1_500
REASON_SIZE: Final = 1_000
NAME_SIZE: Final = 200
OUTCOME_SIZE: Final = 500

_CONFIRM_SIZE: Final = 80


def fits(card: ApprovalCard) -> bool:
    """Whether one message can hold all that is to be decided."""
    names_fit = all(_length(name) <= NAME_SIZE for name in (card.employee, card.tool))
    return names_fit and _length(card.reason) <= REASON_SIZE and _length(card.arguments) <= CARD_SIZE


def blocks(card: ApprovalCard, *, is_whole: bool) -> list[Block]:
    """``is_whole``: with all arguments; else their beginning, and no way to approve."""
    arguments = visible(card.arguments) or "–"
    if not is_whole:
        arguments = _cut(arguments, EXCERPT_SIZE)
    about = [
        section(
            text(_line(card.employee, NAME_SIZE), bold=True),
            text(" asks to use "),
            text(_line(card.tool, NAME_SIZE), code=True),
        )
    ]
    if card.reason:
        about.append(section(text(_line(card.reason, REASON_SIZE), italic=True)))
    about.append({"type": "rich_text_preformatted", "elements": [text(piece) for piece in pieces(arguments)]})
    if not is_whole:
        about.append(section(text("This is only the beginning: all of it is too long for Slack.", bold=True)))
    about.append(_ending(card, is_whole=is_whole))
    title = plain("Approval" if card.outcome else "Approval needed")
    card_blocks: list[Block] = [{"type": "header", "text": title}, {"type": "rich_text", "elements": about}]
    if not card.outcome:
        card_blocks.append(_buttons(card, is_whole=is_whole))
    return card_blocks


def notification(card: ApprovalCard) -> str:
    """What is shown where blocks are not, as escaped mrkdwn."""
    asks = f"{_line(card.employee, NAME_SIZE)} asks to use {_line(card.tool, NAME_SIZE)}."
    return slack_text.fallback(slack_text.harmless(f"{asks} {card.outcome}"))


def _length(said: str) -> int:
    return slack_text.stored_length(visible(said))


def _ending(card: ApprovalCard, *, is_whole: bool) -> Block:
    if card.outcome:
        return section(text(_line(card.outcome, OUTCOME_SIZE), bold=True))
    until = {
        "type": "date",
        "timestamp": int(card.expires_at.timestamp()),
        "format": "{date_short_pretty} at {time}",
        "fallback": f"{card.expires_at:%Y-%m-%d %H:%M %Z}",
    }
    how = "" if is_whole else f" To approve it, read all of it over the REST API, as approval {card.approval_id}."
    return section(text("It can be decided until "), until, text(f".{how}"))


def _buttons(card: ApprovalCard, *, is_whole: bool) -> Block:
    value = f"{card.approval_id}:{card.fingerprint}"
    deny = {"type": "button", "action_id": DENY, "text": plain("Deny"), "style": "danger", "value": value}
    if not is_whole:
        return {"type": "actions", "elements": [deny]}
    does = f"{_line(card.employee, _CONFIRM_SIZE)} will use {_line(card.tool, _CONFIRM_SIZE)} as shown, once."
    sure = {
        "title": plain("Approve this?"),
        "text": plain(does),
        "confirm": plain("Approve"),
        "deny": plain("Not yet"),
    }
    approve = {"type": "button", "action_id": APPROVE, "text": plain("Approve"), "style": "primary", "value": value}
    return {"type": "actions", "elements": [approve | {"confirm": sure}, deny]}


def _line(said: str, most: int) -> str:
    return _cut(visible(" ".join(said.split())), most) if said.strip() else "–"


def _cut(said: str, most: int) -> str:
    return said if len(said) <= most else f"{said[: most - 1]}…"
