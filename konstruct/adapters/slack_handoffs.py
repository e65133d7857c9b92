"""The desk in Slack: cards that call people to a handoff or ask one of them, the thread under a card, and what one
person alone is shown.

What contacts wrote stands there too. So all text is shown and not read, but for the mentions of those who are called.
"""

import html
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import aiohttp

from konstruct.adapters import slack_text
from konstruct.adapters.cutting import is_visible
from konstruct.adapters.slack_blocks import Block, pieces, plain, section, text
from konstruct.adapters.slack_calls import TOO_MUCH, SlackCalls, answered, carrying, token_of
from konstruct.desk_ports import ConsultCard, DeskEntry, HandoffCard
from konstruct.errors import ChannelRefused
from konstruct.ports import ChannelAccount

CLAIM: Final = "handoff:claim"
NOT_NOW: Final = "handoff:not_now"
HAND_BACK: Final = "handoff:hand_back"
RESOLVE: Final = "handoff:resolve"
RELEASE: Final = "handoff:release"
DRAFT: Final = "handoff:draft"
SUMMARY: Final = "handoff:summary"
"""What the buttons are called. What they carry is the handoff's id."""

HANDOFF_EVENT: Final = "konstruct_handoff"
ENTRY_EVENT: Final = "konstruct_entry"
CONSULT_EVENT: Final = "konstruct_consult"

SIZE: Final = 7_500
"""Of all that is long in one message, as Slack may count at most. slack_cards says what is known of its limit."""
SHORT_SIZE: Final = 1_500
HEADLINE_SIZE: Final = 150
NAME_SIZE: Final = 200
SENTENCE_SIZE: Final = 1_000
MOST_RUNG: Final = 50

_USER_ID = re.compile(r"[UW][A-Z0-9]{1,30}")
_BUTTONS: Final = {
    "waiting": {CLAIM: "Take over", NOT_NOW: "Not now"},
    "owned": {
        HAND_BACK: "Hand back",
        RESOLVE: "Resolve",
        RELEASE: "Release",
        DRAFT: "Draft a reply",
        SUMMARY: "Summary",
    },
    "told": {CLAIM: "Take over"},
    "over": {},
}
_HEADS: Final = {
    "contact": "{author}:",
    "agent": "{author}, to the contact:",
    "employee": "{author} (AI), to the contact:",
    "note": "Note by {author}, not shown to the contact:",
    "draft": "Draft, not shown to the contact:",
    "summary": "Summary:",
    "system": "{author}:",
}


class SlackDeskroom:
    """Shares one session among all workspaces, like SlackMessenger. Writes in the app's own name."""

    def __init__(
        self, session: aiohttp.ClientSession, api_url: str, *, time_limit: timedelta = timedelta(seconds=10)
    ) -> None:
        self._calls = SlackCalls(session, api_url, time_limit)

    async def show_handoff(self, account: ChannelAccount, channel: str, card: HandoffCard) -> str:
        ts, _ = await self._show(account, "chat.postMessage", lambda most: _card(card, most), channel=channel)
        return ts

    async def find_handoff(
        self, account: ChannelAccount, channel: str, card: HandoffCard, since: datetime
    ) -> str | None:
        return await self._calls.find(account, channel, None, carrying(HANDOFF_EVENT, card.handoff_id), since)

    async def renew_handoff(self, account: ChannelAccount, channel: str, external_id: str, card: HandoffCard) -> None:
        await self._show(account, "chat.update", lambda most: _card(card, most), channel=channel, ts=external_id)

    async def post_entry(self, account: ChannelAccount, channel: str, thread: str, entry: DeskEntry) -> str:
        ts, is_in_thread = await self._show(
            account, "chat.postMessage", lambda most: _entry(entry, most), channel=channel, thread_ts=thread
        )
        if not is_in_thread:
            await self._calls.take_back(account, channel, ts)
        return ts

    async def find_entry(self, account: ChannelAccount, channel: str, thread: str, entry: DeskEntry) -> str | None:
        metadata = carrying(ENTRY_EVENT, entry.entry_id)
        return await self._calls.find(account, channel, thread, metadata, entry.created_at)

    async def show_consult(self, account: ChannelAccount, channel: str, card: ConsultCard) -> str:
        ts, _ = await self._show(account, "chat.postMessage", lambda most: _consult(card, most), channel=channel)
        return ts

    async def find_consult(
        self, account: ChannelAccount, channel: str, card: ConsultCard, since: datetime
    ) -> str | None:
        return await self._calls.find(account, channel, None, carrying(CONSULT_EVENT, card.consult_id), since)

    async def renew_consult(self, account: ChannelAccount, channel: str, external_id: str, card: ConsultCard) -> None:
        await self._show(account, "chat.update", lambda most: _consult(card, most), channel=channel, ts=external_id)

    async def whisper(self, account: ChannelAccount, channel: str, thread: str | None, user: str, text: str) -> None:
        said = _long(text, SIZE)
        message = {
            "channel": channel,
            "user": user,
            "text": html.escape(said, quote=False),
            "blocks": [{"type": "rich_text", "elements": [section(*_texts(said))]}],
        }
        async with self._calls.client(token_of(account)) as slack:
            await slack.api_call("chat.postEphemeral", json=message | ({"thread_ts": thread} if thread else {}))

    async def _show(
        self,
        account: ChannelAccount,
        method: str,
        content: Callable[[int], dict[str, Any]],
        *,
        most: int = SIZE,
        **place: str,
    ) -> tuple[str, bool]:
        """Its ts, and whether it is in a thread. Where Slack finds it too much, against our own count, it is cut."""
        is_send = method == "chat.postMessage"
        message = {**place, **content(most)} | ({"unfurl_links": False, "unfurl_media": False} if is_send else {})
        try:
            async with self._calls.client(token_of(account), is_send=is_send) as slack:
                answer = answered(await slack.api_call(method, json=message))
                return str(answer["ts"]), "thread_ts" in answer["message"]
        except ChannelRefused as refusal:
            if most == SHORT_SIZE or refusal.code not in TOO_MUCH:
                raise
        return await self._show(account, method, content, most=SHORT_SIZE, **place)


def entry_text(entry: DeskEntry) -> str:
    """The line as plain text, made harmless and cut to what one message holds: who says it, to whom, and what."""
    return f"{_head(entry)} {_long(entry.text, SIZE)}"


def card_blocks(card: HandoffCard, *, most: int = SIZE) -> list[Block]:
    """``most``: characters of its long texts together."""
    blocks: list[Block] = [{"type": "header", "text": plain(_line(card.headline, HEADLINE_SIZE))}]
    if mentions := _mentions(card.ring):
        # Verbatim: nothing else is looked up.
        blocks.append({"type": "section", "text": {"type": "mrkdwn", "text": mentions, "verbatim": True}})
    blocks.append({"type": "rich_text", "elements": list(_about(card, most // 3))})
    if buttons := [_button(card, action, label) for action, label in _BUTTONS[card.state].items()]:
        blocks.append({"type": "actions", "elements": [buttons[0] | {"style": "primary"}, *buttons[1:]]})
    return blocks


def consult_blocks(card: ConsultCard, *, most: int = SIZE) -> list[Block]:
    """``most``: characters of the question. It is quoted, so that nothing in it looks like a word of ours."""
    elements = [section(text(f"{_line(card.employee, NAME_SIZE)} (AI)", bold=True), text(" asks:"))]
    if called := _called(card.ring):
        elements.insert(0, section(*called))
    if card.question:
        elements.append(_quote(_long(card.question, most)))
    if card.outcome:
        elements.append(section(text(_line(card.outcome, SENTENCE_SIZE), bold=True)))
    else:
        how = "Answer in this thread, in one message: your first one is used, and only yours. It is waited for until "
        elements.append(section(text(how), _moment(card.expires_at), text(".")))
    title = plain(_line(f"A question for {card.colleague}", HEADLINE_SIZE))
    return [{"type": "header", "text": title}, {"type": "rich_text", "elements": elements}]


def _moment(at: datetime) -> Block:
    return {
        "type": "date",
        "timestamp": int(at.timestamp()),
        "format": "{date_short_pretty} at {time}",
        "fallback": f"{at:%Y-%m-%d %H:%M %Z}",
    }


def _about(card: HandoffCard, most: int) -> Iterator[Block]:
    yield section(
        text(_line(card.contact, NAME_SIZE), bold=True),
        text(" wrote to "),
        text(_line(card.employee, NAME_SIZE), bold=True),
        text(f". Priority: {_line(card.priority, NAME_SIZE)}."),
    )
    yield section(text(_line(card.standing, SENTENCE_SIZE), bold=True))
    if card.link:
        yield section({"type": "link", "url": card.link, "text": "Open in the inbox"})
    if card.reason:
        yield section(text("Why: ", bold=True), text(_line(card.reason, SENTENCE_SIZE)))
    for title, said in (("Summary", card.summary), ("Tried", card.tried), ("Suggested reply", card.suggestion)):
        if said:
            yield section(text(f"{title}:", bold=True))
            yield _quote(_long(said, most))


def _card(card: HandoffCard, most: int) -> dict[str, Any]:
    said = slack_text.fallback(slack_text.harmless(f"{card.headline} {card.standing}"))
    return {
        "text": f"{_mentions(card.ring)} {said}".strip(),
        "blocks": card_blocks(card, most=most),
        "metadata": carrying(HANDOFF_EVENT, card.handoff_id),
    }


def _consult(card: ConsultCard, most: int) -> dict[str, Any]:
    asks = f"{_line(card.employee, NAME_SIZE)} asks {_line(card.colleague, NAME_SIZE)}"
    said = slack_text.fallback(slack_text.harmless(f"{asks}: {card.outcome or card.question}"))
    return {
        "text": f"{_mentions(card.ring)} {said}".strip(),
        "blocks": consult_blocks(card, most=most),
        "metadata": carrying(CONSULT_EVENT, card.consult_id),
    }


def _entry(entry: DeskEntry, most: int) -> dict[str, Any]:
    """What was said is quoted, so that nothing in it looks like the beginning of another line."""
    elements = [section(text(_head(entry), bold=True)), _quote(_long(entry.text, most))]
    if called := _called(entry.ring):
        elements.insert(0, section(*called))
    return {
        "text": f"{_mentions(entry.ring)} {slack_text.fallback(entry_text(entry))}".strip(),
        "blocks": [{"type": "rich_text", "elements": elements}],
        "metadata": carrying(ENTRY_EVENT, entry.entry_id),
    }


def _head(entry: DeskEntry) -> str:
    return _HEADS[entry.kind].format(author=_line(entry.author, NAME_SIZE))


def _mentions(ring: Sequence[str]) -> str:
    return " ".join(f"<@{user}>" for user in _users(ring))


def _called(ring: Sequence[str]) -> list[Block]:
    return [{"type": "user", "user_id": user} for user in _users(ring)]


def _users(ring: Sequence[str]) -> list[str]:
    """What is no id of a user is left out: it would be markup."""
    return [user for user in ring[:MOST_RUNG] if _USER_ID.fullmatch(user)]


def _button(card: HandoffCard, action: str, label: str) -> Block:
    return {"type": "button", "action_id": action, "text": plain(label), "value": str(card.handoff_id)}


def _quote(said: str) -> Block:
    return {"type": "rich_text_quote", "elements": _texts(said)}


def _texts(said: str) -> list[Block]:
    return [text(piece) for piece in pieces(said)]


def _line(said: str, most: int) -> str:
    return _long(" ".join(slack_text.harmless(said).split()), most)


def _long(said: str, most: int) -> str:
    shown = slack_text.beginning(slack_text.harmless(said).strip(), most)
    return shown if is_visible(shown) else "–"
