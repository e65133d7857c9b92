"""What the product needs, whether it is there, and what to do where it is not."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

import httpx
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession
from temporalio.service import RPCError

from konstruct import deploys, models, temporal, temporal_tls
from konstruct.adapters import mail
from konstruct.adapters.redis import Circuit, connect
from konstruct.db import Database
from konstruct.deploys import Builds
from konstruct.errors import KonstructError, MailError, Misconfigured, Unavailable
from konstruct.models import EmbeddingLink
from konstruct.ports import ModelLink
from konstruct.settings import Settings, needed
from konstruct.vault import Vault

PATIENCE = 3.0
"""Seconds that one question to a part may take."""
LONGEST = 5.0
"""Seconds that all questions to one part may take, and so the whole examination."""

Part = Literal[
    "encryption keys",
    "database",
    "connection",
    "webhooks",
    "redis",
    "temporal",
    "worker",
    "background worker",
    "build",
    "model",
    "embeddings",
    "memory",
    "knowledge",
    "audit",
    "billing",
    "gateway",
    "portal",
    "slack",
    "mail",
]
WAITING_VECTORS = 500
"""So many are a busy minute's."""
ANCHORED_WITHIN = timedelta(minutes=5)
LOOKED_AT_WITHIN = timedelta(minutes=10)
"""What Stripe told of: the sweep has had it looked at many times by then."""

State = Literal["ok", "warning", "missing"]


@dataclass(frozen=True)
class Finding:
    part: Part
    state: State
    """``missing``: without it nobody gets an answer."""
    says: str
    """For a person at the deployment's own terminal: it may name tenants and addresses and quote an error."""
    which: str = ""
    """Of several: a model, or a tenant's connection."""


async def examine(settings: Settings) -> list[Finding]:
    """Asks all parts at the same time; what they say stands in the order in which they need one another."""
    async with httpx.AsyncClient(timeout=PATIENCE, trust_env=False) as http:
        examinations = await asyncio.gather(
            _bounded("encryption keys", _keys(settings)),
            _bounded("database", _database(settings)),
            _bounded("redis", _redis(settings)),
            _bounded("temporal", _temporal(settings)),
            _bounded("model", _models(settings, http)),
            _bounded("embeddings", _embeddings(settings, http)),
            _bounded("gateway", _server("gateway", settings.gateway_url, "no webhooks come in", http)),
            _bounded("portal", _server("portal", settings.portal_url, "there are no web pages", http)),
            _bounded("slack", _slack(settings)),
            _bounded("mail", _mail(settings)),
        )
    return [finding for findings in examinations for finding in findings]


async def _bounded(part: Part, examination: AsyncIterator[Finding]) -> list[Finding]:
    findings: list[Finding] = []
    try:
        async with asyncio.timeout(LONGEST):
            async for finding in examination:
                findings.append(finding)
    except KonstructError as error:
        findings.append(Finding(part, "missing", str(error)))
    except TimeoutError:
        findings.append(Finding(part, "missing", f"It did not answer within {LONGEST:.0f} seconds."))
    except Exception as error:
        # One part that fails in a way nobody foresaw must not hide what the others say. The text of its error
        # is left out: a library may quote a whole address in it, password and all.
        findings.append(Finding(part, "missing", f"It cannot be asked ({type(error).__name__})."))
    return findings


async def _keys(settings: Settings) -> AsyncIterator[Finding]:
    Vault(settings.encryption_keys)
    yield Finding("encryption keys", "ok", f"{len(settings.encryption_keys)} in use")


async def _database(settings: Settings) -> AsyncIterator[Finding]:
    database = Database(needed(settings.database_url, "KONSTRUCT_DATABASE_URL"))
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
                    "connection",
                    "warning",
                    f"{row.status} since {row.since:%Y-%m-%d %H:%M} UTC ({row.reason}): install it again.",
                    which=f"{row.tenant}/{row.connection}",
                )
            since = datetime.now(UTC) - timedelta(days=1)
            aside = (await session.execute(text("select quarantined_since(:since)"), {"since": since})).scalar_one()
            if aside:
                yield Finding(
                    "webhooks", "warning", f"{aside} in the last day could not be processed and were kept aside."
                )
            for row in await session.execute(text("select * from quarantined_messages()")):
                yield Finding(
                    "worker",
                    "warning",
                    f"{row.many} set aside since {row.since:%Y-%m-%d %H:%M} UTC: messages that were tried too often."
                    " Home in the portal leads to them.",
                    which=row.tenant,
                )
            async for finding in _backlogs(session, settings):
                yield finding
            async for finding in _billing(session):
                yield finding
    except (Unavailable, OSError) as error:
        yield Finding("database", "missing", f"{error} Is KONSTRUCT_DATABASE_URL right, and Postgres running?")
    finally:
        await database.close()


async def _backlogs(session: AsyncSession, settings: Settings) -> AsyncIterator[Finding]:
    """What goes on behind the scenes, and how far it is."""
    backlog = (
        await session.execute(text("select * from embedding_backlog(:model)"), {"model": settings.embedding_model})
    ).one()
    if backlog.of_another_model:
        says = f"{backlog.of_another_model:,} memories still have a vector of another model and are embedded anew."
        yield Finding("memory", "warning", says)
    if backlog.waiting > WAITING_VECTORS:
        says = f"{backlog.waiting:,} memories wait for a vector, and are found by their words alone until then."
        yield Finding("memory", "warning", says)
    passages = await session.scalar(text("select chunks_backlog(:model)"), {"model": settings.embedding_model})
    if (passages or 0) > WAITING_VECTORS:
        says = f"{passages:,} passages wait for a vector of this model, and are found by their words until then."
        yield Finding("knowledge", "warning", says)
    late = await session.scalar(
        text("select seals_unanchored(:before)"), {"before": datetime.now(UTC) - ANCHORED_WITHIN}
    )
    if late:
        says = f"{late:,} seals wait to be anchored: can the worker write to {settings.anchor_file}?"
        yield Finding("audit", "warning", says)


async def _billing(session: AsyncSession) -> AsyncIterator[Finding]:
    now = datetime.now(UTC)
    times = {"before": now - LOOKED_AT_WITHIN, "since": now - timedelta(days=1)}
    troubles = (await session.execute(text("select * from billing_troubles(:before, :since)"), times)).one()
    if troubles.open_events:
        says = f"{troubles.open_events:,} events of Stripe's wait to be looked at: does the background worker run?"
        yield Finding("billing", "warning", says)
    if troubles.unclear:
        says = f"{troubles.unclear:,} tenants' subscriptions are not clear: see `konstruct billing reconcile`."
        yield Finding("billing", "warning", says)
    if troubles.refused_usage:
        says = f"{troubles.refused_usage:,} rows of use could not be billed in the last day, and will not be any more."
        yield Finding("billing", "warning", says)


async def _redis(settings: Settings) -> AsyncIterator[Finding]:
    url = needed(settings.redis_url, "KONSTRUCT_REDIS_URL").get_secret_value()
    # The product itself waits far shorter for Redis; here that would blame it for what else is going on.
    patience = timedelta(seconds=PATIENCE)
    try:
        async with connect(url, time_limit=patience) as redis:
            await Circuit(time_limit=patience).call(redis.ping)
    except Unavailable:
        yield Finding("redis", "warning", "It does not answer; limits are kept by each gateway on its own.")
    else:
        yield Finding("redis", "ok", "answers")


async def _temporal(settings: Settings) -> AsyncIterator[Finding]:
    try:
        client = await temporal.connect(settings)
        await client.service_client.check_health(timeout=timedelta(seconds=PATIENCE))
        yield Finding("temporal", "ok", f"{settings.temporal_address}, namespace {settings.temporal_namespace}")
        builds = await deploys.look(client)
        in_background = await temporal.workers(client, temporal.MEMORY)
    except (RPCError, RuntimeError, Unavailable) as error:
        yield Finding("temporal", "missing", temporal_tls.why_not(error, settings))
        return
    for finding in of_builds(builds):
        yield finding
    if in_background:
        yield Finding("background worker", "ok", f"{in_background} at work")
    else:
        says = "Replies go on, but nothing new is remembered: start `konstruct worker --background`."
        yield Finding("background worker", "warning", says)


def of_builds(builds: Builds) -> Iterator[Finding]:
    """Who works on what is new, and what goes on with a build that nobody works for."""
    current = builds.current
    at_work, waiting = builds.for_what_is_new, [build.id for build in builds.known if build.workers]
    if at_work:
        yield Finding("worker", "ok", f"{at_work} at work")
    elif current is not None:
        says = f"Nobody works for the current build {current.id}: start its workers, or promote another build."
        yield Finding("worker", "missing", says)
    elif waiting:
        says = f"No build is current, so nobody takes what is new: run `konstruct deploy promote {waiting[0]}`."
        yield Finding("worker", "missing", says)
    else:
        yield Finding("worker", "missing", "Nobody works on conversations: start `konstruct worker`.")
    if current is not None:
        yield Finding("build", "ok", f"{current.share:g} % of what is new goes to it", which=current.id)
    for build in builds.abandoned:
        says = (
            f"Conversations wait for it ({build.conversations:,}), and nobody works for it: start its workers again, "
        )
        says += f"or run `konstruct deploy drain {build.id}`."
        yield Finding("build", "warning", says, which=build.id)


async def _models(settings: Settings, http: httpx.AsyncClient) -> AsyncIterator[Finding]:
    links = models.chain((), settings)
    if not links:
        yield Finding("model", "missing", "None is configured: set a key, KONSTRUCT_OLLAMA_BASE_URL, or `make run`.")
        return
    troubles = await asyncio.gather(*(_trouble_with(http, link) for link in links))
    for link, trouble in zip(links, troubles, strict=True):
        yield Finding("model", "warning" if trouble else "ok", trouble or "answers", which=link.name)
    if all(troubles):
        yield Finding("model", "missing", "None of the models answers.")


async def _embeddings(settings: Settings, http: httpx.AsyncClient) -> AsyncIterator[Finding]:
    name = settings.embedding_model
    link = models.embedding_link(name, settings)
    if link is None:
        says = "Its provider is not configured: set its key or address, or leave KONSTRUCT_EMBEDDING_MODEL unset."
        yield Finding("embeddings", "warning", says, which=name)
    elif link.provider == "local":
        yield Finding("embeddings", "ok", "built in", which=name)
    else:
        trouble = await _trouble_with(http, link)
        yield Finding("embeddings", "warning" if trouble else "ok", trouble or "answers", which=name)


async def _trouble_with(http: httpx.AsyncClient, link: ModelLink | EmbeddingLink) -> str | None:
    """Asks for the list of models, which is free and needs a good key."""
    key = link.api_key.get_secret_value()
    url, headers = {
        "anthropic": (f"{link.base_url}/v1/models", {"x-api-key": key, "anthropic-version": "2023-06-01"}),
        "ollama": (f"{link.base_url}/api/tags", {}),
    }.get(link.provider, (f"{link.base_url}/models", {"authorization": f"Bearer {key}"}))
    try:
        answer = await http.get(url, headers=headers)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return f"It does not answer ({type(error).__name__}): is its address right?"
    if answer.status_code in (401, 403):
        return "Its key is refused."
    return None if answer.is_success else f"It answers with status {answer.status_code}."


async def _server(
    part: Literal["gateway", "portal"], url: str, without: str, http: httpx.AsyncClient
) -> AsyncIterator[Finding]:
    try:
        (await http.get(f"{url}/health/live")).raise_for_status()
    except httpx.HTTPError:
        yield Finding(part, "warning", f"Nothing answers at {url}: {without}. Start `konstruct {part}`.")
    else:
        yield Finding(part, "ok", url)


async def _slack(settings: Settings) -> AsyncIterator[Finding]:
    if settings.slack_app_token is not None:
        yield Finding("slack", "ok", "Socket Mode")
    elif settings.slack_signing_secret is not None:
        yield Finding("slack", "ok", "webhooks at /slack/events")
    else:
        yield Finding("slack", "warning", "No app is configured: the README has the five steps.")


async def _mail(settings: Settings) -> AsyncIterator[Finding]:
    try:
        mailer = mail.mailer(settings, time_limit=timedelta(seconds=PATIENCE))
        if mailer is None:
            yield Finding("mail", "warning", "Nobody is mailed: set KONSTRUCT_SMTP_URL and KONSTRUCT_MAIL_FROM.")
            return
        await mailer.greet()
        yield Finding("mail", "ok", f"{mailer.server.host}:{mailer.server.port} lets us in")
    except (MailError, Misconfigured) as error:
        yield Finding("mail", "warning", f"Nobody is mailed: {error}")
