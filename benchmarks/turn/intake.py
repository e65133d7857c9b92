"""The product's webhook of Slack, in front of something that is not Temporal."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from fastapi import FastAPI

from benchmarks.turn.pipeline import NoTemporal
from gateway import slack
from gateway.slack_events import SlackEvents
from konstruct import serving
from konstruct.adapters.redis import Circuit, Redis, RedisLimiter
from konstruct.adapters.slack import SlackMessenger, open_session
from konstruct.adapters.slack_handoffs import SlackDeskroom
from konstruct.db import Database
from konstruct.embedded.loopback import HOST
from konstruct.limits import LocalLimiter
from konstruct.settings import Settings, needed
from konstruct.vault import Vault


@asynccontextmanager
async def opened_intake(
    settings: Settings, database: Database, redis: Redis, vault: Vault, hands_over: NoTemporal
) -> AsyncIterator[FastAPI]:
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(open_session())
        messenger = SlackMessenger(http, settings.slack_api_url)
        deskroom = SlackDeskroom(http, settings.slack_api_url)
        limiter = RedisLimiter(redis, Circuit(), LocalLimiter())
        events = await stack.enter_async_context(
            SlackEvents(database, vault, limiter, hands_over, messenger, deskroom, settings)
        )
        app = FastAPI(openapi_url=None)
        secret = needed(settings.slack_signing_secret, "KONSTRUCT_SLACK_SIGNING_SECRET")
        app.include_router(slack.router(events, secret))
        app.add_api_route("/health/live", _live)
        yield app


async def _live() -> str:
    return "ok"


async def serve(app: FastAPI, port: int) -> None:
    """Until it is told to stop; with the options of the product's gateway."""
    config = serving.configured(
        app,
        limits=serving.limits_here(),
        host=HOST,
        port=port,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=5,
    )
    await serving.Server(config).serve()
