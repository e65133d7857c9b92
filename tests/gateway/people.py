"""Agents in a workspace: cards that they press, threads that they write in, and what becomes of it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from konstruct import connections
from konstruct.adapters.slack import open_session
from konstruct.adapters.slack_handoffs import SlackDeskroom
from konstruct.desk import people
from konstruct.handoffs import cards, owning
from konstruct.tables import Conversation, Handoff, HandoffEntry
from tests.gateway.office import Office
from tests.support import office as any_office
from tests.support.handoffs import DESK_CHANNEL, change_row, handoff_row, seat
from tests.support.slack_double import Delivery, SlackDouble
from tests.support.slack_double.delivery import EventKind, Said


async def until(office: any_office.Office, handoff_id: UUID, holds: Callable[[Handoff], bool]) -> Handoff:
    """The handoff, once it is so."""
    async with asyncio.timeout(30):
        while not holds(handoff := await handoff_row(office, handoff_id)):
            continue
    return handoff


async def open_floor(slack: SlackDouble, office: Office, gateway: str) -> "Floor":
    office.workspace.add_channel(DESK_CHANNEL)
    await seat(office)
    return Floor(slack, office, f"{gateway}/slack/interactivity")


@dataclass(frozen=True)
class Floor:
    """Where agents are: the desk's channel."""

    slack: SlackDouble
    office: Office
    url: str
    """Where clicks go."""

    async def show(self, handoff_id: UUID) -> str:
        """As the worker does; the card's ts."""
        async with self.office.session() as session:
            desk, handoff = await people.settings(session), await owning.get(session, handoff_id)
            account = await connections.open_account(session, self.office.vault, self.office.connection_id)
            card = await cards.card(session, self.office.vault, handoff, desk)
        async with open_session() as http:
            ts = await SlackDeskroom(http, self.slack.api_url).show_handoff(account, DESK_CHANNEL, card)
        await change_row(
            self.office,
            handoff_id,
            card_connection_id=self.office.connection_id,
            card_channel=DESK_CHANNEL,
            card_external_id=ts,
        )
        return ts

    async def click(self, handoff_id: UUID, what: str, user: str = "UGRACE", *, value: str | None = None) -> Delivery:
        card = (await handoff_row(self.office, handoff_id)).card_external_id
        assert card is not None
        return await self.slack.person_clicks(
            DESK_CHANNEL,
            card,
            user,
            action_id=f"handoff:{what}",
            value=str(handoff_id) if value is None else value,
            url=self.url,
            team=self.office.workspace.team_id,
        )

    async def write(self, handoff_id: UUID, text: str, user: str = "UGRACE", **more: Any) -> Said:
        """In the thread of its card."""
        card = (await handoff_row(self.office, handoff_id)).card_external_id
        return await self.slack.person_says(DESK_CHANNEL, user, text, thread_ts=card, **more)

    async def order(
        self, handoff_id: UUID, text: str, user: str = "UGRACE", order: tuple[EventKind, ...] = ("message",)
    ) -> Said:
        """By a mention of the bot."""
        return await self.write(handoff_id, f"<@{self.office.workspace.bot_user_id}> {text}", user, order=order)

    async def told(self, user: str = "UGRACE", count: int = 1) -> str:
        whispers = await self.slack.wait_for_whisper(count)
        channel, who, sentence = whispers[count - 1]
        assert (channel, who) == (DESK_CHANNEL, user)
        return sentence

    async def until(self, handoff_id: UUID, holds: Callable[[Handoff], bool]) -> Handoff:
        return await until(self.office, handoff_id, holds)

    async def entry(self, kind: str) -> HandoffEntry:
        """The only one of this kind, once there is one."""
        async with asyncio.timeout(30):
            while not (found := [row for row in await self.office.rows(HandoffEntry) if row.kind == kind]):
                continue
        [entry] = found
        return entry

    async def said(self) -> list[str]:
        """What agents said to contacts, in order."""
        return [message.body or "" for message in await self.office.messages("outbound") if message.author == "agent"]

    async def owner(self, conversation_id: UUID) -> Conversation:
        [row] = [row for row in await self.office.conversations() if row.id == conversation_id]
        return row
