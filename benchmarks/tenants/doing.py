"""What one tenant does, and what is done for all of them: a turn, pages, lists of the API, and sweeps."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final
from uuid import UUID

import asyncpg
import httpx
from pydantic import SecretStr
from temporalio.testing import ActivityEnvironment

from activities.fetching import Removing
from activities.rating import Rating
from activities.retaining import Retaining
from activities.upkeep import Sealing, Upkeep
from benchmarks.support.product import Product
from benchmarks.support.slack import Office, Thread
from benchmarks.turn.intake import opened_intake
from benchmarks.turn.pipeline import opened_pipeline
from benchmarks.turn.plain import AtOnce
from gateway.api import app as api
from gateway.api.outside import opened as opened_outside
from konstruct import api_keys, naming
from konstruct.adapters import file_store
from konstruct.adapters.redis import Circuit, RedisLimiter
from konstruct.adapters.slack import open_session
from konstruct.audit.signing import Signatures
from konstruct.connecting import renewing
from konstruct.knowledge import syncs
from konstruct.limits import LocalLimiter
from konstruct.memory import due
from konstruct.settings import Settings
from portal.app import build
from tests.support.databases import Own
from tests.support.http import serve
from tests.support.members import COOKIE, Enrolled, enrolled
from workflows.worker import Parts

PAGES: Final = ("home", "inbox", "conversations", "contacts", "employees", "usage", "outcomes", "audit", "settings")
LISTS: Final = ("conversations", "contacts", "employees", "inbox", "handoffs", "approvals", "channels", "audit/events")
AT_MOST: Final = 100

Do = Callable[[], Awaitable[None]]


@dataclass
class Place:
    """One database, and all that is done in it."""

    tenant_id: UUID
    administrator: asyncpg.Connection
    talk: Thread
    turns: dict[str, Do] = field(default_factory=dict)

    def doing(self) -> Mapping[str, Do]:
        return self.turns


@asynccontextmanager
async def opened_place(
    product: Product, name: str, own: Own, administrator: asyncpg.Connection
) -> AsyncIterator[Place]:
    given = {"database_url": SecretStr(own.app_url), "database_owner_url": SecretStr(own.owner_url)}
    settings = Settings(**(product.settings.model_dump() | given))
    async with AsyncExitStack() as stack:
        workspace = await product.tenant(name, settings=settings)
        tenant_id = await administrator.fetchval("select id from tenants")
        pipeline = await stack.enter_async_context(opened_pipeline(settings))
        parts = pipeline.parts
        turns = await stack.enter_async_context(asyncio.TaskGroup())
        hands_over = AtOnce(pipeline, turns)
        intake = await stack.enter_async_context(
            opened_intake(settings, parts.database, parts.redis, parts.vault, hands_over)
        )
        url = await stack.enter_async_context(serve(intake))
        talk = Office(name, product.slack, workspace, f"{url}/slack/events").conversation()
        await talk.turn()
        place = Place(tenant_id, administrator, talk)
        person = await enrolled(parts.database, parts.vault, tenant=tenant_id)
        place.turns["a turn"] = partial(_turn, talk)
        await _open_pages(stack, settings, person, place)
        await _open_lists(stack, settings, parts, product, place)
        _add_sweeps(settings, parts, product, place)
        # The trail is sealed as it would be within a minute.
        await place.turns["sweep: seals"]()
        yield place


async def _turn(talk: Thread) -> None:
    await talk.turn()


async def _open_pages(stack: AsyncExitStack, settings: Settings, person: Enrolled, place: Place) -> None:
    guard = build(settings)
    stack.push_async_callback(guard.services.close)
    browser = httpx.AsyncClient(transport=httpx.ASGITransport(guard), base_url="https://localhost", timeout=60)
    browser.cookies.set(COOKIE, person.cookie)
    await stack.enter_async_context(browser)
    for page in PAGES:
        place.turns[f"page: {page}"] = partial(_ask, browser, f"/t/{person.slug}/{page}", {})


async def _open_lists(stack: AsyncExitStack, settings: Settings, parts: Parts, product: Product, place: Place) -> None:
    http = await stack.enter_async_context(open_session())
    outside = await stack.enter_async_context(opened_outside(settings, http))
    limiter = RedisLimiter(parts.redis, Circuit(), LocalLimiter())
    store = file_store.opened(settings)
    app = api.build(parts.database, parts.vault, limiter, parts.client, {}, store, outside)
    async with parts.database.tenant_session(place.tenant_id) as session:
        key = await api_keys.make(session, place.tenant_id, "benchmark", api_keys.SCOPES, actor="benchmark")
    transport = httpx.ASGITransport(app)
    program = await stack.enter_async_context(httpx.AsyncClient(transport=transport, base_url="http://api", timeout=60))
    headers = {"Authorization": f"Bearer {key.get_secret_value()}"}
    for name in LISTS:
        place.turns[f"list: {name}"] = partial(_ask, program, f"/{name}", headers)


async def _ask(client: httpx.AsyncClient, path: str, headers: Mapping[str, str]) -> None:
    answer = await client.get(path, headers=headers)
    if answer.status_code != 200:
        raise RuntimeError(f"{path} answered {answer.status_code}: {answer.text[:200]}")


def _add_sweeps(settings: Settings, parts: Parts, product: Product, place: Place) -> None:
    """What is run by schedule, by the functions that look across all tenants."""
    database, client = parts.database, parts.client
    upkeep = Upkeep(database, client, Removing(database, file_store.opened(settings)))
    anchors = product.folder / f"anchors-{place.tenant_id}"
    sealing = Sealing(database, Signatures(settings.encryption_keys), anchors)
    activities: dict[str, Callable[[], Awaitable[Any]]] = {
        "messages and what waits": upkeep.sweep,
        "seals": sealing.seal,
        "retention": Retaining(database).let_go,
        "ratings": Rating(database, parts.vault, client).ask_for_ratings,
    }
    for name, run in activities.items():
        place.turns[f"sweep: {name}"] = partial(_run, run)
    place.turns["sweep: memory"] = partial(_look, due.claim, database)
    place.turns["sweep: names"] = partial(_look, naming.due, database)
    place.turns["sweep: tokens"] = partial(_look, renewing.due, database)
    place.turns["sweep: sources"] = partial(_look, syncs.claim_due, database)


async def _run(activity: Callable[[], Awaitable[Any]]) -> None:
    await ActivityEnvironment().run(activity)


async def _look(find: Callable[..., Awaitable[Any]], database: Any) -> None:
    await find(database, AT_MOST)
