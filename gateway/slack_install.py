"""Connecting a workspace by OAuth, for an operator who holds a ticket. What events mean is not here."""

import hashlib
import hmac
import secrets
from dataclasses import replace
from typing import Final
from urllib.parse import urlencode, urljoin

import structlog
from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse, RedirectResponse
from redis.asyncio import Redis

from konstruct import connections, slack_tickets
from konstruct.adapters.redis import Circuit
from konstruct.adapters.slack import BotIdentity, Installation, SlackMessenger
from konstruct.adapters.slack_calls import BOT_TOKEN
from konstruct.db import Database
from konstruct.errors import BadInput, Conflict, Misconfigured, Unauthentic
from konstruct.settings import Settings
from konstruct.slack_tickets import Ticket
from konstruct.vault import Vault

SCOPES: Final = (
    "app_mentions:read",
    "assistant:write",
    "channels:history",
    "chat:write",
    "chat:write.customize",
    "files:read",
    "files:write",
    "groups:history",
    "im:history",
    "im:read",
    "im:write",
    "mpim:history",
    "reactions:write",
    "users:read",
)
COOKIE: Final = "konstruct_slack_install"
_SECONDS: Final = int(slack_tickets.GOOD_FOR.total_seconds())

log = structlog.get_logger(__name__)


def router(
    database: Database, vault: Vault, redis: Redis, circuit: Circuit, messenger: SlackMessenger, settings: Settings
) -> APIRouter:
    """Raises Misconfigured when the Slack app's client id or secret is missing."""
    client_id, client_secret, keys = settings.slack_client_id, settings.slack_client_secret, settings.encryption_keys
    if client_id is None or client_secret is None:
        raise Misconfigured("Connecting by OAuth needs KONSTRUCT_SLACK_CLIENT_ID and KONSTRUCT_SLACK_CLIENT_SECRET.")
    routes = APIRouter(prefix="/slack")

    @routes.get("/install")
    async def begin(request: Request, ticket: str) -> Response:
        opened = slack_tickets.unseal(keys, ticket)
        if opened.browser:
            # A state would live on with every visit.
            raise BadInput("This is not the link that you were given.")
        in_hand = secrets.token_urlsafe(32)
        state = slack_tickets.seal(keys, replace(opened, browser=_digest(in_hand)))
        query = {
            "client_id": client_id,
            "scope": ",".join(SCOPES),
            "redirect_uri": _redirect_uri(request),
            "state": state,
        }
        consent = urljoin(settings.slack_api_url, "/oauth/v2/authorize")
        response = RedirectResponse(f"{consent}?{urlencode(query)}", 303)
        # A state that somebody else started is worth nothing in this browser, nor ours in theirs.
        response.set_cookie(
            COOKIE,
            in_hand,
            max_age=_SECONDS,
            path="/slack",
            secure=request.url.scheme == "https",
            httponly=True,
            samesite="lax",
        )
        return response

    @routes.get("/oauth_redirect")
    async def finish(request: Request, state: str, code: str = "") -> Response:
        ticket = slack_tickets.unseal(keys, state)
        if not hmac.compare_digest(ticket.browser, _digest(request.cookies.get(COOKIE, ""))):
            raise Unauthentic("Open the link again, and finish in the same browser.")
        if not code:
            return PlainTextResponse("The workspace was not connected: Slack was not given leave.")
        await _use_up(redis, circuit, ticket)
        installation = await messenger.exchange_code(client_id, client_secret, code, _redirect_uri(request))
        if installation.expires_in is not None:
            raise BadInput("Tokens of this Slack app expire; make an app without token rotation.")
        identity = await messenger.identify(installation.bot_token)
        await _store(database, vault, ticket, installation, identity)
        log.info("slack_connected", tenant_id=str(ticket.tenant_id), team_id=installation.team_id)
        return PlainTextResponse(f"Connected {identity.team_name}. You may close this page.")

    return routes


def _digest(in_hand: str) -> str:
    return hashlib.sha256(in_hand.encode()).hexdigest()


def _redirect_uri(request: Request) -> str:
    """Must be the same at both steps. Slack takes only what the app has on its list, whatever the Host header says."""
    return str(request.url.replace(path="/slack/oauth_redirect", query=""))


async def _use_up(redis: Redis, circuit: Circuit, ticket: Ticket) -> None:
    """Raises Unavailable without Redis: a ticket that may have been used is not taken."""
    key = f"slack-install:{ticket.tenant_id}:{ticket.nonce}"
    if not await circuit.call(lambda: redis.set(key, "1", nx=True, ex=2 * _SECONDS)):
        raise Conflict("This link was used already: ask for a new one.")


async def _store(
    database: Database, vault: Vault, ticket: Ticket, installation: Installation, identity: BotIdentity
) -> None:
    enterprise_id, team_id = installation.enterprise_id, installation.team_id
    async with database.tenant_session(ticket.tenant_id) as session:
        await connections.install(
            session,
            vault,
            ticket.tenant_id,
            key=f"slack-{team_id or enterprise_id}".lower(),
            kind="slack",
            account=connections.slack_account(enterprise_id, team_id),
            external={
                "app_id": installation.app_id,
                "enterprise_id": enterprise_id,
                "team_id": team_id,
                "bot_user_id": installation.bot_user_id,
                "bot_id": identity.bot_id,
            },
            secrets={BOT_TOKEN: installation.bot_token},
            employee_key=ticket.employee_key,
            actor="slack-install",
        )
