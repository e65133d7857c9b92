"""Slack's Web API: the Messenger port, and whose a token is.

Events from Slack do not come in here, and what a text may hold is decided in slack_text.
"""

import asyncio
import html
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import aiohttp
import structlog
from pydantic import SecretStr

from konstruct.adapters import slack_cards, slack_text
from konstruct.adapters.slack_blocks import plain
from konstruct.adapters.slack_calls import (
    BLOCKS_REFUSED,
    TOO_MUCH,
    USERNAME_SIZE,
    SlackCalls,
    answer_in,
    answered,
    author,
    metadata,
    scopes_of,
    token_of,
)
from konstruct.adapters.slack_errors import LACKING
from konstruct.adapters.slack_uploads import SlackUploads
from konstruct.errors import ChannelError, ChannelRefused, ConnectionDead
from konstruct.identity import ConnectionId
from konstruct.observing.calls import traced
from konstruct.ports import ApprovalCard, Button, ChannelAccount, Outgoing, Thread
from konstruct.recovery_ports import Answered
from konstruct.satisfaction.texts import PREFIX

log = structlog.get_logger(__name__)

MOST_PROMPTS: Final = 4

CONNECT_TIME_LIMIT: Final = timedelta(seconds=4)


@dataclass(frozen=True)
class Prompt:
    """A suggestion in the app's own DM: what its button says, and what pressing it sends."""

    title: str
    message: str


@dataclass(frozen=True)
class BotIdentity:
    """Whose a bot token is."""

    team_id: str | None
    """None for an organization-wide installation, which is known by its enterprise id."""
    team_name: str
    enterprise_id: str | None
    is_enterprise_install: bool
    bot_user_id: str
    bot_id: str
    scopes: frozenset[str]

    def external(self) -> dict[str, str | None]:
        """The ids that a connection keeps, by the names under which it keeps them."""
        return {
            "enterprise_id": self.enterprise_id,
            "team_id": self.team_id,
            "bot_user_id": self.bot_user_id,
            "bot_id": self.bot_id,
        }


def open_session() -> aiohttp.ClientSession:
    """A session whose time limit on connecting tells a request that was never sent from one that may have been."""
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIME_LIMIT.total_seconds())
    return aiohttp.ClientSession(timeout=timeout, trace_configs=[traced()])


class SlackMessenger:
    """Shares one session among all workspaces. What a workspace turned out not to have is remembered until restart."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        api_url: str,
        *,
        time_limit: timedelta = timedelta(seconds=10),
        cosmetic_time_limit: timedelta = timedelta(seconds=2),
    ) -> None:
        self._calls = SlackCalls(session, api_url, time_limit)
        self._uploads = SlackUploads(session, self._calls, api_url)
        self._slack = self._calls.client
        self._cosmetic_time_limit = cosmetic_time_limit
        self._nameless: set[ConnectionId] = set()
        self._unsupported: set[tuple[ConnectionId, str]] = set()

    def split(self, text: str) -> list[str]:
        return slack_text.split(text)

    async def send(self, account: ChannelAccount, thread: Thread, message: Outgoing) -> str:
        """Posts under the employee's name, in a markdown block; where the workspace refuses these, without them."""
        if message.file is not None:
            return await self._uploads.send(account, thread, message, message.file)
        is_named = account.connection_id not in self._nameless
        is_rich = True
        while True:
            try:
                ts, is_in_thread = await self._post(account, thread, message, is_named=is_named, is_rich=is_rich)
                break
            except ChannelRefused as refusal:
                if is_named and refusal.code == "missing_scope":
                    is_named = False
                elif is_rich and refusal.code in BLOCKS_REFUSED:
                    is_rich = False
                else:
                    raise
        if not is_named:
            self._nameless.add(account.connection_id)
        if not is_in_thread:
            await self._calls.take_back(account, thread.channel, ts)
        return ts

    async def _post(
        self, account: ChannelAccount, thread: Thread, message: Outgoing, *, is_named: bool, is_rich: bool
    ) -> tuple[str, bool]:
        """Its ts, and whether it went to the thread."""
        name = author(message)
        text = message.text if is_named or not name else f"**{slack_text.harmless(name)}**\n\n{message.text}"
        async with self._slack(token_of(account)) as slack:
            answer = answered(
                await slack.chat_postMessage(
                    channel=thread.channel,
                    thread_ts=thread.root,
                    text=slack_text.fallback(text),
                    blocks=[
                        *([{"type": "markdown", "text": text}] if is_rich else _sections(text)),
                        *_ratings(message.buttons),
                    ],
                    username=name[:USERNAME_SIZE] if is_named and name else None,
                    metadata=metadata(message.message_id, is_notice=message.is_notice),
                    unfurl_links=False,
                    unfurl_media=False,
                )
            )
            return answer["ts"], "thread_ts" in answer["message"]

    async def find(self, account: ChannelAccount, thread: Thread, message: Outgoing) -> str | None:
        if message.file is not None:
            return await self._uploads.find(account, thread, message, message.file)
        carried = metadata(message.message_id)
        return await self._calls.find(account, thread.channel, thread.root, carried, message.created_at)

    async def answers_since(
        self, account: ChannelAccount, thread: Thread, since: datetime, known: Collection[UUID]
    ) -> list[Answered]:
        found: list[Answered] = []

        def note(message: Mapping[str, Any]) -> bool:
            answer = answer_in(message)
            if answer is not None and answer.message_id not in known:
                found.append(answer)
            return False

        await self._calls.first(account, thread.channel, thread.root, note, since)
        return sorted(found, key=lambda answer: answer.at)

    async def show_thinking(self, account: ChannelAccount, thread: Thread) -> None:
        await self._show_state(account, thread, status="is thinking…", session="processing")

    async def show_idle(self, account: ChannelAccount, thread: Thread) -> None:
        await self._show_state(account, thread, status="", session="active")

    async def show_approval(self, account: ChannelAccount, channel: str, card: ApprovalCard) -> str:
        """In the app's own name: it is not the employee who asks people for leave."""
        return await self._show(
            account, "chat.postMessage", card, channel=channel, unfurl_links=False, unfurl_media=False
        )

    async def renew_approval(self, account: ChannelAccount, channel: str, external_id: str, card: ApprovalCard) -> None:
        await self._show(account, "chat.update", card, channel=channel, ts=external_id)

    async def _show(self, account: ChannelAccount, method: str, card: ApprovalCard, **other: object) -> str:
        """What Slack finds too much, against our own count, is shown in part and then cannot be approved there."""
        is_whole = slack_cards.fits(card)
        while True:
            message = {
                "text": slack_cards.notification(card),
                "blocks": slack_cards.blocks(card, is_whole=is_whole),
            }
            try:
                async with self._slack(token_of(account), is_send=method == "chat.postMessage") as slack:
                    return str(answered(await slack.api_call(method, json={**other, **message}))["ts"])
            except ChannelRefused as refusal:
                if not is_whole or refusal.code not in TOO_MUCH:
                    raise
                is_whole = False

    async def whisper(self, account: ChannelAccount, channel: str, user: str, sentence: str) -> None:
        """Tells one person in a channel something that nobody else sees and that is not kept; raises nothing."""
        text = html.escape(slack_text.harmless(sentence), quote=False)
        await self._decorate(account, "chat.postEphemeral", channel=channel, user=user, text=text)

    async def suggest_prompts(
        self, account: ChannelAccount, channel: str, prompts: Sequence[Prompt], *, title: str = ""
    ) -> None:
        """Offers up to four in the app's DM with a person, under a title; raises nothing."""
        offered: dict[str, object] = {"prompts": [asdict(prompt) for prompt in prompts[:MOST_PROMPTS]]}
        if title:
            offered["title"] = title
        # With a thread_ts Slack would accept this, and show nothing.
        await self._decorate(account, "assistant.threads.setSuggestedPrompts", channel_id=channel, **offered)

    async def identify(self, token: SecretStr) -> BotIdentity:
        async with self._slack(token, is_send=False) as slack:
            answer = await slack.auth_test()
            who = answered(answer)
            if not who.get("bot_id"):
                raise ConnectionDead("A bot token (xoxb-…) is needed here.", "not_allowed_token_type")
            return BotIdentity(
                team_id=None if who.get("is_enterprise_install") else who["team_id"],
                team_name=who["team"],
                enterprise_id=who.get("enterprise_id"),
                is_enterprise_install=bool(who.get("is_enterprise_install")),
                bot_user_id=who["user_id"],
                bot_id=who["bot_id"],
                scopes=scopes_of(answer.headers.get("x-oauth-scopes", "")),
            )

    async def _show_state(self, account: ChannelAccount, thread: Thread, *, status: str, session: str) -> None:
        """The line under the thread, and the session's state, which brings Slack's stop button."""
        place = {"channel_id": thread.channel, "thread_ts": thread.root}
        await asyncio.gather(
            self._decorate(account, "assistant.threads.setStatus", **place, status=status),
            self._decorate(account, "agents.sessions.setStatus", **place, status=session),
        )

    async def _decorate(self, account: ChannelAccount, method: str, **arguments: object) -> None:
        """A call that no message depends on: it is short and never fails."""
        if (account.connection_id, method) in self._unsupported:
            return
        try:
            async with self._slack(token_of(account), time_limit=self._cosmetic_time_limit) as slack:
                await slack.api_call(method, json=arguments)
        except ChannelError as failure:
            if isinstance(failure, ChannelRefused) and failure.code in LACKING:
                self._unsupported.add((account.connection_id, method))
            log.debug("slack.decoration_failed", method=method, error=str(failure))


def _ratings(buttons: Sequence[Button]) -> list[dict[str, Any]]:
    """Those that answer how somebody was helped; of other offers the text says how they are taken."""
    shown = [button for button in buttons if button.id.startswith(PREFIX)]
    if not shown:
        return []
    elements = [
        {
            "type": "button",
            "text": plain(button.title),
            # Unlike that of the others in its block.
            "action_id": f"{PREFIX}{button.id.rpartition(':')[2]}",
            "value": button.id,
        }
        for button in shown
    ]
    return [{"type": "actions", "elements": elements}]


def _sections(text: str) -> list[dict[str, Any]]:
    # Verbatim: names and @mentions in the text are not looked up.
    return [
        {"type": "section", "text": {"type": "mrkdwn", "text": section, "verbatim": True}}
        for section in slack_text.sections(text)
    ]
