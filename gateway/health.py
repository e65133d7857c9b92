"""Whether this gateway lives, and whether what it needs answers."""

from datetime import timedelta
from typing import Final

from fastapi import APIRouter, Response
from sqlalchemy import text
from temporalio.client import Client
from temporalio.service import RPCError

from konstruct.adapters.redis import Circuit, Redis
from konstruct.db import Database
from konstruct.errors import Unavailable

LOOKS: Final = ["GET", "HEAD"]
"""Whoever only watches whether it lives asks without wanting the body."""


def router(database: Database, redis: Redis, circuit: Circuit, client: Client) -> APIRouter:
    routes = APIRouter(prefix="/health")

    @routes.api_route("/live", methods=LOOKS)
    async def live() -> dict[str, str]:
        return {"status": "ok"}

    @routes.api_route("/ready", methods=LOOKS)
    async def ready(response: Response) -> dict[str, str]:
        """200 while messages can be taken: that needs the database alone. What else is away is named."""
        parts = {
            "database": await _database(database),
            "redis": await _redis(redis, circuit),
            "temporal": await _temporal(client),
        }
        if parts["database"] != "ok":
            response.status_code = 503
        return parts

    return routes


async def _database(database: Database) -> str:
    try:
        async with database.system_session() as session:
            await session.execute(text("select 1"))
    except Unavailable as error:
        return str(error)
    return "ok"


async def _redis(redis: Redis, circuit: Circuit) -> str:
    try:
        await circuit.call(redis.ping)
    except Unavailable:
        return "away: limits are kept by each gateway on its own"
    return "ok"


async def _temporal(client: Client) -> str:
    try:
        await client.service_client.check_health(timeout=timedelta(seconds=1))
    except (RPCError, RuntimeError):
        return "away: messages are kept and answered when it is back"
    return "ok"
