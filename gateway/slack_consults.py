"""What colleagues answer in Slack, in the thread under what they were asked. Who may answer is decided elsewhere."""

from uuid import UUID

import structlog
from temporalio.client import Client

from gateway.slack_plain import NOTHING_SAID, SlackMessage, plain_text
from gateway.slack_whispers import Whispers
from konstruct import connections, consults, temporal
from konstruct.adapters.slack_handoffs import SlackDeskroom
from konstruct.connections import ConnectionRef
from konstruct.db import Database
from konstruct.desk import people
from konstruct.errors import KonstructError, NotAllowed
from konstruct.handoffs import owning
from konstruct.ports import ChannelAccount
from konstruct.vault import Vault

log = structlog.get_logger(__name__)


class SlackConsults:
    def __init__(
        self,
        database: Database,
        vault: Vault,
        temporal_client: Client,
        deskroom: SlackDeskroom,
        whispers: Whispers,
    ) -> None:
        self._database = database
        self._vault = vault
        self._temporal = temporal_client
        self._deskroom = deskroom
        self._whispers = whispers

    async def take(
        self, message: SlackMessage, connection: ConnectionRef, account: ChannelAccount, person: str
    ) -> bool:
        """Whether it was written in the thread of a question. An answer is kept when this returns."""
        async with self._database.tenant_session(connection.tenant_id) as session:
            found = await consults.with_card(session, connection.connection_id, message.channel, message.root)
        if found is None:
            return False
        try:
            await self._answer(found, connection, person, _written(message, account))
        except KonstructError as error:
            if error.status >= 500:
                raise
            # Slack is answered first, and that person alone is told: the thread is everybody's.
            self._whispers.begin(self._whisper(account, message, person, str(error)))
        else:
            await temporal.mention_consult(self._temporal, connection.tenant_id, found)
        return True

    async def _answer(self, consult_id: UUID, connection: ConnectionRef, person: str, text: str) -> None:
        async with self._database.tenant_session(connection.tenant_id) as session:
            desk = await people.settings(session)
            # Ids of people are those of one workspace: in another of the tenant's they may be somebody else's.
            if desk.connection_key != await connections.key_of(session, connection.connection_id):
                raise NotAllowed("Questions are not answered in this workspace (any more).")
            agent = await owning.slack_agent(session, person)
            await consults.answer(session, self._vault, consult_id, agent, text)

    async def _whisper(self, account: ChannelAccount, message: SlackMessage, person: str, sentence: str) -> None:
        try:
            await self._deskroom.whisper(account, message.channel, message.root, person, sentence)
        except KonstructError as error:
            log.warning("slack_whisper_failed", error=str(error))


def _written(message: SlackMessage, account: ChannelAccount) -> str:
    """Without files, which nobody reads here."""
    text = plain_text(message.model_copy(update={"files": None}), account.bot_user_id)
    return "" if text == NOTHING_SAID else text
