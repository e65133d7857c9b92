"""Asking colleagues: one is shown the question, the answer is waited for, and the conversation learns of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import structlog
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select
from temporalio import activity
from temporalio.client import Client

from activities.heartbeat import heartbeat
from konstruct import connections, consults, temporal
from konstruct.consults import Asked
from konstruct.contracts.consults import ConsultStanding, ConsultState
from konstruct.contracts.conversation import DELIVER_MESSAGE, DeliverMessage
from konstruct.db import Database
from konstruct.desk import people
from konstruct.desk_ports import ConsultCard, Deskroom
from konstruct.errors import ChannelError, ChannelRefused, NotFound
from konstruct.identity import ConnectionId
from konstruct.ports import ChannelAccount
from konstruct.tables import Connection, Consult
from konstruct.tables.base import utc_now
from konstruct.vault import Vault

WITHDRAWN: Final = "The person whom it was for was erased; no answer is needed."

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class _Place:
    """Where one person is asked, and as whom the channel knows them."""

    deskroom: Deskroom
    account: ChannelAccount
    channel: str
    user: str


class Consulting:
    def __init__(self, database: Database, vault: Vault, deskrooms: Mapping[str, Deskroom], client: Client) -> None:
        self._database = database
        self._vault = vault
        self._deskrooms = deskrooms
        self._client = client

    @activity.defn(name="announce_consult")
    async def announce_consult(self, state: ConsultState) -> None:
        """On a card in the desk's channel; whoever has no place there is asked over the API alone."""
        async with heartbeat():
            async with self._database.tenant_session(state.tenant_id) as session:
                asked = await consults.read(session, self._vault, state.consult_id)
                consult = await consults.get(session, state.consult_id)
                place = await self._place(session, consult.colleague)
            if place is not None and asked.state == "waiting" and consult.card_external_id is None:
                await self._show(state, consult, place, asked)
            async with self._database.tenant_session(state.tenant_id) as session:
                await consults.announced(session, state.consult_id)
                asked = await consults.read(session, self._vault, state.consult_id)
            if asked.state != "waiting":
                await self._renew(state, card_of(asked))

    @activity.defn(name="settle_consult")
    async def settle_consult(self, state: ConsultState) -> ConsultStanding:
        async with self._database.tenant_session(state.tenant_id) as session:
            consult = await consults.settle(session, state.consult_id)
        left = (consult.expires_at - utc_now()).total_seconds()
        return ConsultStanding(consult.state, left)  # type: ignore[arg-type]  # The database checks it.

    @activity.defn(name="report_consult")
    async def report_consult(self, state: ConsultState) -> None:
        async with self._database.tenant_session(state.tenant_id) as session:
            note_id = await consults.report(session, self._vault, state.consult_id)
            consult = await consults.get(session, state.consult_id)
        if note_id is not None:
            # When Temporal does not take it, this is tried again; and the note lies where a sweep finds it.
            await temporal.tell(
                self._client, state.tenant_id, consult.conversation_id, DELIVER_MESSAGE, DeliverMessage(note_id)
            )
        try:
            async with self._database.tenant_session(state.tenant_id) as session:
                card = card_of(await consults.read(session, self._vault, state.consult_id))
        except NotFound:
            # Whom it was about was erased: nothing of them stays where a colleague was asked.
            card = ConsultCard(consult.id, "", consult.colleague, "", consult.expires_at, outcome=WITHDRAWN)
        await self._renew(state, card)

    async def _show(self, state: ConsultState, consult: Consult, place: _Place, asked: Asked) -> None:
        card = card_of(asked, ring=(place.user,))
        try:
            found = None
            if consult.showing_at is not None:
                found = await place.deskroom.find_consult(place.account, place.channel, card, consult.showing_at)
            async with self._database.tenant_session(state.tenant_id) as session:
                await consults.begin_showing(session, state.consult_id)
            external_id = found or await place.deskroom.show_consult(place.account, place.channel, card)
        except ChannelRefused as error:
            # It will never take it. Over the API it can still be answered, and the log says why it was not shown.
            log.error("consult_not_shown", tenant_id=str(state.tenant_id), code=error.code)
            return
        async with self._database.tenant_session(state.tenant_id) as session:
            await consults.shown(session, state.consult_id, place.account.connection_id, place.channel, external_id)

    async def _renew(self, state: ConsultState, card: ConsultCard) -> None:
        """Says on the card what came of it; one that cannot be renewed says so to whoever answers below it."""
        async with self._database.tenant_session(state.tenant_id) as session:
            consult = await consults.get(session, state.consult_id)
            if consult.card_connection_id is None:
                return
            account = await connections.open_account(session, self._vault, ConnectionId(consult.card_connection_id))
        try:
            await self._deskrooms[account.kind].renew_consult(
                account, consult.card_channel or "", consult.card_external_id or "", card
            )
        except ChannelError as error:
            log.warning("consult_card_stale", tenant_id=str(state.tenant_id), error=type(error).__name__)

    async def _place(self, session: AsyncSession, colleague: str) -> _Place | None:
        desk = await people.settings(session)
        person = desk.agent(colleague)
        query = select(col(Connection.id)).where(col(Connection.key) == desk.connection_key)
        connection_id = await session.scalar(query)
        if connection_id is None or desk.channel is None or person is None or person.slack is None:
            return None
        account = await connections.open_account(session, self._vault, ConnectionId(connection_id))
        deskroom = self._deskrooms.get(account.kind)
        if deskroom is None or not account.is_active:
            return None
        return _Place(deskroom, account, desk.channel, person.slack)


def card_of(asked: Asked, ring: tuple[str, ...] = ()) -> ConsultCard:
    outcomes = {
        "answered": f"{asked.colleague_name} answered, and {asked.employee} goes on with it.",
        "expired": "Nobody answered in time.",
    }
    return ConsultCard(
        consult_id=asked.consult_id,
        employee=asked.employee,
        colleague=asked.colleague_name,
        question=asked.question,
        expires_at=asked.expires_at,
        ring=ring,
        outcome=outcomes.get(asked.state, ""),
    )
