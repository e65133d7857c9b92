"""Tokens that expire, renewed at Slack by one worker at a time; and what is sent meanwhile."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from pydantic import SecretStr
from sqlmodel import col, update
from temporalio.testing import ActivityEnvironment

from activities.delivery import Delivery
from activities.renewing import Renewing
from konstruct import connections
from konstruct.adapters.slack import SlackMessenger, open_session
from konstruct.adapters.slack_oauth import SlackOAuth
from konstruct.connecting import slack_workspaces
from konstruct.contracts.conversation import DeliverRequest
from konstruct.db import Database
from konstruct.errors import TokenExpired
from konstruct.tables import Connection
from konstruct.tables.base import utc_now
from konstruct.vault import Vault
from tests.gateway.office import Office, add_workspace, open_office
from tests.support.doubles import KeptWindows
from tests.support.slack_double import SlackDouble

ROOT = "1700000000.000100"


@pytest.fixture
async def slack() -> AsyncIterator[SlackDouble]:
    async with SlackDouble().running() as slack:
        slack.consent.rotates = True
        yield slack


@pytest.fixture
async def oauth(slack: SlackDouble) -> AsyncIterator[SlackOAuth]:
    async with open_session() as session:
        yield SlackOAuth(session, slack.api_url, slack.client_id, SecretStr(slack.client_secret))


@pytest.fixture
async def office(database: Database, vault: Vault, slack: SlackDouble, oauth: SlackOAuth) -> Office:
    """Its token is to be renewed."""
    office = await open_office(database, vault, add_workspace(slack))
    workspace = await oauth.exchange_code(slack.issue_code(office.workspace), "https://k.example/cb")
    async with office.session() as session:
        await slack_workspaces.connect(session, vault, office.tenant_id, workspace, employee_key="ada", actor="test")
        await session.execute(update(Connection).values(renew_at=utc_now()))
    return office


async def token(office: Office) -> str:
    async with office.session() as session:
        account = await connections.open_account(session, office.vault, office.connection_id)
    return account.secrets["bot_token"].get_secret_value()


async def test_a_token_is_renewed_once_however_many_workers_there_are(
    office: Office, slack: SlackDouble, oauth: SlackOAuth
) -> None:
    before = office.workspace.bot_token
    renewing = Renewing(office.database, office.vault, oauth)

    await asyncio.gather(*(ActivityEnvironment().run(renewing.renew_tokens) for _ in range(3)))

    renewals = [call for call in slack.calls_of("oauth.v2.access") if call.args.get("grant_type") == "refresh_token"]
    assert len(renewals) == 1
    assert await token(office) == office.workspace.bot_token != before
    renewed = await office.connection()
    assert renewed.renew_at is not None
    assert renewed.renew_at > utc_now() + timedelta(hours=9)


async def test_a_worker_that_dies_with_the_new_token_costs_the_connection_only_when_the_last_one_expires(
    office: Office, slack: SlackDouble, oauth: SlackOAuth
) -> None:
    renewing = Renewing(office.database, office.vault, oauth)
    slack.drop_next("oauth.v2.access", accepted=True)
    await ActivityEnvironment().run(renewing.renew_tokens)
    assert (await office.connection()).renewal_problem is None
    async with office.session() as session:
        await session.execute(update(Connection).values(renewing_until=None))

    await ActivityEnvironment().run(renewing.renew_tokens)

    troubled = await office.connection()
    assert (troubled.status, troubled.renew_at) == ("active", troubled.token_expires_at)
    assert troubled.renewal_problem is not None
    async with office.session() as session:
        gone = utc_now() - timedelta(seconds=1)
        await session.execute(update(Connection).values(renewing_until=None, renew_at=gone, token_expires_at=gone))
    await ActivityEnvironment().run(renewing.renew_tokens)
    assert (await office.connection()).status_reason == "token_expired"


async def test_what_is_sent_with_an_expired_token_waits_for_a_new_one(
    office: Office, slack: SlackDouble, oauth: SlackOAuth
) -> None:
    async with office.session() as session:
        await session.execute(update(Connection).values(renew_at=utc_now() + timedelta(hours=9)))
    channel = office.workspace.add_channel("C1")
    slack.world.store(channel, {"type": "message", "user": "U1", "text": "Hello?", "ts": ROOT})
    asked = await office.say("Hello?", root=ROOT)
    parts = await office.answer(asked, "Hello!")
    office.workspace.expire_token()
    async with open_session() as session:
        messengers = {"slack": SlackMessenger(session, slack.api_url)}
        delivery = Delivery(office.database, office.vault, messengers, KeptWindows())
        request = DeliverRequest(office.tenant_id, asked.conversation_id, parts)
        with pytest.raises(TokenExpired):
            await ActivityEnvironment().run(delivery.deliver, request)
        assert (await office.message(parts[0])).state == "pending"

        await ActivityEnvironment().run(Renewing(office.database, office.vault, oauth).renew_tokens)
        await ActivityEnvironment().run(delivery.deliver, request)

    assert (await office.message(parts[0])).state == "sent"
    assert (await office.connection()).status == "active"


async def test_where_no_token_is_renewed_an_expired_one_ends_the_connection(
    database: Database, vault: Vault, slack: SlackDouble
) -> None:
    office = await open_office(database, vault, add_workspace(slack))
    asked = await office.say("Hello?")
    parts = await office.answer(asked, "Hello!")
    office.workspace.expire_token()
    async with open_session() as session:
        messengers = {"slack": SlackMessenger(session, slack.api_url)}
        delivery = Delivery(office.database, office.vault, messengers, KeptWindows())
        request = DeliverRequest(office.tenant_id, asked.conversation_id, parts)
        await ActivityEnvironment().run(delivery.deliver, request)
    ended = await office.connection()
    assert (ended.status, ended.status_reason) == ("revoked", "token_expired")


async def test_without_an_app_of_the_deployments_nothing_is_renewed(office: Office) -> None:
    await ActivityEnvironment().run(Renewing(office.database, office.vault, None).renew_tokens)
    async with office.session() as session:
        await session.execute(
            update(Connection).where(col(Connection.id) == office.connection_id).values(renew_at=None)
        )
