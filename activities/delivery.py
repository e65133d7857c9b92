"""Delivery: from the outbox to the channel, so that nothing is lost and nothing is sent blindly twice."""

from collections.abc import Mapping
from typing import Literal
from uuid import UUID

from temporalio import activity

from activities.heartbeat import heartbeat
from konstruct import conversations, outbox, window
from konstruct.contracts.conversation import Delivered, DeliverRequest
from konstruct.db import Database
from konstruct.errors import ChannelRateLimited, ChannelRefused, ChannelUnavailable, SendUncertain
from konstruct.outbox import Send
from konstruct.ports import Messenger, Windows
from konstruct.vault import Vault


class Delivery:
    def __init__(self, database: Database, vault: Vault, messengers: Mapping[str, Messenger], windows: Windows) -> None:
        self._database = database
        self._vault = vault
        self._messengers = messengers
        self._windows = windows

    @activity.defn(name="deliver")
    async def deliver(self, request: DeliverRequest) -> Delivered:
        """Sends the messages in order, up to the first that may not or cannot be sent."""
        outcome: Literal["sent", "superseded", "failed"] = "sent"
        async with heartbeat():
            for message_id in request.message_ids:
                outcome = await self._send(request, message_id)
                if outcome != "sent":
                    break
            if request.end_status:
                await self._end_status(request)
            if outcome == "sent":
                await self._copy_window(request)
        return Delivered(outcome)

    async def _copy_window(self, request: DeliverRequest) -> None:
        """So that the next turn finds it, with the answer that was just given."""
        async with self._database.tenant_session(request.tenant_id) as session:
            latest = await conversations.latest_window(session, request.conversation_id)
        if (copy := window.dump(latest)) is not None:
            await self._windows.put(request.tenant_id, request.conversation_id, copy)

    async def _end_status(self, request: DeliverRequest) -> None:
        async with self._database.tenant_session(request.tenant_id) as session:
            found = await conversations.whereabouts(session, self._vault, request.conversation_id)
        await self._messengers[found.account.kind].show_idle(found.account, found.thread)

    async def _send(self, request: DeliverRequest, message_id: UUID) -> Literal["sent", "superseded", "failed"]:
        async with self._database.tenant_session(request.tenant_id) as session:
            send = await outbox.begin_send(session, self._vault, request.conversation_id, message_id)
        if not isinstance(send, Send):
            return send
        messenger = self._messengers[send.account.kind]
        # An error of this look leaves the message as it is: the next attempt looks again.
        external_id = await messenger.find(send.account, send.thread, send.message) if send.is_uncertain else None
        was_resent = send.is_uncertain and external_id is None
        if was_resent and send.may_still_arrive:
            raise SendUncertain("An earlier attempt may yet reach the channel; the next one looks again.")
        try:
            if external_id is None:
                external_id = await messenger.send(send.account, send.thread, send.message)
        except (ChannelRateLimited, ChannelUnavailable):
            async with self._database.tenant_session(request.tenant_id) as session:
                await outbox.settle_unsent(session, request.conversation_id, message_id)
            raise
        except ChannelRefused as error:
            async with self._database.tenant_session(request.tenant_id) as session:
                await outbox.settle_refused(session, request.conversation_id, message_id, error)
            return "failed"
        async with self._database.tenant_session(request.tenant_id) as session:
            await outbox.settle_sent(session, request.conversation_id, message_id, external_id, was_resent=was_resent)
        return "sent"
