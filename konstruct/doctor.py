"""What the product needs, whether it is there, and what to do where it is not."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

import httpx
from sqlalchemy import text
from temporalio.service import RPCError

from konstruct import models, temporal
from konstruct.adapters.redis import Circuit, connect
from konstruct.db import Database
from konstruct.errors import KonstructError
from konstruct.ports import ModelLink
from konstruct.settings import Settings, needed
from konstruct.vault import Vault

PATIENCE = 5.0
"""Seconds that a part may take to answer."""


@dataclass(frozen=True)
class Finding:
    part: str
    state: Literal["ok", "warning", "missing"]
    """``missing``: without it nobody gets an answer."""
    says: str


async def examine(settings: Settings) -> AsyncIterator[Finding]:
    yield await _keys(settings)
    async for finding in _database(settings):
        yield finding
    yield await _redis(settings)
    async for finding in _temporal(settings):
        yield finding
    async for finding in _models(settings):
        yield finding
    yield await _gateway(settings)
    yield _slack(settings)


async def _keys(settings: Settings) -> Finding:
    try:
        Vault(settings.encryption_keys)
    except KonstructError as error:
        return Finding("encryption keys", "missing", str(error))
    return Finding("encryption keys", "ok", f"{len(settings.encryption_keys)} in use")


async def _database(settings: Settings) -> AsyncIterator[Finding]:
    try:
        database = Database(needed(settings.database_url, "KONSTRUCT_DATABASE_URL"))
    except KonstructError as error:
        yield Finding("database", "missing", str(error))
        return
    try:
        async with database.system_session() as session:
            facts = (
                await session.execute(
                    text(
                        "select current_setting('server_version') as version, rolsuper or rolbypassrls as unbound,"
                        " to_regprocedure('public.find_tenant(text)') is not null as migrated"
                        " from pg_roles where rolname = current_user"
                    )
                )
            ).one()
            if not facts.migrated:
                yield Finding("database", "missing", "It has no tables yet: run `konstruct migrate`.")
                return
            if facts.unbound:
                yield Finding("database", "missing", "Its login passes row security: tenants would see each other.")
                return
            yield Finding("database", "ok", f"Postgres {facts.version}, row security holds")
            for row in await session.execute(text("select * from troubled_connections()")):
                yield Finding(
                    f"connection {row.tenant}/{row.connection}",
                    "warning",
                    f"{row.status} since {row.since:%Y-%m-%d %H:%M} UTC ({row.reason}): install it again.",
                )
            since = datetime.now(UTC) - timedelta(days=1)
            aside = (await session.execute(text("select quarantined_since(:since)"), {"since": since})).scalar_one()
            if aside:
                yield Finding(
                    "webhooks", "warning", f"{aside} in the last day could not be processed and were kept aside."
                )
    except (KonstructError, OSError) as error:
        yield Finding("database", "missing", f"{error} Is KONSTRUCT_DATABASE_URL right, and Postgres running?")
    finally:
        await database.close()


async def _redis(settings: Settings) -> Finding:
    try:
        async with connect(needed(settings.redis_url, "KONSTRUCT_REDIS_URL").get_secret_value()) as redis:
            await Circuit().call(redis.ping)
    except KonstructError as error:
        return Finding("redis", "warning", f"It does not answer; limits are kept by each gateway on its own. {error}")
    return Finding("redis", "ok", "answers")


async def _temporal(settings: Settings) -> AsyncIterator[Finding]:
    try:
        client = await temporal.connect(settings)
        await client.service_client.check_health(timeout=timedelta(seconds=PATIENCE))
        yield Finding("temporal", "ok", f"{settings.temporal_address}, namespace {settings.temporal_namespace}")
        at_work = await temporal.workers(client)
    except (KonstructError, RPCError, RuntimeError) as error:
        yield Finding("temporal", "missing", f"{error}")
        return
    if at_work:
        yield Finding("worker", "ok", f"{at_work} at work")
    else:
        yield Finding("worker", "missing", "Nobody works on conversations: start `konstruct worker`.")


async def _models(settings: Settings) -> AsyncIterator[Finding]:
    links = models.chain((), settings)
    if not links:
        yield Finding("models", "missing", "None is configured: set a key, KONSTRUCT_OLLAMA_BASE_URL, or `make run`.")
        return
    answering = 0
    async with httpx.AsyncClient(timeout=PATIENCE, trust_env=False) as http:
        for link in links:
            trouble = await _trouble_with(http, link)
            answering += trouble is None
            yield Finding(f"model {link.name}", "warning" if trouble else "ok", trouble or "answers")
    if not answering:
        yield Finding("models", "missing", "None of the models answers.")


async def _trouble_with(http: httpx.AsyncClient, link: ModelLink) -> str | None:
    """Asks for the list of models, which is free and needs a good key."""
    key = link.api_key.get_secret_value()
    url, headers = {
        "anthropic": (f"{link.base_url}/v1/models", {"x-api-key": key, "anthropic-version": "2023-06-01"}),
        "ollama": (f"{link.base_url}/api/tags", {}),
    }.get(link.provider, (f"{link.base_url}/models", {"authorization": f"Bearer {key}"}))
    try:
        answer = await http.get(url, headers=headers)
    except httpx.HTTPError as error:
        return f"It does not answer ({type(error).__name__}): is its address right?"
    if answer.status_code in (401, 403):
        return "Its key is refused."
    return None if answer.is_success else f"It answers with status {answer.status_code}."


async def _gateway(settings: Settings) -> Finding:
    url = f"http://{settings.gateway_host}:{settings.gateway_port}/health/live"
    async with httpx.AsyncClient(timeout=PATIENCE, trust_env=False) as http:
        try:
            (await http.get(url)).raise_for_status()
        except httpx.HTTPError:
            return Finding(
                "gateway", "warning", f"No gateway at {url}: no webhooks come in. Start `konstruct gateway`."
            )
    return Finding("gateway", "ok", url)


def _slack(settings: Settings) -> Finding:
    if settings.slack_app_token is not None:
        return Finding("slack", "ok", "Socket Mode")
    if settings.slack_signing_secret is not None:
        return Finding("slack", "ok", "webhooks at /slack/events")
    return Finding("slack", "warning", "No app is configured: the README has the five steps.")
