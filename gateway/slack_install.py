"""Connecting a workspace by OAuth, for an operator who holds a ticket. What events mean is not here."""

import hashlib
import hmac
import secrets
from dataclasses import replace
from typing import Final

import structlog
from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse, RedirectResponse
from pydantic import SecretStr
from redis.asyncio import Redis

from konstruct import slack_tickets
from konstruct.adapters.redis import Circuit
from konstruct.adapters.slack_oauth import SlackOAuth
from konstruct.connecting import slack_workspaces
from konstruct.db import Database
from konstruct.errors import BadInput, Conflict, Unauthentic
from konstruct.slack_tickets import Ticket
from konstruct.vault import Vault

COOKIE: Final = "konstruct_slack_install"
_SECONDS: Final = int(slack_tickets.GOOD_FOR.total_seconds())

log = structlog.get_logger(__name__)


def router(
    database: Database,
    vault: Vault,
    redis: Redis,
    circuit: Circuit,
    oauth: SlackOAuth,
    keys: tuple[SecretStr, ...],
    *,
    public_url: str | None = None,
) -> APIRouter:
    """``public_url``: the gateway's, as it was set. Without one, it is the address that the visitor came by."""
    routes = APIRouter(prefix="/slack")

    @routes.get("/install")
    async def begin(request: Request, ticket: str) -> Response:
        opened = slack_tickets.unseal(keys, ticket)
        if opened.browser:
            # A state would live on with every visit.
            raise BadInput("This is not the link that you were given.")
        in_hand = secrets.token_urlsafe(32)
        state = slack_tickets.seal(keys, replace(opened, browser=_digest(in_hand)))
        response = RedirectResponse(oauth.consent_page(_redirect_uri(request, public_url), state), 303)
        # A state that somebody else started is worth nothing in this browser, nor ours in theirs.
        response.set_cookie(
            COOKIE,
            in_hand,
            max_age=_SECONDS,
            path="/slack",
            secure=_redirect_uri(request, public_url).startswith("https:"),
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
        workspace = await oauth.exchange_code(code, _redirect_uri(request, public_url))
        async with database.tenant_session(ticket.tenant_id) as session:
            await slack_workspaces.connect(
                session, vault, ticket.tenant_id, workspace, employee_key=ticket.employee_key, actor="slack-install"
            )
        log.info("slack_connected", tenant_id=str(ticket.tenant_id), team_id=workspace.team_id)
        return PlainTextResponse(f"Connected {workspace.name}. You may close this page.")

    return routes


def _digest(in_hand: str) -> str:
    return hashlib.sha256(in_hand.encode()).hexdigest()


def _redirect_uri(request: Request, public_url: str | None) -> str:
    """Must be the same at both steps. Slack takes only what the app has on its list, whatever the Host header says."""
    if public_url:
        return f"{public_url.rstrip('/')}/slack/oauth_redirect"
    return str(request.url.replace(path="/slack/oauth_redirect", query=""))


async def _use_up(redis: Redis, circuit: Circuit, ticket: Ticket) -> None:
    """Raises Unavailable without Redis: a ticket that may have been used is not taken."""
    key = f"slack-install:{ticket.tenant_id}:{ticket.nonce}"
    if not await circuit.call(lambda: redis.set(key, "1", nx=True, ex=2 * _SECONDS)):
        raise Conflict("This link was used already: ask for a new one.")
