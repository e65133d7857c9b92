"""Delivery: from the outbox to the channel, so that nothing is lost and nothing is sent blindly twice."""

import asyncio
import time
from collections.abc import Mapping
from contextlib import nullcontext, suppress
from dataclasses import replace
from typing import Literal
from uuid import UUID

from temporalio import activity

from activities.heartbeat import heartbeat
from activities.observing import sending
from activities.streaming import Streaming
from konstruct import conversations, outbox, window
from konstruct.connecting import renewing
from konstruct.contracts.conversation import Delivered, DeliverRequest
from konstruct.db import Database
from konstruct.errors import (
    ChannelRateLimited,
    ChannelRefused,
    ChannelUnavailable,
    ConnectionDead,
    KonstructError,
    NotFound,
    SendUncertain,
    StreamEnded,
    TokenExpired,
    Unavailable,
)
from konstruct.file_ports import FileStore
from konstruct.files import keeping
from konstruct.files.keeping import Enclosed
from konstruct.outgoing import Send
from konstruct.ports import Messenger, OutgoingFile, Windows
from konstruct.reply_window import Held
from konstruct.streaming import NO_STREAMERS, Streamer
from konstruct.streams import Shown
from konstruct.tables.base import utc_now
from konstruct.vault import Vault

Sending = Send | Held | Literal["sent", "superseded", "failed"]


class Delivery:
    def __init__(
        self,
        database: Database,
        vault: Vault,
        messengers: Mapping[str, Messenger],
        windows: Windows,
        streamers: Mapping[str, Streamer] = NO_STREAMERS,
        files: FileStore | None = None,
    ) -> None:
        self._database = database
        self._vault = vault
        self._messengers = messengers
        self._windows = windows
        self._streamers = streamers
        self._files = files
        self._streaming = Streaming(database, vault, streamers)
        self._alone = asyncio.Lock()

    @activity.defn(name="deliver")
    async def deliver(self, request: DeliverRequest) -> Delivered:
        """Sends the messages in order; parts of one answer up to the first that may not or cannot be sent."""
        outcome: Literal["sent", "superseded", "failed"] = "sent"
        async with heartbeat():
            for message_id in request.message_ids:
                sent = await self._try(request, message_id)
                outcome = sent if sent != "sent" else outcome
                if sent != "sent" and not request.are_apart:
                    break
            if request.end_status:
                await self._end_status(request)
        return Delivered(outcome)

    async def _end_status(self, request: DeliverRequest) -> None:
        async with self._database.tenant_session(request.tenant_id) as session:
            found = await conversations.whereabouts(session, self._vault, request.conversation_id)
        await self._messengers[found.account.kind].show_idle(found.account, found.thread)

    async def _try(self, request: DeliverRequest, message_id: UUID) -> Literal["sent", "superseded", "failed"]:
        """An attempt that ends in a way that nobody foresaw stays counted; after a few the message has failed."""
        async with self._alone if await self._is_suspect(request, message_id) else nullcontext():
            try:
                return await self._send(request, message_id)
            except ChannelRefused as error:
                # Not even a look is allowed, so that nobody will ever know whether it is there.
                return await self._settle_refused(request, message_id, error)
            except (KonstructError, asyncio.CancelledError):
                async with self._database.tenant_session(request.tenant_id) as session:
                    await outbox.uncount(session, message_id)
                raise

    async def _is_suspect(self, request: DeliverRequest, message_id: UUID) -> bool:
        """Whether it is to be tried by itself: what dies beside it, and is not to blame, would else fail with it."""
        if activity.info().attempt == 1:
            return False
        async with self._database.tenant_session(request.tenant_id) as session:
            return await outbox.tries(session, message_id) >= outbox.ALONE_FROM

    async def _send(self, request: DeliverRequest, message_id: UUID) -> Literal["sent", "superseded", "failed"]:
        began, send = await self._begin(request, message_id)
        was_resent = False
        if isinstance(send, Held):
            return await self._ask_to_write_again(request, send)
        if isinstance(send, Send) and send.stream is not None:
            if (external_id := await self._place(request, send.stream)) is not None:
                return await self._end_stream(request, began, send, send.stream, external_id)
            was_resent = True
            await self._settle_unstreamed(request, send, send.stream)
            began, send = await self._begin(request, message_id, counts=False)
        if isinstance(send, Send) and send.is_uncertain:
            # An error of this look leaves the message as it is: the next attempt looks again.
            external_id = await self._messengers[send.account.kind].find(send.account, send.thread, send.message)
            if external_id is not None:
                return await self._settle_sent(request, message_id, external_id, was_resent=False)
            if send.may_still_arrive:
                raise SendUncertain("An earlier attempt may yet reach the channel; the next one looks again.")
            was_resent = True
            await self._settle_unsent(request, send)
            began, send = await self._begin(request, message_id, counts=False)
        if not isinstance(send, Send):
            return send if not isinstance(send, Held) else await self._ask_to_write_again(request, send)
        try:
            _be_alone(send)
            _be_in_time(began)
            with sending(send.account.kind):
                external_id = await self._messengers[send.account.kind].send(send.account, send.thread, send.message)
        except (ChannelRateLimited, ChannelUnavailable) as error:
            return await self._put_off(request, send, error)
        except ChannelRefused as error:
            return await self._settle_refused(request, message_id, error)
        return await self._settle_sent(request, message_id, external_id, was_resent=was_resent)

    async def _place(self, request: DeliverRequest, shown: Shown) -> str | None:
        external_id = await self._streaming.place(request.tenant_id, request.conversation_id, shown)
        if external_id is None and utc_now() < shown.began_at + outbox.SEND_ENDS_WITHIN:
            raise SendUncertain("What was begun may yet reach the channel; the next attempt looks again.")
        return external_id

    async def _end_stream(
        self, request: DeliverRequest, began: float, send: Send, shown: Shown, external_id: str
    ) -> Literal["sent", "superseded", "failed"]:
        """What is shown becomes the message, by either of two calls that may be made again."""
        streamer, message = self._streamers[send.account.kind], send.message
        try:
            _be_in_time(began)
            with sending(send.account.kind):
                if shown.is_whole:
                    with suppress(StreamEnded):
                        await streamer.end(send.account, send.thread, external_id, message.message_id)
                else:
                    await streamer.replace(send.account, send.thread, external_id, message)
        except (ChannelRateLimited, ChannelUnavailable) as error:
            return await self._put_off(request, send, error)
        except ConnectionDead as error:
            return await self._settle_refused(request, message.message_id, error)
        except ChannelRefused:
            # As when somebody deleted it. A whole answer beside a piece of it is better than none.
            await self._settle_unstreamed(request, send, shown)
            return await self._send(request, message.message_id)
        return await self._settle_sent(request, message.message_id, external_id, was_resent=False, stream=shown)

    async def _begin(self, request: DeliverRequest, message_id: UUID, *, counts: bool = True) -> tuple[float, Sending]:
        """Along with when it began, by the clock that only goes forward."""
        began = time.monotonic()
        try:
            async with self._database.tenant_session(request.tenant_id) as session:
                send = await outbox.begin_send(session, self._vault, request.conversation_id, message_id, counts=counts)
        except KonstructError:
            raise
        except Exception:
            # Nothing was kept of it, so it counts from here.
            async with self._database.tenant_session(request.tenant_id) as session:
                await outbox.count(session, message_id)
            raise
        if not isinstance(send, Send) or send.file is None:
            return began, send
        try:
            file = await self._opened(request, send.file)
        except NotFound as error:
            return began, await self._settle_refused(request, message_id, ChannelRefused(str(error), "file_gone"))
        except Unavailable:
            if not send.is_uncertain:
                await self._settle_unsent(request, send)
            raise
        return began, replace(send, message=replace(send.message, file=file))

    async def _opened(self, request: DeliverRequest, file: Enclosed) -> OutgoingFile:
        if self._files is None:
            raise NotFound("Files are not kept here.")
        sealed = await self._files.get(keeping.store_key(request.tenant_id, file.object_id))
        content = await asyncio.to_thread(file.cipher.open_bytes, keeping.CONTENT, file.object_id, sealed)
        return OutgoingFile(file.name, file.media_type, content)

    async def _settle_unsent(self, request: DeliverRequest, send: Send) -> None:
        async with self._database.tenant_session(request.tenant_id) as session:
            await outbox.settle_unsent(session, request.conversation_id, send.message.message_id, send.marked_at)

    async def _put_off(
        self, request: DeliverRequest, send: Send, error: ChannelRateLimited | ChannelUnavailable
    ) -> Literal["sent", "superseded", "failed"]:
        """Raises the error, unless a new token is needed and none will come: then nothing can be sent any more."""
        if isinstance(error, TokenExpired):
            async with self._database.tenant_session(request.tenant_id) as session:
                is_renewed = await renewing.hasten(session, self._vault, send.account)
            if not is_renewed:
                dead = ConnectionDead(str(error), "token_expired")
                return await self._settle_refused(request, send.message.message_id, dead)
        await self._settle_unsent(request, send)
        raise error

    async def _settle_unstreamed(self, request: DeliverRequest, send: Send, shown: Shown) -> None:
        where = (request.conversation_id, send.message.message_id)
        async with self._database.tenant_session(request.tenant_id) as session:
            await outbox.settle_unstreamed(session, *where, shown, send.marked_at)

    async def _settle_refused(
        self, request: DeliverRequest, message_id: UUID, error: ChannelRefused
    ) -> Literal["sent", "superseded", "failed"]:
        async with self._database.tenant_session(request.tenant_id) as session:
            held = await outbox.settle_refused(session, request.conversation_id, message_id, error)
        return "failed" if held is None else await self._ask_to_write_again(request, held)

    async def _ask_to_write_again(self, request: DeliverRequest, held: Held) -> Literal["sent"]:
        """What waits is in good hands; whether the template got out is on record with the template."""
        if held.template_id is not None:
            await self._send(request, held.template_id)
        return "sent"

    async def _settle_sent(
        self,
        request: DeliverRequest,
        message_id: UUID,
        external_id: str,
        *,
        was_resent: bool,
        stream: Shown | None = None,
    ) -> Literal["sent"]:
        copy: str | None = None
        async with self._database.tenant_session(request.tenant_id) as session:
            await outbox.settle_sent(
                session, request.conversation_id, message_id, external_id, was_resent=was_resent, stream=stream
            )
            if message_id == request.message_ids[-1]:
                copy = window.dump(await window.latest(session, request.conversation_id))
        if copy is not None:
            # So that the next turn finds it, with the answer that was just given.
            await self._windows.put(request.tenant_id, request.conversation_id, copy)
        return "sent"


def _be_alone(send: Send) -> None:
    if send.is_uncertain:
        raise SendUncertain("Another attempt is at it since this one looked; the next one looks again.")


def _be_in_time(began: float) -> None:
    if time.monotonic() - began > outbox.SEND_BEGINS_WITHIN.total_seconds():
        raise ChannelUnavailable("It was held up for too long; whether it may be sent is looked at again.")
