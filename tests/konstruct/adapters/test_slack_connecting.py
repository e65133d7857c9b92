"""Connecting a workspace to Slack: whose a token is, and what a code of OAuth is exchanged for."""

from datetime import timedelta

import aiohttp
import pytest
from aiohttp import web
from pydantic import SecretStr

from konstruct.adapters.slack import SlackMessenger
from konstruct.adapters.slack_oauth import SlackOAuth
from konstruct.errors import ChannelRefused, ConnectionDead, TokenExpired
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


@pytest.fixture
def oauth(session: aiohttp.ClientSession, slack: SlackDouble) -> SlackOAuth:
    return SlackOAuth(session, slack.api_url, slack.client_id, SecretStr(slack.client_secret))


async def test_a_code_becomes_a_workspace_once(
    session: aiohttp.ClientSession, slack: SlackDouble, oauth: SlackOAuth, workspace: Workspace
) -> None:
    code = slack.issue_code(workspace)
    found = await oauth.exchange_code(code, "https://k.example/cb")
    assert (found.external["app_id"], found.team_id, found.name) == (
        *(slack.world.app_id, workspace.team_id, workspace.name),
    )
    assert found.bot_token.get_secret_value() == workspace.bot_token
    assert workspace.bot_token not in repr(found)
    assert found.external["bot_id"] == workspace.bot_id
    assert (found.scopes, found.refresh_token, found.token_lives) == (SCOPES, None, None)
    with pytest.raises(ChannelRefused, match="start it again"):
        await oauth.exchange_code(code, "https://k.example/cb")
    wrong = SlackOAuth(session, slack.api_url, slack.client_id, SecretStr("wrong"))
    with pytest.raises(ChannelRefused, match="client secret"):
        await wrong.exchange_code(code, "https://k.example/cb")


async def test_an_organization_wide_installation_has_no_team(slack: SlackDouble, oauth: SlackOAuth) -> None:
    workspace = slack.world.add_workspace(enterprise_id="E1", is_enterprise_install=True)
    found = await oauth.exchange_code(slack.issue_code(workspace), "https://k/cb")
    assert (found.team_id, found.enterprise_id, found.account, found.name) == (None, "E1", "E1/-", "Grid")


async def test_a_code_is_good_for_the_address_that_it_was_asked_for(
    slack: SlackDouble, oauth: SlackOAuth, workspace: Workspace
) -> None:
    code = slack.consent.allow(workspace, "chat:write", "https://k.example/cb")
    with pytest.raises(ChannelRefused, match="redirect address"):
        await oauth.exchange_code(code, "https://elsewhere.example/cb")


async def test_granted_scopes_are_read(session: aiohttp.ClientSession) -> None:
    who = {"ok": True, "team_id": "T1", "team": "Acme", "user_id": "U1", "bot_id": "B1", "enterprise_id": "E1"}
    headers = {"X-OAuth-Scopes": "chat:write,im:history"}
    async with serve(always(lambda: web.json_response(who, headers=headers))) as url:
        identity = await SlackMessenger(session, url).identify(SecretStr("xoxb-1"))
    assert identity.scopes == {"chat:write", "im:history"}


async def test_tokens_that_expire_are_renewed_each_once(
    slack: SlackDouble, oauth: SlackOAuth, messenger: SlackMessenger, workspace: Workspace
) -> None:
    slack.consent.rotates = True
    first = await oauth.exchange_code(slack.issue_code(workspace), "https://k/cb")
    assert first.refresh_token is not None
    assert first.token_lives == timedelta(hours=12)

    renewed = await oauth.renew(first.refresh_token)

    assert renewed.expires_in == timedelta(hours=12)
    assert first.refresh_token.get_secret_value() not in repr(renewed)
    # The token before is good until it expires.
    for token in (first.bot_token, renewed.bot_token):
        assert (await messenger.identify(token)).team_id == workspace.team_id
    with pytest.raises(ChannelRefused, match="no longer takes"):
        await oauth.renew(first.refresh_token)
    workspace.expire_token()
    with pytest.raises(TokenExpired):
        await messenger.identify(renewed.bot_token)


async def test_an_app_that_was_taken_out_has_no_good_token(
    slack: SlackDouble, oauth: SlackOAuth, messenger: SlackMessenger, workspace: Workspace
) -> None:
    await oauth.uninstall(SecretStr(workspace.bot_token))
    with pytest.raises(ConnectionDead):
        await messenger.identify(SecretStr(workspace.bot_token))
