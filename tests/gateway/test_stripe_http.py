"""Stripe's webhook: who may post, what is kept of it before it is answered, and who is told."""

import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError

from gateway import app as gateway_app
from gateway import stripe
from konstruct import temporal
from konstruct.billing import events
from konstruct.contracts.billing import workflow_id
from konstruct.db import Database
from konstruct.embedded.loopback import free_port
from konstruct.errors import KonstructError
from konstruct.identity import new_id
from konstruct.settings import Settings
from konstruct.vault import Vault
from tests.gateway.conftest import Quarantine, answer_error
from tests.support.billed import bill
from tests.support.http import serve
from tests.support.office import open_office
from tests.support.stripe_double import Json, body_of, sign

SECRET, OLD_SECRET = "whsec_now", "whsec_until_now"
Kept = Callable[[str], Awaitable[list[Any]]]


def event(customer: str | None, *, id: str = "", type: str = "invoice.paid") -> Json:
    about = {"id": "in_1", "object": "invoice", "customer": customer, "status": "paid"}
    made = id or f"evt_{new_id().hex}"
    return {"id": made, "object": "event", "type": type, "created": int(time.time()), "data": {"object": about}}


@pytest.fixture
async def kept(owner_url: SecretStr) -> AsyncIterator[Kept]:
    """What there is of an event, which the product itself may not read."""
    connection = await asyncpg.connect(owner_url.get_secret_value())

    async def rows(id: str) -> list[Any]:
        query = "select customer_id, handled_at is not null as is_handled, outcome from stripe_events where id = $1"
        return [tuple(row) for row in await connection.fetch(query, id)]

    yield rows
    await connection.close()


@pytest.fixture
async def tenant_id(database: Database, vault: Vault, temporal_client: Client) -> AsyncIterator[UUID]:
    office = await open_office(database, vault)
    await bill(database, office.tenant_id, "starter", customer_id=f"cus_{office.tenant_id.hex}")
    yield office.tenant_id
    # Nobody may have been told of it.
    with suppress(RPCError):
        await temporal_client.get_workflow_handle(workflow_id(office.tenant_id)).terminate()


def app(database: Database, client: Client) -> FastAPI:
    hears = FastAPI()
    hears.include_router(stripe.router(database, client, [SecretStr(SECRET), SecretStr(OLD_SECRET)]))
    hears.add_exception_handler(KonstructError, answer_error)
    return hears


@pytest.fixture
async def url(database: Database, temporal_client: Client) -> AsyncIterator[str]:
    async with serve(app(database, temporal_client)) as url:
        yield f"{url}/stripe/webhook"


async def post(url: str, body: bytes, signature: str | None) -> int:
    headers = [] if signature is None else [(b"Stripe-Signature", signature.encode())]
    async with httpx.AsyncClient() as client:
        return (await client.post(url, content=body, headers=headers)).status_code


async def words(client: Client, tenant_id: UUID) -> list[str]:
    """What the tenant's workflow was told."""
    history = await client.get_workflow_handle(workflow_id(tenant_id)).fetch_history()
    told = [found.workflow_execution_signaled_event_attributes for found in history.events]
    assert all(not found.input.payloads for found in told)
    return [found.signal_name for found in told if found.signal_name]


async def test_it_is_kept_once_and_the_workflow_is_told_once(
    url: str, tenant_id: UUID, kept: Kept, temporal_client: Client
) -> None:
    body = body_of(found := event(f"cus_{tenant_id.hex}"))
    for secret in (SECRET, OLD_SECRET, SECRET):
        assert await post(url, body, sign(body, secret)) == 200

    assert await kept(found["id"]) == [(f"cus_{tenant_id.hex}", False, None)]
    assert await words(temporal_client, tenant_id) == ["told"]
    other = body_of(event(f"cus_{tenant_id.hex}", type="customer.subscription.updated"))
    assert await post(url, other, sign(other, SECRET)) == 200
    assert await words(temporal_client, tenant_id) == ["told", "told"]


async def test_who_is_not_stripe_changes_nothing(
    url: str, tenant_id: UUID, kept: Kept, quarantine: Quarantine, temporal_client: Client
) -> None:
    body = body_of(found := event(f"cus_{tenant_id.hex}"))
    now = int(time.time())
    digest = sign(body, SECRET, now).partition(",")[2]
    for signature in (
        *[None, "", "t=,v1=", "é", f"t={now}", digest, f"t={now},v1=", f"t={now},v0={digest[3:]}", "x" * 5_000],
        sign(body, "whsec_another"),
        sign(body + b" ", SECRET),
        sign(body, SECRET, now - 301),
        sign(body, SECRET, now + 330),
        f"t={now + 1},{digest}",
    ):
        assert await post(url, body, signature) == 401

    assert await kept(found["id"]) == []
    assert await quarantine() == []
    with pytest.raises(RPCError):
        await words(temporal_client, tenant_id)


NO_EVENTS: dict[str, bytes] = {
    "nothing": b"",
    "a list": b"[]",
    "null": b"null",
    "half": b"{",
    "deep": b"[" * 100_000,
    "no object": b'{"id": "evt_1"}',
    "NUL": json.dumps(event("cus_1", id="evt_\0")).encode(),
    "an id that is none": json.dumps(event("cus_1") | {"id": {"id": "evt_1"}}).encode(),
    "no time": json.dumps(event("cus_1") | {"created": 10**40}).encode(),
    "half a surrogate pair": json.dumps(event("\ud800")).encode(),
    "long": json.dumps(event("x" * 300)).encode(),
    # Newer events have no object, only where to fetch one.
    "thin": json.dumps({"id": "evt_1", "object": "v2.core.event", "type": "v1.billing.meter.no_meter_found"}).encode(),
}


@pytest.mark.parametrize("what", NO_EVENTS)
async def test_what_is_signed_and_no_event_is_put_aside(url: str, quarantine: Quarantine, what: str) -> None:
    assert await post(url, NO_EVENTS[what], sign(NO_EVENTS[what], SECRET)) == 200
    assert [found.body for found in await quarantine()] == [NO_EVENTS[what]]


async def test_what_is_too_large_is_not_read(url: str) -> None:
    body = b" " * (stripe.MAX_BYTES + 1)
    assert await post(url, body, sign(body, SECRET)) == 413


@pytest.mark.parametrize("customer", [None, "cus_of_somebody_else"])
async def test_an_event_of_nobody_of_ours_is_kept_and_nobody_is_told(
    url: str, kept: Kept, database: Database, customer: str | None
) -> None:
    body = body_of(found := event(customer))
    assert await post(url, body, sign(body, SECRET)) == 200

    assert await kept(found["id"]) == [(customer, False, None)]
    await events.settle_nobodys(database, [found["id"]])
    assert await kept(found["id"]) == [(customer, True, "nobody")]


async def test_while_temporal_is_away_it_is_kept_and_answered(
    database: Database, settings: Settings, tenant_id: UUID, kept: Kept
) -> None:
    nowhere = await temporal.connect(settings.model_copy(update={"temporal_address": f"127.0.0.1:{free_port()}"}))
    body = body_of(found := event(f"cus_{tenant_id.hex}"))
    async with serve(app(database, nowhere)) as url:
        assert await post(f"{url}/stripe/webhook", body, sign(body, SECRET)) == 200

    assert await kept(found["id"]) == [(f"cus_{tenant_id.hex}", False, None)]


async def test_while_the_database_is_away_stripe_is_told_to_come_again(temporal_client: Client) -> None:
    nowhere = Database(SecretStr(f"postgresql://konstruct_app@127.0.0.1:{free_port()}/konstruct"))
    body = body_of(event("cus_1"))
    async with serve(app(nowhere, temporal_client)) as url:
        assert await post(f"{url}/stripe/webhook", body, sign(body, SECRET)) == 503
    await nowhere.close()


async def test_a_whole_gateway_hears_stripe_where_it_has_the_secret(
    settings: Settings, tenant_id: UUID, temporal_client: Client
) -> None:
    body = body_of(event(f"cus_{tenant_id.hex}"))
    for secrets, status in (((SecretStr(SECRET),), 200), ((), 404)):
        built = gateway_app.build(settings.model_copy(update={"stripe_webhook_secret": secrets}))
        async with serve(built) as url:
            assert await post(f"{url}/stripe/webhook", body, sign(body, SECRET)) == status

    found = await temporal_client.get_workflow_handle(workflow_id(tenant_id)).describe()
    assert (found.status, found.task_queue) == (WorkflowExecutionStatus.RUNNING, temporal.BILLING)
