"""What people and Slack did, made durable: the listeners of the Bolt app that ``slack_events`` builds."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Final

import structlog
from slack_bolt.app.async_app import AsyncApp
from temporalio.client import Client

from gateway.bodies import Json
from gateway.full import Full
from gateway.slack_consults import SlackConsults
from gateway.slack_handoffs import SlackHandoffs
from gateway.slack_plain import SlackMessage, mentions, moment, plain_text, sent_files
from gateway.turnstile import Turnstile
from konstruct import connections, employees, inbox, revising, temporal
from konstruct.adapters.slack import Prompt, SlackMessenger
from konstruct.connections import ConnectionRef
from konstruct.db import Database
from konstruct.errors import KonstructError
from konstruct.handoffs import finding
from konstruct.inbox import Accepted, Inbound
from konstruct.ports import ChannelAccount, Limiter
from konstruct.vault import Vault

SAID_BY_A_PERSON: Final = [None, "file_share", "thread_broadcast"]
SAYING: Final = ("app_mention", "message")
SLACKS_OWN_USERS: Final = ("USLACK", "USLACKBOT")
STOP_IS_MEANT_FOR: Final = 30
"""Seconds after which a stop would hit another turn than the one that its person saw."""

log = structlog.get_logger(__name__)


class SlackListeners:
    """Bolt fills their arguments by name; ``connection``, ``account`` and the name it is ``called`` by come from the
    look-up before them."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        limiter: Limiter,
        full: Full,
        temporal_client: Client,
        messenger: SlackMessenger,
        handoffs: SlackHandoffs,
        consults: SlackConsults,
    ) -> None:
        self._database = database
        self._vault = vault
        self._limiter = limiter
        self._full = full
        self._temporal = temporal_client
        self._messenger = messenger
        self._handoffs = handoffs
        self._consults = consults
        self._turnstile = Turnstile()
        self._prompting: set[asyncio.Task[None]] = set()

    def register(self, app: AsyncApp) -> None:
        """What is not listed here is accepted and ignored: Slack repeats what is refused."""
        app.event("app_mention")(self._on_message)
        app.event({"type": "message", "subtype": SAID_BY_A_PERSON})(self._on_message)
        app.event({"type": "message", "subtype": "message_changed"})(self._on_message_changed)
        app.event({"type": "message", "subtype": "message_deleted"})(self._on_message_deleted)
        app.event("app_home_opened")(self._on_home_opened)
        app.event("agent_session_stopped")(self._on_stop)
        app.event("app_uninstalled")(self._on_uninstalled)
        app.event("tokens_revoked")(self._on_tokens_revoked)

    async def close(self) -> None:
        for task in self._prompting:
            task.cancel()
        await asyncio.gather(*self._prompting, return_exceptions=True)

    async def _on_message(self, event: Json, connection: ConnectionRef, account: ChannelAccount, called: str) -> None:
        message = SlackMessage.model_validate(event)
        person = _author(message, account)
        if person is None:
            return
        async with self._turnstile.passed(connection.tenant_id):
            accepted = await self._accept(event, message, connection, account, person)
        if accepted is not None and accepted.is_full:
            self._full.note(called)
        if accepted is not None:
            await temporal.notify(self._temporal, connection.tenant_id, accepted)

    async def _accept(
        self, event: Json, message: SlackMessage, connection: ConnectionRef, account: ChannelAccount, person: str
    ) -> Accepted | None:
        """None for what is no contact's, or not meant for us."""
        if await self._is_of_agents(message, connection) and (
            await self._handoffs.take(message, connection, account, person)
            or await self._consults.take(message, connection, account, person)
        ):
            return None
        if event["type"] != "app_mention" and not await self._is_addressed(message, connection, account):
            return None
        return await inbox.accept(
            self._database,
            self._vault,
            self._limiter,
            connection,
            Inbound(
                channel=message.channel,
                root=message.root,
                external_id=message.external_id,
                contact_external_id=person,
                text=plain_text(message, account.bot_user_id),
                files=sent_files(message),
                edited_at=message.edited_at,
                tells_name=True,
            ),
        )

    async def _is_addressed(self, message: SlackMessage, connection: ConnectionRef, account: ChannelAccount) -> bool:
        if message.channel_type == "im" or mentions(message, account.bot_user_id):
            return True
        if message.root == message.ts:
            return False
        async with self._database.tenant_session(connection.tenant_id) as session:
            here = await inbox.conversation_at(session, connection.connection_id, message.channel, message.root)
        return here is not None

    async def _on_message_changed(self, event: Json, connection: ConnectionRef, account: ChannelAccount) -> None:
        now, before = (
            SlackMessage.model_validate({**event[name], **{key: event.get(key) for key in ("channel", "channel_type")}})
            for name in ("message", "previous_message")
        )
        if event["message"].get("subtype") == "tombstone":
            # What is left of a deleted message whose thread lives on.
            await self._forget(connection, now.external_id)
            return
        text = plain_text(now, account.bot_user_id)
        # Slack also tells of unfurled links and of our own updates.
        person = _author(now, account)
        if person is None or text == plain_text(before, account.bot_user_id):
            return
        async with self._turnstile.passed(connection.tenant_id):
            is_for_us = not await self._is_of_agents(now, connection) and (
                await self._is_addressed(before, connection, account)
                or await self._is_addressed(now, connection, account)
            )
            async with self._database.tenant_session(connection.tenant_id) as session:
                await revising.edit(
                    session,
                    self._vault,
                    connection,
                    now.external_id,
                    text,
                    # Whole seconds, in which two edits may be: then the one that comes later counts.
                    edited_at=now.edited_at or moment(event.get("ts")),
                    author=person if is_for_us else None,
                )

    async def _is_of_agents(self, message: SlackMessage, connection: ConnectionRef) -> bool:
        """Whether it stands in the thread of a card, where agents write."""
        if message.root == message.ts:
            return False
        async with self._database.tenant_session(connection.tenant_id) as session:
            return await finding.is_card(session, connection.connection_id, message.channel, message.root)

    async def _on_message_deleted(self, event: Json, connection: ConnectionRef) -> None:
        deleted = SlackMessage(channel=event["channel"], ts=event["deleted_ts"])
        await self._forget(connection, deleted.external_id)

    async def _forget(self, connection: ConnectionRef, external_id: str) -> None:
        async with (
            self._turnstile.passed(connection.tenant_id),
            self._database.tenant_session(connection.tenant_id) as session,
        ):
            await revising.remove(session, self._vault, connection, external_id)

    async def _on_home_opened(self, event: Json, account: ChannelAccount) -> None:
        if event.get("tab") == "messages":
            task = asyncio.create_task(self._suggest_prompts(account, event["channel"]))
            self._prompting.add(task)
            task.add_done_callback(self._prompting.discard)

    async def _suggest_prompts(self, account: ChannelAccount, channel: str) -> None:
        try:
            async with self._database.tenant_session(account.tenant_id) as session:
                greeting, prompts = await employees.opening(session, account.connection_id)
            if prompts:
                offered = [Prompt(text, text) for text in prompts]
                await self._messenger.suggest_prompts(account, channel, offered, title=greeting)
        except KonstructError as error:
            log.warning("slack_prompts_not_suggested", connection_id=str(account.connection_id), error=str(error))

    async def _on_stop(self, event: Json, body: Json, connection: ConnectionRef) -> None:
        if time.time() - body["event_time"] > STOP_IS_MEANT_FOR:
            log.warning("slack_stop_came_too_late", connection_id=str(connection.connection_id))
            return
        async with self._database.tenant_session(connection.tenant_id) as session:
            conversation_id = await inbox.conversation_at(
                session, connection.connection_id, event["channel"], event["thread_ts"]
            )
        if conversation_id is None:
            return
        await temporal.stop_turn(self._temporal, connection.tenant_id, conversation_id)

    async def _on_uninstalled(self, body: Json, connection: ConnectionRef) -> None:
        await self._mark(connection, body, "uninstalled", "The app was removed from the workspace.")

    async def _on_tokens_revoked(self, body: Json, event: Json, connection: ConnectionRef) -> None:
        # People's own tokens are revoked in the same kind of event.
        if event["tokens"].get("bot"):
            await self._mark(connection, body, "revoked", "Slack revoked the bot's token.")

    async def _mark(self, connection: ConnectionRef, body: Json, status: str, reason: str) -> None:
        # Slack tells whole seconds: the end of that one, since an installation may be as young.
        happened_at = datetime.fromtimestamp(body["event_time"] + 1, UTC)
        async with self._database.tenant_session(connection.tenant_id) as session:
            await connections.mark(
                session,
                connection.connection_id,
                status=status,
                reason=reason,
                actor="slack",
                happened_at=happened_at,
            )


def _author(message: SlackMessage, account: ChannelAccount) -> str | None:
    """The person who wrote it; None for bots, us among them, and for Slack itself."""
    if message.bot_id or message.user in (None, "", account.bot_user_id, *SLACKS_OWN_USERS):
        return None
    return message.user
