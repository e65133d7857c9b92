"""How the app gets into a workspace, stays there and leaves it: Slack's OAuth. Whose a workspace is, is not here."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final, TypeVar
from urllib.parse import urlencode, urljoin

import aiohttp
from pydantic import SecretStr

from konstruct.adapters.slack_calls import SlackCalls, answered, scopes_of
from konstruct.connecting import slack_app
from konstruct.connecting.renewing import Renewed
from konstruct.connecting.slack_workspaces import Workspace
from konstruct.errors import ChannelRefused
from konstruct.settings import Settings

Read = TypeVar("Read")

TIME_LIMIT: Final = timedelta(seconds=15)


class SlackOAuth:
    """Of one Slack app, which is the deployment's."""

    def __init__(self, session: aiohttp.ClientSession, api_url: str, client_id: str, client_secret: SecretStr) -> None:
        self._calls = SlackCalls(session, api_url, TIME_LIMIT)
        self._consent = urljoin(api_url, "/oauth/v2/authorize")
        self._client_id = client_id
        self._client_secret = client_secret

    def consent_page(self, redirect_uri: str, state: str) -> str:
        """Where a person allows the app."""
        query = {
            "client_id": self._client_id,
            "scope": ",".join(slack_app.SCOPES),
            "redirect_uri": redirect_uri,
            "state": state,
        }
        return f"{self._consent}?{urlencode(query)}"

    async def exchange_code(self, code: str, redirect_uri: str) -> Workspace:
        """What was allowed there; a code is good once."""
        workspace = await self._access(_workspace, code=code, redirect_uri=redirect_uri)
        async with self._calls.client(workspace.bot_token, is_send=False) as slack:
            who = answered(await slack.auth_test())
            name = workspace.name or who["team"]
            return replace(workspace, name=name, external={**workspace.external, "bot_id": who["bot_id"]})

    async def renew(self, refresh_token: SecretStr) -> Renewed:
        """Slack takes a refresh token once: what comes back has to be kept, or the workspace must be connected anew.

        Raises:
            ChannelError: as every call; of a retryable one nobody knows whether the token was used up.
        """
        token = refresh_token.get_secret_value()
        return await self._access(_renewed, grant_type="refresh_token", refresh_token=token)

    async def uninstall(self, bot_token: SecretStr) -> None:
        """Takes the app out of the workspace, with all of its tokens."""
        async with self._calls.client(bot_token, is_send=False) as slack:
            await slack.api_call("apps.uninstall", data=self._credentials())

    async def _access(self, read: Callable[[Mapping[str, Any]], Read], **what: str) -> Read:
        async with self._calls.client(SecretStr(""), is_send=False) as slack:
            # The SDK's own method for this signs in by a part of aiohttp that is on its way out.
            return read(answered(await slack.api_call("oauth.v2.access", data={**self._credentials(), **what})))

    def _credentials(self) -> dict[str, str]:
        return {"client_id": self._client_id, "client_secret": self._client_secret.get_secret_value()}


def of_deployment(session: aiohttp.ClientSession, settings: Settings) -> SlackOAuth | None:
    """None where the deployment has no Slack app to connect workspaces with."""
    if settings.slack_client_id is None or settings.slack_client_secret is None:
        return None
    return SlackOAuth(session, settings.slack_api_url, settings.slack_client_id, settings.slack_client_secret)


def _renewed(grant: Mapping[str, Any]) -> Renewed:
    return Renewed(
        bot_token=SecretStr(grant["access_token"]),
        refresh_token=SecretStr(grant["refresh_token"]),
        expires_in=timedelta(seconds=grant["expires_in"]),
    )


def _workspace(grant: Mapping[str, Any]) -> Workspace:
    if grant.get("token_type") != "bot":
        raise ChannelRefused("The installation asked for no permissions of a bot.", "not_allowed_token_type")
    team, enterprise = grant.get("team") or {}, grant.get("enterprise") or {}
    is_whole_organization = bool(grant.get("is_enterprise_install"))
    team_id = None if is_whole_organization else team["id"]
    enterprise_id = enterprise["id"] if is_whole_organization else enterprise.get("id")
    return Workspace(
        team_id=team_id,
        enterprise_id=enterprise_id,
        name=(enterprise if is_whole_organization else team).get("name") or "",
        external={
            "app_id": grant["app_id"],
            "enterprise_id": enterprise_id,
            "team_id": team_id,
            "bot_user_id": grant["bot_user_id"],
        },
        scopes=scopes_of(grant.get("scope", "")),
        bot_token=SecretStr(grant["access_token"]),
        refresh_token=SecretStr(grant["refresh_token"]) if grant.get("refresh_token") else None,
        token_lives=timedelta(seconds=grant["expires_in"]) if grant.get("expires_in") else None,
    )
