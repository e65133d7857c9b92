"""What contacts answer by the buttons below the question how they were helped."""

import re
from typing import Final

from slack_bolt.app.async_app import AsyncApp
from slack_bolt.context.ack.async_ack import AsyncAck
from temporalio.client import Client

from gateway.bodies import Json
from gateway.slack_whispers import Whispers
from konstruct import temporal
from konstruct.adapters.slack import SlackMessenger
from konstruct.connections import ConnectionRef
from konstruct.db import Database
from konstruct.errors import KonstructError
from konstruct.ports import ChannelAccount
from konstruct.satisfaction import pressing
from konstruct.satisfaction.texts import PREFIX

_ACTION: Final = re.compile(f"{PREFIX}[1-5]")


class SlackRatings:
    """Bolt fills the listener's arguments by name; ``connection`` and ``account`` come from the look-up before it."""

    def __init__(
        self, database: Database, temporal_client: Client, messenger: SlackMessenger, whispers: Whispers
    ) -> None:
        self._database = database
        self._temporal = temporal_client
        self._messenger = messenger
        self._whispers = whispers

    def register(self, app: AsyncApp) -> None:
        app.action(_ACTION)(self._on_press)

    async def _on_press(
        self, ack: AsyncAck, body: Json, action: Json, connection: ConnectionRef, account: ChannelAccount
    ) -> None:
        user = body["user"]["id"]
        try:
            async with self._database.tenant_session(connection.tenant_id) as session:
                conversation_id, taken = await pressing.press(
                    session, connection.connection_id, user, str(action.get("value", ""))
                )
        except KonstructError as error:
            if error.status >= 500:
                raise
            # That person alone is told, once Slack was answered.
            self._whispers.begin(self._messenger.whisper(account, body["channel"]["id"], user, str(error)))
        else:
            if taken.thanks_id is not None:
                await temporal.send(self._temporal, connection.tenant_id, conversation_id, [taken.thanks_id])
        await ack()
