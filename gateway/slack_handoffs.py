"""What agents do in Slack: buttons of a card, and lines in its thread. Who may do what is decided elsewhere."""

import asyncio
import re
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Final, Literal
from uuid import UUID

import structlog
from slack_bolt.app.async_app import AsyncApp
from slack_bolt.context.ack.async_ack import AsyncAck
from sqlalchemy.ext.asyncio import AsyncSession
from temporalio.client import Client

from gateway.bodies import Json
from gateway.slack_plain import NOTHING_SAID, SlackMessage, mentions, plain_text
from konstruct import connections, temporal
from konstruct.adapters.slack import SlackMessenger
from konstruct.adapters.slack_handoffs import SlackDeskroom
from konstruct.connections import ConnectionRef
from konstruct.contracts.handoffs import Action, AgentAct
from konstruct.db import Database
from konstruct.desk import people
from konstruct.errors import BadInput, Conflict, KonstructError, NotAllowed, NotFound
from konstruct.handoffs import attending, entries, finding, owning
from konstruct.handoffs.entries import Origin
from konstruct.handoffs.owning import Agent
from konstruct.ports import ChannelAccount
from konstruct.reply_window import WAITS
from konstruct.tables import Handoff
from konstruct.vault import Vault

_ACTION: Final = re.compile("handoff:(claim|not_now|hand_back|resolve|release|draft|summary)")
_VALUE: Final = re.compile("[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_COMMAND: Final = re.compile(
    r"(?P<what>draft|summary|take over|release|resolve|transfer|hand back)(?P<now> now)?\s*[:,]?\s*(?P<rest>.*)",
    re.IGNORECASE | re.DOTALL,
)
_ACTS: Final[dict[str, Action]] = {
    "claim": "claim",
    "take over": "claim",
    "release": "release",
    "resolve": "resolve",
    "transfer": "transfer",
    "hand_back": "hand_back",
    "hand back": "hand_back",
}
_SOMEBODY: Final = re.compile("<@([UW][A-Z0-9]+)")
COMMANDS: Final = (
    "I know these here: draft, summary, take over, release, resolve, transfer @somebody, hand back, and hand back now;"
    " the last two and resolve with a note to the employee behind a colon. What is written to me never goes to the"
    " contact."
)
NO_FILES: Final = "Files do not go to the contact: only what you write does."

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class _Place:
    """Where an agent did something, so that an answer can be shown to them alone."""

    account: ChannelAccount
    channel: str
    thread: str | None
    user: str


class SlackHandoffs:
    """Bolt fills the listener's arguments by name; ``connection`` and ``account`` come from the look-up before it."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        temporal_client: Client,
        messenger: SlackMessenger,
        deskroom: SlackDeskroom,
    ) -> None:
        self._database = database
        self._vault = vault
        self._temporal = temporal_client
        self._messenger = messenger
        self._deskroom = deskroom
        self._doing: set[asyncio.Task[None]] = set()

    def register(self, app: AsyncApp) -> None:
        app.action(_ACTION)(self._on_click)

    async def close(self) -> None:
        for task in self._doing:
            task.cancel()
        await asyncio.gather(*self._doing, return_exceptions=True)

    async def _on_click(
        self, ack: AsyncAck, body: Json, action: Json, connection: ConnectionRef, account: ChannelAccount
    ) -> None:
        channel, message = body["channel"]["id"], body.get("message", {})
        place = _Place(account, channel, message.get("thread_ts") or message.get("ts"), body["user"]["id"])
        what = str(action["action_id"]).removeprefix("handoff:")
        origin = Origin("slack", f"{channel}:{place.thread}:{action.get('action_ts', '')}")
        # Slack is answered first: taking over waits for what is just being sent.
        self._do(place, self._press(connection, place, what, str(action.get("value", "")), origin))
        await ack()

    async def _press(self, connection: ConnectionRef, place: _Place, what: str, value: str, origin: Origin) -> None:
        if _VALUE.fullmatch(value) is None:
            raise NotFound("This card cannot be used any more.")
        async with self._database.tenant_session(connection.tenant_id) as session:
            agent = await self._agent(session, connection, place.user)
            handoff = await owning.get(session, UUID(value))
        if what == "not_now":
            async with self._database.tenant_session(connection.tenant_id) as session:
                await attending.not_now(session, handoff.id, agent.key)
            await temporal.mention_handoff(self._temporal, connection.tenant_id, handoff.id)
        else:
            await self._act(handoff, agent, what, origin)

    async def take(
        self, message: SlackMessage, connection: ConnectionRef, account: ChannelAccount, person: str
    ) -> bool:
        """Whether it was written in the thread of a card, and so by an agent. It is kept when this returns."""
        async with self._database.tenant_session(connection.tenant_id) as session:
            found = await finding.with_card(session, connection.connection_id, message.channel, message.root)
        if found is None:
            return False
        place = _Place(account, message.channel, message.root, person)
        if mentions(message, account.bot_user_id):
            self._do(place, self._obey(connection, place, message, found))
        else:
            try:
                await self._write(connection, place, message, found)
            except KonstructError as error:
                if error.retryable:
                    raise
                self._do(place, _refuse(error))
        return True

    async def _write(self, connection: ConnectionRef, place: _Place, message: SlackMessage, handoff: Handoff) -> None:
        text = plain_text(message.model_copy(update={"files": None}), place.account.bot_user_id)
        if text == NOTHING_SAID:
            raise BadInput(NO_FILES)
        origin = Origin("slack", message.external_id)
        try:
            async with self._database.tenant_session(connection.tenant_id) as session:
                agent = await self._agent(session, connection, place.user)
                split = self._messenger.split
                written = await entries.write(session, self._vault, handoff.id, agent, text, origin, split)
        except Conflict:
            # It was not theirs to say: what they wrote stays where they wrote it.
            async with self._database.tenant_session(connection.tenant_id) as session:
                await entries.note(session, self._vault, handoff.id, agent, text, origin)
            raise
        await temporal.send(self._temporal, connection.tenant_id, written.conversation_id, written.message_ids)
        if message.files:
            self._do(place, _refuse(Conflict(NO_FILES)))
        if written.waits:
            self._do(place, _refuse(Conflict(WAITS)))

    async def _obey(self, connection: ConnectionRef, place: _Place, message: SlackMessage, handoff: Handoff) -> None:
        """What somebody writes to the bot is an order, and never goes to the contact."""
        command = _COMMAND.fullmatch(plain_text(message, place.account.bot_user_id).strip())
        if command is None:
            raise Conflict(COMMANDS)
        async with self._database.tenant_session(connection.tenant_id) as session:
            agent = await self._agent(session, connection, place.user)
        what, rest = command["what"].lower(), command["rest"].strip()
        origin = Origin("slack", message.external_id)
        to = None
        if what == "transfer":
            to = await self._named(connection, message, place.account.bot_user_id)
        await self._act(handoff, agent, what, origin, note=rest, to=to, at_once=bool(command["now"]))

    async def _act(
        self,
        handoff: Handoff,
        agent: Agent,
        what: str,
        origin: Origin,
        *,
        note: str = "",
        to: str | None = None,
        at_once: bool = False,
    ) -> None:
        tenant_id = handoff.tenant_id
        if what in ("draft", "summary"):
            kind: Literal["draft", "summary"] = "draft" if what == "draft" else "summary"
            async with self._database.tenant_session(tenant_id) as session:
                await entries.ask(session, handoff.id, agent, kind, origin)
            await temporal.mention_handoff(self._temporal, tenant_id, handoff.id)
            return
        note_id = None
        if note and what in ("hand back", "resolve"):
            async with self._database.tenant_session(tenant_id) as session:
                [note_id] = (await entries.note(session, self._vault, handoff.id, agent, note, origin)).entry_ids
        act = AgentAct(agent.key, handoff.id, to, note_id, at_once)
        await temporal.act(self._temporal, tenant_id, handoff.conversation_id, _ACTS[what], act, origin.external_id)

    async def _named(self, connection: ConnectionRef, message: SlackMessage, bot_user_id: str) -> str:
        users = [user for user in _SOMEBODY.findall(message.text or "") if user != bot_user_id]
        if len(users) != 1:
            raise Conflict("Say to whom, by a mention: transfer @somebody.")
        async with self._database.tenant_session(connection.tenant_id) as session:
            person = (await people.settings(session)).agent_for_slack(users[0])
        if person is None:
            raise Conflict("Whom you named is not among the people of the desk.")
        return person.key

    async def _agent(self, session: AsyncSession, connection: ConnectionRef, user: str) -> Agent:
        """Ids of people are those of one workspace: in another of the tenant's they may be somebody else's."""
        desk = await people.settings(session)
        if desk.connection_key != await connections.key_of(session, connection.connection_id):
            raise NotAllowed("Conversations are not taken over in this workspace (any more).")
        return await owning.slack_agent(session, user)

    def _do(self, place: _Place, what: Awaitable[None]) -> None:
        task = asyncio.create_task(self._say_what_is_wrong(place, what))
        self._doing.add(task)
        task.add_done_callback(self._doing.discard)

    async def _say_what_is_wrong(self, place: _Place, what: Awaitable[None]) -> None:
        try:
            try:
                await what
            except KonstructError as error:
                await self._deskroom.whisper(place.account, place.channel, place.thread, place.user, str(error))
        except KonstructError as error:
            log.warning("slack_whisper_failed", error=str(error))
        except Exception:
            log.exception("slack_handoff_broke")


async def _refuse(error: KonstructError) -> None:
    raise error
