"""The Slack side of a gateway over real HTTP, with a Slack that talks to it."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import SecretStr
from temporalio.client import Client

from gateway import app as gateway_app
from gateway import slack as slack_webhooks
from gateway import whatsapp
from gateway.slack_events import SlackEvents
from gateway.whatsapp_events import WhatsAppEvents
from konstruct.adapters.slack import SlackMessenger, open_session
from konstruct.adapters.slack_handoffs import SlackDeskroom
from konstruct.db import Database
from konstruct.errors import KonstructError
from konstruct.limits import LocalLimiter
from konstruct.settings import Settings
from konstruct.vault import Vault
from tests.gateway.office import Office, add_workspace, open_office
from tests.support.http import serve
from tests.support.slack_double import Delivery, SlackDouble
from tests.support.whatsapp_posts import APP_SECRET, VERIFY_TOKEN, Number, open_number

# Their samples are not part of this repository.
collect_ignore = [] if os.environ.get("KONSTRUCT_CORPORA") else ["test_slack_corpora.py", "test_whatsapp_corpora.py"]

OpenOffice = Callable[..., Awaitable[Office]]
OLD_APP_SECRET = "app-secret-until-now"


@dataclass(frozen=True)
class Quarantined:
    reason: str
    body: bytes


Quarantine = Callable[[], Awaitable[Sequence[Quarantined]]]


@pytest.fixture
async def quarantine(owner_url: SecretStr) -> AsyncIterator[Quarantine]:
    """What was put aside during the test; the product itself may not read it."""
    connection = await asyncpg.connect(owner_url.get_secret_value())
    before = await connection.fetchval("select coalesce(max(id::text), '') from quarantined_events")

    async def rows() -> Sequence[Quarantined]:
        query = "select reason, body from quarantined_events where id::text > $1 order by id"
        return [Quarantined(row["reason"], row["body"]) for row in await connection.fetch(query, before)]

    yield rows
    await connection.close()


@pytest.fixture
async def slack() -> AsyncIterator[SlackDouble]:
    double = SlackDouble()
    async with double.running():
        yield double


MakeEvents = Callable[..., AbstractAsyncContextManager[SlackEvents]]


@pytest.fixture
def make_events(
    slack: SlackDouble, database: Database, vault: Vault, temporal_client: Client, settings: Settings
) -> MakeEvents:
    """A gateway's inside, working with the servers of the tests unless told otherwise."""

    @asynccontextmanager
    async def make(
        database: Database = database,
        temporal_client: Client = temporal_client,
        cosmetic_time_limit: timedelta = timedelta(seconds=2),
        **changed: object,
    ) -> AsyncIterator[SlackEvents]:
        here = settings.model_copy(update={"slack_api_url": slack.api_url, **changed})
        async with open_session() as session:
            messenger = SlackMessenger(session, slack.api_url, cosmetic_time_limit=cosmetic_time_limit)
            deskroom = SlackDeskroom(session, slack.api_url)
            made = SlackEvents(database, vault, LocalLimiter(), temporal_client, messenger, deskroom, here)
            async with made as events:
                yield events

    return make


@pytest.fixture
async def events(make_events: MakeEvents) -> AsyncIterator[SlackEvents]:
    async with make_events() as events:
        yield events


def webhooks(events: SlackEvents, slack: SlackDouble) -> FastAPI:
    app = FastAPI()
    app.include_router(slack_webhooks.router(events, SecretStr(slack.signing_secret)))
    app.add_exception_handler(KonstructError, answer_error)
    return app


async def answer_error(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, KonstructError)
    return JSONResponse({"error": str(error)}, error.status)


@pytest.fixture
async def gateway(events: SlackEvents, slack: SlackDouble) -> AsyncIterator[str]:
    """The gateway's base URL; Slack's events go there."""
    async with serve(webhooks(events, slack)) as url:
        slack.events_url = f"{url}/slack/events"
        yield url


@pytest.fixture
def new_office(slack: SlackDouble, database: Database, vault: Vault) -> OpenOffice:
    async def open_new(
        *, prompts: Sequence[str] = (), limits: dict[str, str] | None = None, **workspace: Any
    ) -> Office:
        return await open_office(database, vault, add_workspace(slack, **workspace), prompts=prompts, **(limits or {}))

    return open_new


@pytest.fixture
async def office(new_office: OpenOffice, gateway: str) -> Office:
    """A connected workspace with the channel C1, whose events reach the gateway."""
    office = await new_office()
    office.workspace.add_channel("C1")
    return office


@pytest.fixture(scope="session")
async def api(settings: Settings) -> AsyncIterator[str]:
    """The base URL of a whole gateway."""
    async with serve(gateway_app.build(settings)) as url:
        yield url


def statuses(deliveries: Sequence[Delivery]) -> set[int | None]:
    return {delivery.status for delivery in deliveries}


async def signals(client: Client, office: Office, conversation_id: object) -> list[str]:
    handle = client.get_workflow_handle(f"conversation:{office.tenant_id}:{conversation_id}")
    history = await handle.fetch_history()
    return [
        event.workflow_execution_signaled_event_attributes.signal_name
        for event in history.events
        if event.HasField("workflow_execution_signaled_event_attributes")
    ]


NewNumber = Callable[..., Awaitable[Number]]


@pytest.fixture
def new_number(database: Database, vault: Vault) -> NewNumber:
    """Connects a WhatsApp number of a tenant of its own."""

    async def open_new(**kept: Any) -> Number:
        return await open_number(database, vault, **kept)

    return open_new


@pytest.fixture
async def number(new_number: NewNumber) -> Number:
    return await new_number()


@pytest.fixture
def whatsapp_events(database: Database, vault: Vault, temporal_client: Client) -> WhatsAppEvents:
    return WhatsAppEvents(database, vault, LocalLimiter(), temporal_client)


@pytest.fixture
def hears_whatsapp(whatsapp_events: WhatsAppEvents) -> FastAPI:
    """A gateway that Meta posts to, in process."""
    return whatsapp_webhooks(whatsapp_events)


def whatsapp_webhooks(events: WhatsAppEvents) -> FastAPI:
    app = FastAPI()
    app_secrets = [SecretStr(APP_SECRET), SecretStr(OLD_APP_SECRET)]
    app.include_router(whatsapp.router(events, app_secrets, SecretStr(VERIFY_TOKEN)))
    app.add_exception_handler(KonstructError, answer_error)
    return app
