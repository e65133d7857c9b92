"""One who attends to the handoffs of an office, and what people see of it in Slack and by mail."""

import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from email.headerregistry import Address
from functools import partial
from uuid import UUID

import pytest
from temporalio.client import Client
from temporalio.testing import ActivityEnvironment

from activities.attending import Attending
from konstruct import temporal
from konstruct.adapters.mail import MailServer, SmtpMailer
from konstruct.adapters.slack import open_session
from konstruct.adapters.slack_handoffs import SlackDeskroom
from konstruct.contracts.handoffs import HandoffStanding, HandoffState
from konstruct.db import Database
from konstruct.handoffs import attending as core
from konstruct.inbox import Accepted
from konstruct.vault import Vault
from tests.support.handoffs import (
    DESK_CHANNEL,
    change_row,
    handoff_row,
    seat,
)
from tests.support.mail_double import MailDouble, open_mail_double
from tests.support.office import Office, open_office
from tests.support.slack_double import Json, SlackDouble


@pytest.fixture
async def slack() -> AsyncIterator[SlackDouble]:
    async with SlackDouble().running() as double:
        double.world.add_workspace().add_channel(DESK_CHANNEL)
        yield double


@pytest.fixture
async def mails() -> AsyncIterator[MailDouble]:
    async with open_mail_double() as double:
        yield double


@pytest.fixture
async def office(slack: SlackDouble, database: Database, vault: Vault) -> Office:
    [workspace] = slack.world.workspaces.values()
    office = await open_office(database, vault, bot_token=workspace.bot_token)
    await seat(office)
    return office


@dataclass(frozen=True)
class Desk:
    """One who attends to the handoffs of an office, and what people see of it."""

    attending: Attending
    office: Office
    slack: SlackDouble
    attender: Callable[..., Attending]

    async def attend(self, handoff_id: UUID, *, attempt: int = 1) -> HandoffStanding:
        environment = ActivityEnvironment()
        environment.info = replace(environment.info, attempt=attempt)
        state = HandoffState(self.office.tenant_id, handoff_id)
        standing: HandoffStanding = await environment.run(self.attending.attend_handoff, state)
        return standing

    def with_portal(self, address: str) -> "Desk":
        """Whose people know where the portal is."""
        return replace(self, attending=self.attender(portal=address))

    async def let_pass(self, handoff_id: UUID, time: timedelta) -> None:
        """As if it had been opened, and all been done, so much earlier."""
        handoff = await handoff_row(self.office, handoff_id)
        waiting = dict(handoff.progress["waiting"])
        for name, value in waiting.items():
            if isinstance(value, str) and re.match(r"\d{4}-\d\d-\d\dT", value):
                waiting[name] = (core.waiting_of(handoff).__getattribute__(name) - time).isoformat()
        await change_row(self.office, handoff_id, progress=handoff.progress | {"waiting": waiting})

    @property
    def cards(self) -> list[Json]:
        return [message for message in self.slack.bot_messages(DESK_CHANNEL) if _event(message) == "konstruct_handoff"]

    @property
    def card(self) -> Json:
        [card] = self.cards
        return card

    @property
    def lines(self) -> list[str]:
        """In the thread of the card."""
        return [
            message["text"]
            for message in self.slack.bot_messages(DESK_CHANNEL, thread_ts=self.card["ts"])
            if _event(message) == "konstruct_entry"
        ]


def _event(message: Json) -> str:
    return str(message.get("metadata", {}).get("event_type", ""))


def buttons(card: Json) -> list[str]:
    actions = [block for block in card["blocks"] if block["type"] == "actions"]
    return [element["action_id"].removeprefix("handoff:") for block in actions for element in block["elements"]]


@pytest.fixture
async def desk(
    office: Office, slack: SlackDouble, mails: MailDouble, database: Database, vault: Vault, temporal_client: Client
) -> AsyncIterator[Desk]:
    mailer = SmtpMailer(MailServer("127.0.0.1", mails.port, "none"), Address(addr_spec="desk@example.com"))
    async with open_session() as session:
        deskroom = SlackDeskroom(session, slack.api_url, time_limit=timedelta(seconds=1))
        attender = partial(Attending, database, vault, {"slack": deskroom}, mailer, temporal_client)
        yield Desk(attender(), office, slack, attender)


@pytest.fixture
async def asked(office: Office) -> Accepted:
    return await office.say("I want a person")


async def signals(client: Client, office: Office, asked: Accepted) -> list[str]:
    handle = client.get_workflow_handle(temporal.workflow_id(office.tenant_id, asked.conversation_id))
    return [
        event.workflow_execution_signaled_event_attributes.signal_name
        async for event in handle.fetch_history_events()
        if event.HasField("workflow_execution_signaled_event_attributes")
    ]
