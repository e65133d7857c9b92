"""Replies that appear while they are thought: what is heard of a model is shown in the channel, under leases.

Nothing here delays the model or fails its turn: where something is amiss no more is shown, and the whole answer takes
the place of what was.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Final, Literal
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from konstruct import conversations, outbox, streams
from konstruct.contracts.conversation import ThinkRequest, Thought
from konstruct.conversations import Finished, Turn
from konstruct.db import Database
from konstruct.errors import ChannelError, SendUncertain
from konstruct.identity import MessageId
from konstruct.ports import Outgoing
from konstruct.streaming import StreamedTask, Streamer
from konstruct.streams import Shown, Stream
from konstruct.tools.calls import PastCall, PastStep
from konstruct.vault import Vault

BEGINS_AFTER_SECONDS: Final = 0.3
"""After the first piece: an answer that is complete by then is sent whole."""
APPENDS_EVERY_SECONDS: Final = 0.7
"""Slack takes about a hundred appends a minute from one app in one workspace."""
TASKS_AFTER_SECONDS: Final = 1.5
"""After thinking began: where a step took no longer, the answer will not be long either."""
ENDED_WITHIN_SECONDS: Final = 3.0
"""Whoever waits for a change of owner is not kept longer by a channel that does not answer."""

log = structlog.get_logger(__name__)


class Streaming:
    def __init__(self, database: Database, vault: Vault, streamers: Mapping[str, Streamer]) -> None:
        self._database = database
        self._vault = vault
        self._streamers = streamers

    @asynccontextmanager
    async def live(
        self, request: ThinkRequest, turn: Turn, past: Sequence[PastStep], *, may_stream: bool
    ) -> AsyncIterator["Live"]:
        """For the time of one step; it shows nothing where nothing is to be shown before it is whole."""
        streamer = self._streamers.get(turn.account.kind)
        live = (
            Live()
            if streamer is None or not may_stream or not turn.account.is_active
            else LiveInChannel(self._database, self._vault, streamer, request, turn, past)
        )
        try:
            yield live
        finally:
            await live.end()

    async def take_over(
        self, session: AsyncSession, request: ThinkRequest, finished: Finished, parts: Sequence[str], shown: str | None
    ) -> None:
        """The answer takes the place of what was shown of it, or of an earlier one that came to nothing."""
        if self._streamers and finished.outcome == "stored" and finished.reply_ids:
            await streams.take_over(session, request.conversation_id, finished.reply_ids[0], parts[0], shown)

    async def end_without_answer(self, request: ThinkRequest, thought: Thought) -> None:
        """What was shown stays as it is, where nobody goes on with it."""
        if not self._streamers or thought.decision not in ("nothing", "handed_off"):
            return
        if thought.decision == "nothing":
            async with self._database.tenant_session(request.tenant_id) as session:
                if await streams.is_any_open(session, request.conversation_id):
                    await streams.cut(session, await conversations.changed(session, request.conversation_id))
        await self.end_cut(request.tenant_id, request.conversation_id)

    async def end_cut(self, tenant_id: UUID, conversation_id: UUID) -> None:
        """Ends in the channel what was cut lately in this conversation. Again does no harm."""
        async with self._database.tenant_session(tenant_id) as session:
            cut = await streams.cut_lately(session, conversation_id)
            if not cut:
                return
            found = await conversations.whereabouts(session, self._vault, conversation_id)
        for each in cut:
            try:
                async with asyncio.timeout(ENDED_WITHIN_SECONDS):
                    external_id = await self.place(tenant_id, conversation_id, each)
                    if external_id is not None:
                        streamer = self._streamers[found.account.kind]
                        await streamer.end(found.account, found.thread, external_id, MessageId(each.message_id))
            except (ChannelError, TimeoutError) as error:
                log.info("stream_not_ended", message_id=str(each.message_id), error=str(error))

    async def place(self, tenant_id: UUID, conversation_id: UUID, shown: Shown) -> str | None:
        """The channel's id of it; looked for where whoever began it did not live to say. None: it is not there."""
        if shown.external_id is not None:
            return shown.external_id
        async with self._database.tenant_session(tenant_id) as session:
            found = await conversations.whereabouts(session, self._vault, conversation_id)
            known = await streams.known(session, conversation_id, shown)
        return await self._streamers[found.account.kind].find_begun(found.account, found.thread, shown.began_at, known)


class Live:
    """What one step shows of its answer: here, nothing."""

    def hear(self, piece: str | None) -> None:
        """Pieces of the model's text; None: all of it was of no answer."""

    async def finish(self) -> str | None:
        """Shows the rest of the text at once. Gives all that is shown; None where nobody knows, or nothing is."""
        return None

    async def use_tools(self, names: Sequence[str]) -> None:
        """Shows each call as a card; the next step goes on with what is shown."""

    async def end(self) -> None:
        """Shows no more; and where what was shown is not to go on, it ends."""


class LiveInChannel(Live):
    def __init__(
        self,
        database: Database,
        vault: Vault,
        streamer: Streamer,
        request: ThinkRequest,
        turn: Turn,
        past: Sequence[PastStep],
    ) -> None:
        self._database = database
        self._vault = vault
        self._streamer = streamer
        self._request = request
        self._turn = turn
        self._past = past
        self._text = streamer.text()
        self._began = time.monotonic()
        self._heard = ""
        self._has_heard = asyncio.Event()
        self._is_over = asyncio.Event()
        self._may_show = True
        self._is_begun = False
        self._stream: Stream | None = None
        self._shown = ""
        self._has_text = False
        """Of this step's own: what earlier steps said stands apart."""
        self._showing = asyncio.create_task(self._safely(self._show))

    def hear(self, piece: str | None) -> None:
        if piece is not None:
            self._heard += piece
            self._has_heard.set()
        elif self._is_begun:
            self._may_show = False
        else:
            self._heard, self._text = "", self._streamer.text()

    async def finish(self) -> str | None:
        await self._stop()
        await self._safely(self._show_rest)
        return self._shown if self._stream is not None and self._may_show else None

    async def use_tools(self, names: Sequence[str]) -> None:
        tasks = [StreamedTask(f"{self._request.step}.{place}", name, "in_progress") for place, name in enumerate(names)]
        await self._safely(partial(self._show_calls, tasks))

    async def end(self) -> None:
        # Not cancelled half-way: what the channel did not say would be uncertain.
        await self._stop()
        await self._safely(self._end_if_cut)

    async def _safely(self, do: Callable[[], Awaitable[None]]) -> None:
        try:
            await do()
        except Exception as error:
            self._may_show = False
            # Not what it says, in which there may be what somebody said.
            log.error("stream_failed", turn_id=str(self._request.turn_id), error=type(error).__name__)

    async def _show(self) -> None:
        if self._request.step:
            await self._resume()
        await self._has_heard.wait()
        if self._stream is None and await self._is_over_within(BEGINS_AFTER_SECONDS):
            return
        while self._may_show and not self._is_over.is_set():
            await self._show_more(self._text.feed(self._take()))
            await self._is_over_within(APPENDS_EVERY_SECONDS)

    async def _stop(self) -> None:
        self._is_over.set()
        self._has_heard.set()
        await asyncio.wait([self._showing])

    async def _is_over_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                return await self._is_over.wait()
        except TimeoutError:
            return False

    def _take(self) -> str:
        heard, self._heard = self._heard, ""
        return heard

    async def _show_rest(self) -> None:
        if self._stream is not None and self._may_show:
            await self._show_more(self._text.feed(self._take()) + self._text.finish())

    async def _show_more(self, text: str) -> None:
        stream = self._stream
        if not text:
            return
        if stream is None:
            await self._begin(
                text, step=self._request.step, tasks=[done for step in self._past for done in _done(step)]
            )
        elif external_id := stream.external_id:
            if self._shown and not self._has_text:
                text = f"\n\n{text}"
            self._has_text = True
            place = (self._turn.account, self._turn.thread, external_id)
            await self._under_lease(stream, self._shown + text, partial(self._streamer.append, *place, text))
        if self._text.is_full:
            self._may_show = False

    async def _begin(self, text: str, *, step: int, tasks: Sequence[StreamedTask]) -> None:
        turn, began, self._is_begun = self._turn, time.monotonic(), True
        async with self._database.tenant_session(self._request.tenant_id) as session:
            stream = await streams.begin(
                session,
                self._vault,
                self._request.conversation_id,
                self._request.turn_id,
                step=step,
                through_seq=turn.asked_seqs[-1],
                text=text,
            )
        if stream is None:
            self._may_show = False
            return
        message = Outgoing(stream.message_id, text, turn.employee.name, turn.employee.role, stream.began_at)
        try:
            if _is_late(began):
                raise ChannelError("It was held up for too long.")
            external_id = await self._streamer.begin(turn.account, turn.thread, message, tasks)
        except SendUncertain:
            # Whoever sends the answer, or ends this, looks for it.
            self._may_show = False
            return
        except ChannelError as error:
            self._may_show = False
            log.info("reply_not_streamed", turn_id=str(stream.turn_id), error=str(error))
            async with self._database.tenant_session(self._request.tenant_id) as session:
                await streams.never_began(session, stream)
            return
        self._stream, self._shown = replace(stream, external_id=external_id), text
        self._has_text = bool(text)
        async with self._database.tenant_session(self._request.tenant_id) as session:
            goes_on = await streams.started(session, stream, external_id)
        if not goes_on:
            self._may_show = False
            await self._end_if_cut()

    async def _resume(self) -> None:
        async with self._database.tenant_session(self._request.tenant_id) as session:
            stream = await streams.resume(
                session, self._vault, self._request.conversation_id, self._request.turn_id, step=self._request.step
            )
        if stream is not None:
            self._stream, self._shown, self._is_begun = stream, stream.shown, True
            await self._show_tasks(_done(self._past[-1]) if self._past else [])

    async def _show_calls(self, tasks: Sequence[StreamedTask]) -> None:
        if not self._may_show:
            return
        following = self._request.step + 1
        if self._stream is not None:
            await self._show_tasks(tasks)
        elif time.monotonic() - self._began > TASKS_AFTER_SECONDS:
            await self._begin("", step=following, tasks=tasks)
        if self._stream is not None and self._may_show:
            async with self._database.tenant_session(self._request.tenant_id) as session:
                await streams.park(session, self._stream, following)

    async def _show_tasks(self, tasks: Sequence[StreamedTask]) -> None:
        for task in tasks:
            stream = self._stream
            if stream is None or stream.external_id is None or not self._may_show:
                return
            place = (self._turn.account, self._turn.thread, stream.external_id)
            await self._under_lease(stream, self._shown, partial(self._streamer.show_task, *place, task))

    async def _under_lease(self, stream: Stream, shown: str, do: Callable[[], Awaitable[None]]) -> None:
        began = time.monotonic()
        async with self._database.tenant_session(self._request.tenant_id) as session:
            is_leased = await streams.lease(session, stream, shown)
        if not is_leased or _is_late(began):
            self._may_show = False
            return
        try:
            await do()
        except ChannelError:
            self._may_show = False
            return
        self._shown = shown
        async with self._database.tenant_session(self._request.tenant_id) as session:
            await streams.gave_back(session, stream)

    async def _end_if_cut(self) -> None:
        stream, turn = self._stream, self._turn
        if stream is None or stream.external_id is None:
            return
        async with self._database.tenant_session(self._request.tenant_id) as session:
            is_open = await streams.is_open(session, stream)
        if not is_open:
            try:
                await self._streamer.end(turn.account, turn.thread, stream.external_id, stream.message_id)
            except ChannelError as error:
                # As when somebody else has ended it.
                log.debug("stream_not_ended", message_id=str(stream.message_id), error=str(error))


def _done(step: PastStep) -> list[StreamedTask]:
    """How the calls of a step came out. Nothing more comes here of what people are asked for."""
    return [StreamedTask(f"{step.number}.{place}", call.name, _state(call)) for place, call in enumerate(step.calls)]


def _state(call: PastCall) -> Literal["complete", "error"]:
    return "complete" if call.state in ("done", "waiting") else "error"


def _is_late(began: float) -> bool:
    """Whoever changes the owner counts on it that nothing begins any more."""
    return time.monotonic() - began > outbox.SEND_BEGINS_WITHIN.total_seconds()
