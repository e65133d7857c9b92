"""Approvals as cards in Slack: exactly what is to be decided, as text that Slack shows and does not read. No calls.

What stands on a card may come from strangers, and a person decides by it. So nothing on it is markup, characters that
cannot be seen are spelt out, and a card that does not hold all of it has no button to approve it with.
"""

from collections.abc import Iterator
from typing import Any, Final

from konstruct.adapters import slack_text
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
TEXT_SIZE: Final = 2_500
"""Of one element; Slack's limit for text is 3,000 characters wherever it names one."""

_CONFIRM_SIZE: Final = 80

Block = dict[str, Any]


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
        _section(
            _text(_line(card.employee, NAME_SIZE), bold=True),
            _text(" asks to use "),
            _text(_line(card.tool, NAME_SIZE), code=True),
        )
    ]
    if card.reason:
        about.append(_section(_text(_line(card.reason, REASON_SIZE), italic=True)))
    about.append({"type": "rich_text_preformatted", "elements": [_text(part) for part in _pieces(arguments)]})
    if not is_whole:
        about.append(_section(_text("This is only the beginning: all of it is too long for Slack.", bold=True)))
    about.append(_ending(card, is_whole=is_whole))
    title = {"type": "plain_text", "text": "Approval" if card.outcome else "Approval needed", "emoji": False}
    card_blocks: list[Block] = [{"type": "header", "text": title}, {"type": "rich_text", "elements": about}]
    if not card.outcome:
        card_blocks.append(_buttons(card, is_whole=is_whole))
    return card_blocks


def notification(card: ApprovalCard) -> str:
    """What is shown where blocks are not, as escaped mrkdwn."""
    asks = f"{_line(card.employee, NAME_SIZE)} asks to use {_line(card.tool, NAME_SIZE)}."
    return slack_text.fallback(slack_text.harmless(f"{asks} {card.outcome}"))


def _length(text: str) -> int:
    return slack_text.stored_length(visible(text))


def _ending(card: ApprovalCard, *, is_whole: bool) -> Block:
    if card.outcome:
        return _section(_text(_line(card.outcome, OUTCOME_SIZE), bold=True))
    until = {
        "type": "date",
        "timestamp": int(card.expires_at.timestamp()),
        "format": "{date_short_pretty} at {time}",
        "fallback": f"{card.expires_at:%Y-%m-%d %H:%M %Z}",
    }
    how = "" if is_whole else f" To approve it, read all of it over the REST API, as approval {card.approval_id}."
    return _section(_text("It can be decided until "), until, _text(f".{how}"))


def _buttons(card: ApprovalCard, *, is_whole: bool) -> Block:
    value = f"{card.approval_id}:{card.fingerprint}"
    deny = {"type": "button", "action_id": DENY, "text": _plain("Deny"), "style": "danger", "value": value}
    if not is_whole:
        return {"type": "actions", "elements": [deny]}
    does = f"{_line(card.employee, _CONFIRM_SIZE)} will use {_line(card.tool, _CONFIRM_SIZE)} as shown, once."
    sure = {
        "title": _plain("Approve this?"),
        "text": _plain(does),
        "confirm": _plain("Approve"),
        "deny": _plain("Not yet"),
    }
    approve = {"type": "button", "action_id": APPROVE, "text": _plain("Approve"), "style": "primary", "value": value}
    return {"type": "actions", "elements": [approve | {"confirm": sure}, deny]}


def _plain(text: str) -> Block:
    return {"type": "plain_text", "text": text, "emoji": False}


def _section(*elements: Block) -> Block:
    return {"type": "rich_text_section", "elements": list(elements)}


def _text(text: str, **style: bool) -> Block:
    return {"type": "text", "text": text} | ({"style": style} if style else {})


def _line(text: str, most: int) -> str:
    return _cut(visible(" ".join(text.split())), most) if text.strip() else "–"


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _pieces(text: str) -> Iterator[str]:
    for start in range(0, len(text), TEXT_SIZE):
        yield text[start : start + TEXT_SIZE]
