"""Connecting a workspace to Slack: whose a token is, and what a code of OAuth is exchanged for."""

from datetime import timedelta

import aiohttp
import pytest
from aiohttp import web
from pydantic import SecretStr

from konstruct.adapters.slack import SlackMessenger
from konstruct.errors import ChannelRefused, ConnectionDead
from tests.konstruct.adapters.slack_place import SCOPES
from tests.konstruct.adapters.test_slack import always
from tests.support.http import serve
from tests.support.slack_double import SlackDouble, Workspace


@pytest.fixture
def workspace(slack: SlackDouble) -> Workspace:
    return slack.world.add_workspace(scopes=SCOPES)


async def test_a_token_says_whose_it_is(messenger: SlackMessenger, workspace: Workspace) -> None:
    who = await messenger.identify(SecretStr(workspace.bot_token))
    assert (who.team_id, who.team_name) == (workspace.team_id, workspace.name)
    assert (who.bot_user_id, who.bot_id) == (workspace.bot_user_id, workspace.bot_id)
    assert (who.enterprise_id, who.is_enterprise_install) == (None, False)


async def test_an_organization_wide_token_is_known_by_its_enterprise(
    slack: SlackDouble, messenger: SlackMessenger
) -> None:
    workspace = slack.world.add_workspace(enterprise_id="E1", is_enterprise_install=True)
    who = await messenger.identify(SecretStr(workspace.bot_token))
    assert who.external() == {
        "enterprise_id": "E1",
        "team_id": None,
        "bot_user_id": workspace.bot_user_id,
        "bot_id": workspace.bot_id,
    }


async def test_a_token_that_is_no_bots_is_refused(messenger: SlackMessenger, slack: SlackDouble) -> None:
    for token in ("xoxb-unknown", slack.app_token):
        with pytest.raises(ConnectionDead):
            await messenger.identify(SecretStr(token))


async def test_a_code_becomes_an_installation_once(
    slack: SlackDouble, messenger: SlackMessenger, workspace: Workspace
) -> None:
    code = slack.issue_code(workspace)
    secret = SecretStr(slack.client_secret)
    installed = await messenger.exchange_code(slack.client_id, secret, code, "https://k.example/cb")
    assert (installed.app_id, installed.team_id) == (slack.world.app_id, workspace.team_id)
    assert installed.bot_token.get_secret_value() == workspace.bot_token
    assert workspace.bot_token not in repr(installed)
    assert (installed.scopes, installed.refresh_token, installed.expires_in) == (SCOPES, None, None)
    with pytest.raises(ChannelRefused, match="start it again"):
        await messenger.exchange_code(slack.client_id, secret, code, "https://k.example/cb")
    with pytest.raises(ChannelRefused, match="client secret"):
        await messenger.exchange_code(slack.client_id, SecretStr("wrong"), code, "https://k.example/cb")


async def test_an_organization_wide_installation_has_no_team(slack: SlackDouble, messenger: SlackMessenger) -> None:
    workspace = slack.world.add_workspace(enterprise_id="E1", is_enterprise_install=True)
    code = slack.issue_code(workspace)
    installed = await messenger.exchange_code(slack.client_id, SecretStr(slack.client_secret), code, "https://k/cb")
    assert (installed.team_id, installed.enterprise_id, installed.is_enterprise_install) == (None, "E1", True)


async def test_granted_scopes_and_rotating_tokens_are_read(session: aiohttp.ClientSession) -> None:
    who = {"ok": True, "team_id": "T1", "team": "Acme", "user_id": "U1", "bot_id": "B1", "enterprise_id": "E1"}
    headers = {"X-OAuth-Scopes": "chat:write,im:history"}
    async with serve(always(lambda: web.json_response(who, headers=headers))) as url:
        identity = await SlackMessenger(session, url).identify(SecretStr("xoxb-1"))
    assert identity.scopes == {"chat:write", "im:history"}
    grant = {
        "ok": True, "app_id": "A1", "token_type": "bot", "access_token": "xoxe.xoxb-1", "bot_user_id": "U1",
        "team": {"id": "T1", "name": "Acme"}, "refresh_token": "xoxe-1", "expires_in": 43200,
    }  # fmt: skip
    async with serve(always(lambda: web.json_response(grant))) as url:
        installed = await SlackMessenger(session, url).exchange_code("1", SecretStr("s"), "c", "https://k/cb")
    assert installed.refresh_token == SecretStr("xoxe-1")
    assert installed.expires_in == timedelta(hours=12)
