"""Connecting a workspace with a link that an operator was given."""

from collections.abc import AsyncIterator
from urllib.parse import parse_qs, urlsplit

import aiohttp
import httpx
import pytest
from cryptography.fernet import Fernet
from fastapi import FastAPI
from pydantic import SecretStr

from gateway import slack_install
from konstruct import connections, slack_tickets
from konstruct.adapters.redis import Circuit, connect
from konstruct.adapters.slack import open_session
from konstruct.adapters.slack_oauth import SlackOAuth
from konstruct.db import Database
from konstruct.errors import KonstructError
from konstruct.settings import Settings
from konstruct.slack_tickets import Ticket
from konstruct.vault import Vault
from tests.gateway.conftest import OpenOffice, answer_error
from tests.gateway.office import Office, add_workspace
from tests.support.slack_double import SlackDouble


@pytest.fixture
def oauth_settings(settings: Settings, slack: SlackDouble) -> Settings:
    return settings.model_copy(
        update={
            "slack_api_url": slack.api_url,
            "slack_client_id": slack.client_id,
            "slack_client_secret": SecretStr(slack.client_secret),
        }
    )


@pytest.fixture
async def app(
    slack: SlackDouble, database: Database, vault: Vault, redis_url: str, oauth_settings: Settings
) -> AsyncIterator[FastAPI]:
    app = FastAPI()
    app.add_exception_handler(KonstructError, answer_error)
    redis = connect(redis_url)
    async with open_session() as session:
        keys = oauth_settings.encryption_keys
        app.include_router(slack_install.router(database, vault, redis, Circuit(), at_slack(session, slack), keys))
        yield app
    await redis.aclose()


def at_slack(session: aiohttp.ClientSession, slack: SlackDouble) -> SlackOAuth:
    return SlackOAuth(session, slack.api_url, slack.client_id, SecretStr(slack.client_secret))


def browser(app: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="https://konstruct.example")


def link(settings: Settings, office: Office, employee_key: str = "ada") -> str:
    ticket = slack_tickets.seal(settings.encryption_keys, Ticket(office.tenant_id, employee_key))
    return f"/slack/install?ticket={ticket}"


async def consent(visitor: httpx.AsyncClient, address: str) -> dict[str, str]:
    """Opens the link; returns what Slack's consent page is asked."""
    answer = await visitor.get(address)
    assert answer.status_code == 303
    return {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["location"]).query).items()}


async def test_a_link_connects_a_workspace_to_its_tenant(
    app: FastAPI, slack: SlackDouble, new_office: OpenOffice, oauth_settings: Settings, database: Database, vault: Vault
) -> None:
    office, workspace = await new_office(), add_workspace(slack)

    async with browser(app) as visitor:
        asked = await consent(visitor, link(oauth_settings, office))
        done = await visitor.get(
            "/slack/oauth_redirect", params={"state": asked["state"], "code": slack.issue_code(workspace)}
        )

    assert (done.status_code, done.text) == (200, f"Connected {workspace.name}. You may close this page.")
    assert asked["client_id"] == slack.client_id
    assert asked["redirect_uri"] == "https://konstruct.example/slack/oauth_redirect"
    found = await connections.find(database, "slack", f"-/{workspace.team_id}")
    assert found is not None
    assert found.tenant_id == office.tenant_id
    async with database.tenant_session(office.tenant_id) as session:
        account = await connections.open_account(session, vault, found.connection_id)
    assert (account.bot_user_id, account.bot_id) == (workspace.bot_user_id, workspace.bot_id)
    assert account.secrets == {"bot_token": SecretStr(workspace.bot_token)}


async def test_an_organisation_is_connected_as_a_whole(
    app: FastAPI, slack: SlackDouble, new_office: OpenOffice, oauth_settings: Settings, database: Database
) -> None:
    office = await new_office()
    workspace = add_workspace(slack, enterprise_id="E9", is_enterprise_install=True)

    async with browser(app) as visitor:
        asked = await consent(visitor, link(oauth_settings, office))
        await visitor.get(
            "/slack/oauth_redirect", params={"state": asked["state"], "code": slack.issue_code(workspace)}
        )

    assert await connections.find(database, "slack", "E9/-") is not None


async def test_a_link_is_good_once(
    app: FastAPI, slack: SlackDouble, new_office: OpenOffice, oauth_settings: Settings
) -> None:
    office = await new_office()
    address = link(oauth_settings, office)

    async with browser(app) as visitor:
        statuses = []
        for workspace in (add_workspace(slack), add_workspace(slack)):
            asked = await consent(visitor, address)
            done = await visitor.get(
                "/slack/oauth_redirect", params={"state": asked["state"], "code": slack.issue_code(workspace)}
            )
            statuses.append(done.status_code)

    assert statuses == [200, 409]


async def test_another_browser_cannot_finish(
    app: FastAPI, slack: SlackDouble, new_office: OpenOffice, oauth_settings: Settings
) -> None:
    office = await new_office()
    code = slack.issue_code(add_workspace(slack))

    async with browser(app) as visitor, browser(app) as other, browser(app) as bare:
        asked = await consent(visitor, link(oauth_settings, office))
        await consent(other, link(oauth_settings, office))
        answers = [
            await client.get("/slack/oauth_redirect", params={"state": asked["state"], "code": code})
            for client in (other, bare)
        ]

    assert [answer.status_code for answer in answers] == [401, 401]
    assert slack.calls == []


async def test_a_workspace_of_another_tenant_is_not_taken_over(
    app: FastAPI, slack: SlackDouble, new_office: OpenOffice, oauth_settings: Settings
) -> None:
    owner, thief = await new_office(), await new_office()

    async with browser(app) as visitor:
        asked = await consent(visitor, link(oauth_settings, thief))
        done = await visitor.get(
            "/slack/oauth_redirect", params={"state": asked["state"], "code": slack.issue_code(owner.workspace)}
        )

    assert done.status_code == 409
    assert (await owner.connection()).status == "active"


async def test_who_declines_connects_nothing(
    app: FastAPI, slack: SlackDouble, new_office: OpenOffice, oauth_settings: Settings
) -> None:
    async with browser(app) as visitor:
        asked = await consent(visitor, link(oauth_settings, await new_office()))
        done = await visitor.get("/slack/oauth_redirect", params={"state": asked["state"], "error": "access_denied"})

    assert "not connected" in done.text
    assert slack.calls == []


async def test_a_code_that_slack_does_not_know_connects_nothing(
    app: FastAPI, new_office: OpenOffice, oauth_settings: Settings
) -> None:
    async with browser(app) as visitor:
        asked = await consent(visitor, link(oauth_settings, await new_office()))
        done = await visitor.get("/slack/oauth_redirect", params={"state": asked["state"], "code": "made-up"})

    assert done.status_code == 502


async def test_what_was_not_sealed_here_opens_nothing(
    app: FastAPI, new_office: OpenOffice, oauth_settings: Settings
) -> None:
    office = await new_office()
    keys = oauth_settings.encryption_keys
    foreign = slack_tickets.seal((SecretStr(Fernet.generate_key().decode()),), Ticket(office.tenant_id, "ada"))
    stale = Fernet(keys[0].get_secret_value()).encrypt_at_time(b"{}", 0).decode()
    no_ticket = Fernet(keys[0].get_secret_value()).encrypt(Fernet.generate_key()).decode()

    async with browser(app) as visitor:
        asked = await consent(visitor, link(oauth_settings, office))
        for ticket in (foreign, stale, no_ticket, "é", "", asked["state"]):
            assert (await visitor.get("/slack/install", params={"ticket": ticket})).status_code == 422


async def test_without_redis_no_link_is_taken(
    slack: SlackDouble, database: Database, vault: Vault, new_office: OpenOffice, oauth_settings: Settings
) -> None:
    app = FastAPI()
    app.add_exception_handler(KonstructError, answer_error)
    async with open_session() as session:
        redis, keys = connect("redis://127.0.0.1:1/0"), oauth_settings.encryption_keys
        app.include_router(slack_install.router(database, vault, redis, Circuit(), at_slack(session, slack), keys))
        async with browser(app) as visitor:
            asked = await consent(visitor, link(oauth_settings, await new_office()))
            done = await visitor.get("/slack/oauth_redirect", params={"state": asked["state"], "code": "any"})

    assert done.status_code == 503
    assert slack.calls == []
