"""Streamed replies in Slack: the Streamer port. What may be shown of an unfinished text is said in slack_incremental.

A stream takes either text or chunks, as it began; ours take chunks, for tasks come in no other form. Slack ends a
stream about five minutes after its beginning, whatever is appended.
"""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from typing import Any, Final

import aiohttp

from konstruct.adapters import slack_text
from konstruct.adapters.slack_calls import (
    BLOCKS_REFUSED,
    USERNAME_SIZE,
    SlackCalls,
    answered,
    author,
    metadata,
    token_of,
)
from konstruct.adapters.slack_errors import LACKING, streaming_error
from konstruct.adapters.slack_incremental import Incremental
from konstruct.errors import ChannelError, ChannelRefused, StreamEnded, StreamingUnsupported
from konstruct.identity import ConnectionId, MessageId
from konstruct.ports import ChannelAccount, Outgoing, Thread
from konstruct.streaming import StreamedTask

TITLE_SIZE: Final = 250
"""Slack takes 256 characters."""

_STILL_STREAMING: Final = "streaming_state_conflict"
_NO_SUCH_BLOCKS: Final = BLOCKS_REFUSED | {"block_mismatch"}


class SlackStreamer:
    """Shares one session among all workspaces. What a workspace turned out not to have is remembered until restart."""

    def __init__(
        self, session: aiohttp.ClientSession, api_url: str, *, time_limit: timedelta = timedelta(seconds=10)
    ) -> None:
        self._calls = SlackCalls(session, api_url, time_limit)
        self._slack = self._calls.client
        self._nameless: set[ConnectionId] = set()
        self._unsupported: set[ConnectionId] = set()

    def text(self) -> Incremental:
        return Incremental()

    async def begin(
        self, account: ChannelAccount, thread: Thread, message: Outgoing, tasks: Sequence[StreamedTask] = ()
    ) -> str:
        """Under the employee's name; without the scope for that, with the name in the text, as other messages have it.

        Slack wants to know for whom it is: people of other workspaces, in shared channels, are not streamed to.
        """
        if account.connection_id in self._unsupported:
            raise StreamingUnsupported("The workspace has no streamed replies.", "feature_not_enabled")
        try:
            if account.connection_id not in self._nameless:
                try:
                    return await self._begin(account, thread, message, tasks, is_named=True)
                except ChannelRefused as refusal:
                    if refusal.code != "missing_scope":
                        raise
            ts = await self._begin(account, thread, message, tasks, is_named=False)
            self._nameless.add(account.connection_id)
            return ts
        except StreamingUnsupported as lack:
            if lack.code in LACKING:
                self._unsupported.add(account.connection_id)
            raise

    async def _begin(
        self,
        account: ChannelAccount,
        thread: Thread,
        message: Outgoing,
        tasks: Sequence[StreamedTask],
        *,
        is_named: bool,
    ) -> str:
        name = author(message)
        text = message.text if is_named or not name else f"**{slack_text.harmless(name)}**\n\n{message.text}"
        async with _meaning(is_beginning=True), self._slack(token_of(account)) as slack:
            begun = await slack.chat_startStream(
                channel=thread.channel,
                thread_ts=thread.root,
                recipient_team_id=account.team_id,
                recipient_user_id=thread.contact_external_id,
                username=name[:USERNAME_SIZE] if is_named and name else None,
                chunks=[*map(_task, tasks), *([_text(text)] if text else [])],
            )
            return str(answered(begun)["ts"])

    async def find_begun(
        self, account: ChannelAccount, thread: Thread, since: datetime, known: Collection[str]
    ) -> str | None:
        """All else that we post carries its metadata from the beginning."""

        def is_begun(message: Mapping[str, Any]) -> bool:
            is_ours = message.get("bot_id") == account.bot_id or message.get("user") == account.bot_user_id
            return is_ours and not message.get("metadata") and message["ts"] not in {thread.root, *known}

        return await self._calls.first(account, thread.channel, thread.root, is_begun, since)

    async def append(self, account: ChannelAccount, thread: Thread, external_id: str, text: str) -> None:
        await self._append(account, thread, external_id, _text(text))

    async def show_task(self, account: ChannelAccount, thread: Thread, external_id: str, task: StreamedTask) -> None:
        await self._append(account, thread, external_id, _task(task))

    async def _append(self, account: ChannelAccount, thread: Thread, external_id: str, chunk: dict[str, Any]) -> None:
        async with _meaning(), self._slack(token_of(account)) as slack:
            await slack.chat_appendStream(channel=thread.channel, ts=external_id, chunks=[chunk])

    async def end(self, account: ChannelAccount, thread: Thread, external_id: str, message_id: MessageId) -> None:
        async with _meaning(), self._slack(token_of(account)) as slack:
            await slack.chat_stopStream(channel=thread.channel, ts=external_id, metadata=metadata(message_id))

    async def replace(self, account: ChannelAccount, thread: Thread, external_id: str, message: Outgoing) -> None:
        """Slack lets nobody edit a message that is still streamed, so one that is comes to its end first."""
        try:
            await self._update(account, thread, external_id, message)
        except ChannelRefused as refusal:
            if refusal.code != _STILL_STREAMING:
                raise
            with suppress(StreamEnded):
                await self.end(account, thread, external_id, message.message_id)
            await self._update(account, thread, external_id, message)

    async def _update(self, account: ChannelAccount, thread: Thread, external_id: str, message: Outgoing) -> None:
        """In a markdown block; where Slack does not let one follow what was streamed, as text in Markdown."""
        name = author(message) if account.connection_id in self._nameless else ""
        text = f"**{slack_text.harmless(name)}**\n\n{message.text}" if name else message.text
        whole: dict[str, Any] = {"channel": thread.channel, "ts": external_id, "metadata": metadata(message.message_id)}
        block = {"type": "markdown", "text": text}
        try:
            async with self._slack(token_of(account)) as slack:
                await slack.chat_update(**whole, text=slack_text.fallback(text), blocks=[block])
        except ChannelRefused as refusal:
            if refusal.code not in _NO_SUCH_BLOCKS:
                raise
            async with self._slack(token_of(account)) as slack:
                await slack.chat_update(**whole, markdown_text=text)


def _task(task: StreamedTask) -> dict[str, Any]:
    """Slack does not read a title as Markdown, nor look for mentions in it."""
    title = slack_text.harmless(task.title).strip()[:TITLE_SIZE] or "tool"
    return {"type": "task_update", "id": task.id, "title": title, "status": task.state}


def _text(text: str) -> dict[str, Any]:
    return {"type": "markdown_text", "text": text}


@asynccontextmanager
async def _meaning(*, is_beginning: bool = False) -> AsyncIterator[None]:
    try:
        yield
    except ChannelError as failure:
        error = streaming_error(failure, is_beginning=is_beginning)
        if error is failure:
            raise
        raise error from failure
