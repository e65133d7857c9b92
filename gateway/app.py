"""The gateway's composition root: one ASGI app, its long-lived clients, and one handler for our errors."""

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Final

import structlog
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.routing import Mount
from starlette.types import ASGIApp

from gateway import health, slack, slack_install, stripe, whatsapp
from gateway.api import app as api
from gateway.api.outside import opened
from gateway.slack_events import SlackEvents
from gateway.whatsapp_events import WhatsAppEvents
from konstruct import temporal
from konstruct.adapters import file_store, slack_oauth
from konstruct.adapters.console import ConsoleMessenger
from konstruct.adapters.redis import Circuit, RedisLimiter, connect
from konstruct.adapters.slack import SlackMessenger, open_session
from konstruct.adapters.slack_handoffs import SlackDeskroom
from konstruct.adapters.whatsapp import WhatsAppMessenger
from konstruct.db import Database
from konstruct.errors import KonstructError
from konstruct.limits import LocalLimiter
from konstruct.observing.requests import OURS_ALONE
from konstruct.ports import Messenger
from konstruct.settings import Settings, needed
from konstruct.vault import Vault

logger = structlog.get_logger(__name__)

LONGEST_STATEMENT: Final = timedelta(seconds=25)
"""No channel and no program waits longer for an answer."""


def build(settings: Settings) -> FastAPI:
    """Raises Misconfigured when something is missing that no webhook could be answered without."""
    url = needed(settings.database_url, "KONSTRUCT_DATABASE_URL")
    database = Database(url, longest_statement=LONGEST_STATEMENT)
    redis = connect(needed(settings.redis_url, "KONSTRUCT_REDIS_URL").get_secret_value())
    circuit = Circuit()
    limiter = RedisLimiter(redis, circuit, LocalLimiter())
    vault = Vault(settings.encryption_keys)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(database.close)
            stack.push_async_callback(redis.aclose)
            http = await stack.enter_async_context(open_session())
            client = await temporal.connect(settings)
            app.include_router(health.router(database, redis, circuit, client))
            messenger = SlackMessenger(http, settings.slack_api_url)
            messengers: dict[str, Messenger] = {
                "slack": messenger,
                "whatsapp": WhatsAppMessenger(http, settings.graph_api_url),
                "console": ConsoleMessenger(),
                "rehearsal": ConsoleMessenger(),
            }
            store = file_store.opened(settings)
            outside = await stack.enter_async_context(opened(settings, http))
            app.routes.append(
                _below("/api/v1", api.build(database, vault, limiter, client, messengers, store, outside))
            )
            if settings.slack_signing_secret is not None or settings.slack_app_token is not None:
                deskroom = SlackDeskroom(http, settings.slack_api_url)
                events = await stack.enter_async_context(
                    SlackEvents(database, vault, limiter, client, messenger, deskroom, settings)
                )
                if settings.slack_signing_secret is not None:
                    app.include_router(slack.router(events, settings.slack_signing_secret))
                if (oauth := slack_oauth.of_deployment(http, settings)) is not None:
                    keys, public_url = settings.encryption_keys, settings.gateway_public_url
                    app.include_router(
                        slack_install.router(database, vault, redis, circuit, oauth, keys, public_url=public_url)
                    )
            if settings.whatsapp_verify_token is not None:
                heard = WhatsAppEvents(database, vault, limiter, client)
                app.include_router(whatsapp.router(heard, settings.whatsapp_app_secret, settings.whatsapp_verify_token))
            if settings.stripe_webhook_secret:
                app.include_router(stripe.router(database, client, settings.stripe_webhook_secret))
            logger.info(
                "gateway_ready",
                slack=settings.slack_signing_secret is not None,
                whatsapp=settings.whatsapp_verify_token is not None,
                stripe=bool(settings.stripe_webhook_secret),
            )
            yield

    # No pages of documentation: what is here is called by machines that know it.
    app = FastAPI(
        title="Konstruct gateway",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        # It would lead on to whatever the Host header says.
        redirect_slashes=False,
        telemetry=OURS_ALONE,
    )
    app.add_exception_handler(KonstructError, _answer)
    return app


def _below(path: str, app: ASGIApp) -> Mount:
    """A line break in an address is a part of it like any other, and the app's to answer."""
    mount = Mount(path, app)
    mount.path_regex = re.compile(mount.path_regex.pattern, re.DOTALL)
    return mount


async def _answer(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, KonstructError)  # noqa: S101  # Registered for no other.
    if error.status >= 500:
        logger.warning("request_failed", path=request.url.path, status=error.status, error=str(error))
    return JSONResponse({"error": str(error)}, status_code=error.status)
