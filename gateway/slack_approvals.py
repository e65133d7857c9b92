"""What people decide by a card's buttons in Slack. What the card says, and who is asked, is decided elsewhere."""

import re
from typing import Final
from uuid import UUID

from slack_bolt.app.async_app import AsyncApp
from slack_bolt.context.ack.async_ack import AsyncAck
from temporalio.client import Client

from gateway.bodies import Json
from gateway.slack_whispers import Whispers
from konstruct import approvals, connections, temporal
from konstruct.adapters.slack import SlackMessenger
from konstruct.adapters.slack_cards import APPROVE, DENY
from konstruct.connections import ConnectionRef
from konstruct.db import Database
from konstruct.errors import KonstructError, NotAllowed, NotFound
from konstruct.ports import ChannelAccount
from konstruct.vault import Vault

_VALUE: Final = re.compile("([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}):([!-~]{1,200})")


class SlackApprovals:
    """Bolt fills the listener's arguments by name; ``connection`` and ``account`` come from the look-up before it."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        temporal_client: Client,
        messenger: SlackMessenger,
        whispers: Whispers,
    ) -> None:
        self._database = database
        self._vault = vault
        self._temporal = temporal_client
        self._messenger = messenger
        self._whispers = whispers

    def register(self, app: AsyncApp) -> None:
        app.action(re.compile(f"{APPROVE}|{DENY}"))(self._on_click)

    async def _on_click(
        self, ack: AsyncAck, body: Json, action: Json, connection: ConnectionRef, account: ChannelAccount
    ) -> None:
        user = body["user"]["id"]
        try:
            approval_id = await self._decide(action, connection, user)
        except KonstructError as error:
            if error.status >= 500:
                raise
            # Slack is answered first, and that person alone is told: the card is everybody's.
            self._whispers.begin(self._messenger.whisper(account, body["channel"]["id"], user, str(error)))
        else:
            await temporal.tell_decided(self._temporal, connection.tenant_id, approval_id)
        await ack()

    async def _decide(self, action: Json, connection: ConnectionRef, user: str) -> UUID:
        named = _VALUE.fullmatch(str(action.get("value", "")))
        if named is None:
            raise NotFound("This card cannot be used any more.")
        approval_id, fingerprint = UUID(named[1]), named[2]
        async with self._database.tenant_session(connection.tenant_id) as session:
            chosen = await approvals.settings(session)
            # Ids of people are those of one workspace: in another of the tenant's they may be somebody else's.
            if chosen.connection_key != await connections.key_of(session, connection.connection_id):
                raise NotAllowed("Approvals are not decided in this workspace (any more).")
            if user not in chosen.deciders:
                raise NotAllowed("You are not among those who may decide this. Whoever runs this employee can add you.")
            await approvals.decide(
                session,
                self._vault,
                approval_id,
                is_yes=action["action_id"] == APPROVE,
                fingerprint=fingerprint,
                by=f"slack:{user}",
            )
        return approval_id
