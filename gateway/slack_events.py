"""Slack's payloads, however they came in: whose they are, and Bolt, whose listeners run before Slack is answered.

Nothing on the way to that answer calls Slack. Signatures are checked before, in ``slack``.
"""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Final, Self

import structlog
from slack_bolt import BoltResponse
from slack_bolt.app.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.context.async_context import AsyncBoltContext
from slack_bolt.error import BoltUnhandledRequestError
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_sdk.web.async_client import AsyncWebClient
from temporalio.client import Client

from gateway import bodies, slack_socket
from gateway.bodies import Json
from gateway.full import Full
from gateway.heard import Heard
from gateway.slack_approvals import SlackApprovals
from gateway.slack_consults import SlackConsults
from gateway.slack_handoffs import SlackHandoffs
from gateway.slack_listeners import SAID_BY_A_PERSON, SAYING, SlackListeners
from gateway.slack_ratings import SlackRatings
from gateway.slack_whispers import Whispers
from konstruct import connections, quarantine
from konstruct.adapters.slack import SlackMessenger
from konstruct.adapters.slack_handoffs import SlackDeskroom
from konstruct.connections import ConnectionRef
from konstruct.db import Database
from konstruct.errors import KonstructError, NotFound
from konstruct.ports import ChannelAccount, Limiter
from konstruct.settings import Settings
from konstruct.vault import Vault

log = structlog.get_logger(__name__)

_FAREWELLS: Final = frozenset({"app_uninstalled", "tokens_revoked"})


class SlackEvents:
    """While entered, it also listens by Socket Mode if there is a token for that."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        limiter: Limiter,
        temporal_client: Client,
        messenger: SlackMessenger,
        deskroom: SlackDeskroom,
        settings: Settings,
    ) -> None:
        self._database = database
        self._vault = vault
        self._heard = Heard(database)
        self._app_token = settings.slack_app_token
        self._whispers = Whispers()
        self._full = Full()
        self._handoffs = SlackHandoffs(database, vault, temporal_client, messenger, deskroom)
        self._consults = SlackConsults(database, vault, temporal_client, deskroom, self._whispers)
        self._listeners = SlackListeners(
            *(database, vault, limiter, self._full, temporal_client, messenger, self._handoffs, self._consults)
        )
        self._approvals = SlackApprovals(database, vault, temporal_client, messenger, self._whispers)
        self._ratings = SlackRatings(database, temporal_client, messenger, self._whispers)
        self._bolt = self._make_bolt(settings.slack_api_url)
        self._open = AsyncExitStack()

    async def __aenter__(self) -> Self:
        self._open.push_async_callback(self._listeners.close)
        self._open.push_async_callback(self._handoffs.close)
        self._open.push_async_callback(self._whispers.close)
        if self._app_token is not None:
            await self._open.enter_async_context(slack_socket.listening(self._bolt, self._app_token, self.receive))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._open.aclose()

    async def receive(self, document: bytes) -> BoltResponse:
        """Takes one authentic payload. What can never be processed is kept aside and counts as taken.

        Raises:
            KonstructError: only a retryable one; Slack must deliver again.
        """
        try:
            payload = bodies.parse_json(document)
            if payload.get("type") == "url_verification":
                return BoltResponse(status=200, body={"challenge": str(payload.get("challenge", ""))})
            if payload.get("type") == "app_rate_limited":
                log.warning("slack_events_rate_limited", team_id=payload.get("team_id"))
                return BoltResponse(status=200)
            # This mode takes a parsed payload, whichever way it came, and checks no signature.
            return await self._bolt.async_dispatch(AsyncBoltRequest(mode="socket_mode", body=payload))
        except BoltUnhandledRequestError:
            # On purpose: an app gets more kinds of events than it asked for, and Slack repeats what is refused.
            return BoltResponse(status=200)
        except Exception as error:
            if isinstance(error, KonstructError) and error.retryable:
                raise
            reason = str(error) if isinstance(error, KonstructError) else type(error).__name__
            log.exception("slack_event_quarantined", reason=reason)
            await quarantine.keep(self._database, channel="slack", reason=reason, body=document)
            return BoltResponse(status=200)

    def _make_bolt(self, api_url: str) -> AsyncApp:
        app = AsyncApp(
            name="konstruct",
            # A client of our own, so that Bolt takes no token from the environment.
            client=AsyncWebClient(base_url=api_url),
            process_before_response=True,
            raise_error_for_unhandled_request=True,
            request_verification_enabled=False,
            ssl_check_enabled=False,
            url_verification_enabled=False,
            attaching_function_token_enabled=False,
            attaching_conversation_kwargs_enabled=False,
            before_authorize=self._find_connection,
            authorize=self._authorizer(),
        )
        app.error(_reraise)
        app.use(_ignore_dead_connections)
        self._listeners.register(app)
        self._ratings.register(app)
        self._approvals.register(app)
        self._handoffs.register(app)
        return app

    async def _find_connection(
        self, context: AsyncBoltContext, payload: Json, next_: Callable[[], Awaitable[None]]
    ) -> BoltResponse | None:
        for account in _accounts(context):
            if payload.get("type") in SAYING and payload.get("subtype") in SAID_BY_A_PERSON:
                self._full.refuse(account)
            connection = await connections.find(self._database, "slack", account)
            if connection is not None:
                # Bolt hands what is in the context to listeners, as arguments of the same name.
                context["connection"] = connection
                context["called"] = account
                await self._heard.note(connection)
                await next_()
                return None
        if payload.get("type") in _FAREWELLS:
            # Of a workspace that was disconnected here, which made us leave it.
            return BoltResponse(status=200)
        raise NotFound("This Slack workspace is not connected to any tenant.")

    def _authorizer(self) -> Callable[[AsyncBoltContext], Awaitable[AuthorizeResult]]:
        # Bolt does not take a method here: it would look for an argument called self.
        async def authorize(context: AsyncBoltContext) -> AuthorizeResult:
            connection: ConnectionRef = context["connection"]
            async with self._database.tenant_session(connection.tenant_id) as session:
                account = await connections.open_account(session, self._vault, connection.connection_id)
            context["account"] = account
            return AuthorizeResult(
                enterprise_id=context.enterprise_id,
                team_id=context.team_id,
                bot_user_id=account.bot_user_id,
                bot_id=account.bot_id,
            )

        return authorize


async def _reraise(error: Exception) -> None:
    # Bolt would log it and answer 500; what an error means is decided in one place, ``receive``.
    raise error


async def _ignore_dead_connections(
    context: AsyncBoltContext, next_: Callable[[], Awaitable[None]]
) -> BoltResponse | None:
    # The events that end a connection are not authorized, and so have no account.
    account: ChannelAccount | None = context.get("account")
    if account is not None and not account.is_active:
        return BoltResponse(status=200)
    await next_()
    return None


def _accounts(context: AsyncBoltContext) -> list[str]:
    """What the workspace may be connected as, best guess first; Bolt reads ``authorizations[0]`` for us."""
    enterprise, team = context.enterprise_id, context.team_id
    names = [connections.slack_account(enterprise, None)] if enterprise else []
    if enterprise and team:
        names.insert(1 if context.is_enterprise_install else 0, connections.slack_account(enterprise, team))
    if team:
        # A workspace may have joined its organisation after it was connected.
        names.append(connections.slack_account(None, team))
    return names
