"""What is paid by use is counted by Stripe once a row, whatever was lost or asked twice in between."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import delete, update
from sqlmodel import col, select

from konstruct import employees, usage
from konstruct.billing import metering
from konstruct.db import Database
from konstruct.employees import REHEARSED
from konstruct.errors import PaymentsUnavailable
from konstruct.identity import new_id
from konstruct.models import ModelCall
from konstruct.ports import Tokens
from konstruct.tables import BillingAccount, MeteredUsage, PlanRow, Usage
from konstruct.tables.base import utc_now
from konstruct.vault import Vault
from tests.support.billed import bill
from tests.support.office import Office, open_office
from tests.support.till import Till

METER = "konstruct_models"
BY_USE: dict[str, Any] = {
    "description": "Models by use.",
    "currency": "usd",
    "prices": {"month": {"lookup_key": "by_use_month", "amount": 900}},
    "trial_days": 0,
    "limits": dict.fromkeys(("employees", "connections", "messages", "seats", "knowledge_mb", "retention_days")),
    "features": [],
    "metered": {"event_name": METER, "lookup_key": "by_use_models", "unit_amount": "0.00012"},
    "on_request": False,
}


@pytest.fixture
async def by_use(database: Database) -> AsyncIterator[str]:
    async with database.system_session() as session:
        session.add(PlanRow(key="by_use", position=99, name="By use", content=BY_USE))
    yield "by_use"
    async with database.system_session() as session:
        await session.execute(delete(PlanRow).where(col(PlanRow.key) == "by_use"))


@pytest.fixture
async def office(by_use: str, till: Till, vault: Vault) -> AsyncIterator[Office]:
    """One that pays by use, and is a customer at a Stripe that has the meter."""
    office = await open_office(till.database, vault)
    customer = await till.stripe.client().v1.customers.create_async({"name": "Ada"})
    await bill(till.database, office.tenant_id, by_use, customer_id=customer.id, subscription_id="sub_1")
    yield office
    async with office.session() as session:
        # A plan that somebody has stays.
        await session.execute(update(BillingAccount).values(plan="free"))


def call(cost: str | None = "0.0123456789", **more: Any) -> ModelCall:
    price = None if cost is None else Decimal(cost)
    return ModelCall("openai/gpt", "openai", "gpt", "ok", utc_now(), tokens=Tokens(10, 1), cost=price, **more)


async def record(office: Office, *calls: ModelCall, is_rehearsal: bool = False) -> None:
    asked = await office.say()
    async with office.session() as session:
        version = await employees.serving(session, asked.conversation_id)
        if is_rehearsal:
            version = version.model_copy(update={"number": REHEARSED})
        usage.record(session, version, asked.conversation_id, new_id(), calls)


async def rows(office: Office) -> list[MeteredUsage]:
    async with office.session() as session:
        return list(await session.scalars(select(MeteredUsage).order_by(col(MeteredUsage.id))))


async def change(office: Office, **values: object) -> None:
    async with office.session() as session:
        await session.execute(update(MeteredUsage).values(**values))


async def customer_of(office: Office) -> str:
    return (await rows(office))[0].customer_id


async def test_each_call_is_put_down_with_its_row_of_usage(office: Office) -> None:
    await record(office, call(), call("0.0000005"), call("0.0000015"), call("1.5"))

    found = {row.id: row for row in await rows(office)}
    async with office.session() as session:
        costs = {row.id: row.cost for row in await session.scalars(select(Usage))}
    # Half a millionth goes to the even one, so that neither side wins by it.
    assert {costs[id_]: row.value for id_, row in found.items()} == {
        Decimal("0.0123456789"): 12_346,
        Decimal("0.0000015"): 2,
        Decimal("1.5"): 1_500_000,
    }
    assert {(row.event_name, row.state) for row in found.values()} == {(METER, "waiting")}


async def test_what_the_deployment_does_not_pay_or_price_is_not_billed(office: Office) -> None:
    await record(office, call(is_own=True), call(None), call("0"), replace(call(), outcome="skipped"))
    await record(office, call(), is_rehearsal=True)

    assert await rows(office) == []


@pytest.mark.parametrize(
    ("plan", "fields"),
    [
        ("starter", {}),
        ("by_use", {"status": "canceled"}),
        ("by_use", {"status": "unpaid"}),
        ("by_use", {"status": "past_due", "past_due_since": utc_now() - timedelta(days=8)}),
        ("by_use", {"ends_at": utc_now() - timedelta(seconds=1)}),
    ],
    ids=["another plan", "over", "unpaid", "after grace", "ended"],
)
async def test_only_where_the_plan_holds_is_anything_billed(office: Office, plan: str, fields: dict[str, Any]) -> None:
    await bill(office.database, office.tenant_id, plan, customer_id=f"cus_{new_id().hex}", **fields)
    await record(office, call())

    assert await rows(office) == []


async def test_usage_that_is_not_stored_is_not_billed(office: Office) -> None:
    asked = await office.say()

    async def die() -> None:
        async with office.session() as session:
            version = await employees.serving(session, asked.conversation_id)
            usage.record(session, version, asked.conversation_id, new_id(), [call()])
            await session.flush()
            raise RuntimeError("The worker dies.")

    with pytest.raises(RuntimeError):
        await die()
    assert await rows(office) == []


async def test_all_that_waits_is_counted_once(office: Office, till: Till) -> None:
    await record(office, *(call(f"0.{number:06}") for number in range(1, 46)))
    sent = [await metering.send(till.database, till.payments, office.tenant_id) for _ in range(4)]

    assert [(each.rows, each.is_more) for each in sent] == [(20, True), (20, True), (5, False), (0, False)]
    assert till.stripe.meter_sum(METER, await customer_of(office)) == sum(range(1, 46))
    assert {(row.state, row.problem) for row in await rows(office)} == {("sent", None)}


@pytest.mark.parametrize("fault", ["no answer", "an error before", "an error after", "twice at once"])
async def test_whatever_is_lost_it_is_counted_once(office: Office, till: Till, fault: str) -> None:
    await record(office, *(call("0.000100") for _ in range(3)))
    path = "/v1/billing/meter_events"
    if fault == "no answer":
        till.stripe.cut_next(path)
    elif fault == "an error before":
        till.stripe.fail_next(path)
    elif fault == "an error after":
        till.stripe.fail_next(path, when="after")
    if fault == "twice at once":
        await asyncio.gather(*(metering.send(till.database, till.payments, office.tenant_id) for _ in range(2)))
    else:
        with pytest.raises(PaymentsUnavailable):
            await metering.send(till.database, till.payments, office.tenant_id)
        assert sorted(row.state for row in await rows(office)) == ["sent", "sent", "waiting"]
        await metering.send(till.database, till.payments, office.tenant_id)

    assert till.stripe.meter_sum(METER, await customer_of(office)) == 300
    assert [row.state for row in await rows(office)] == ["sent"] * 3


async def test_what_is_refused_waits_and_keeps_nothing_else_waiting(office: Office, till: Till) -> None:
    await record(office, *(call("0.000100") for _ in range(metering.AT_ONCE)))
    await change(office, event_name="konstruct_unknown")
    refused = await metering.send(till.database, till.payments, office.tenant_id)
    assert (refused.rows, refused.is_more) == (0, False)
    assert refused.problem
    assert {(row.state, row.tried_at) for row in await rows(office)} == {("waiting", None)}

    await record(office, call("0.000007"))
    assert (await metering.send(till.database, till.payments, office.tenant_id)).rows == 1
    assert till.stripe.meter_sum(METER, await customer_of(office)) == 7

    await change(office, event_name=METER)
    assert (await metering.send(till.database, till.payments, office.tenant_id)).rows == metering.AT_ONCE
    assert {(row.state, row.problem) for row in await rows(office)} == {("sent", None)}


@pytest.mark.parametrize(
    ("column", "ago"), [("tried_at", timedelta(hours=24)), ("used_at", timedelta(days=36))], ids=["uncertain", "old"]
)
async def test_what_stripe_might_count_twice_or_not_at_all_is_given_up(
    office: Office, till: Till, column: str, ago: timedelta
) -> None:
    await record(office, call())
    await change(office, **{column: utc_now() - ago})

    assert (await metering.send(till.database, till.payments, office.tenant_id)).rows == 0
    [row] = await rows(office)
    assert (row.state, bool(row.problem)) == ("refused", True)
    assert till.stripe.meter_sum(METER, row.customer_id) == 0


async def test_tenants_of_whom_something_waits_are_found(office: Office, till: Till) -> None:
    assert office.tenant_id not in await metering.tenants(till.database, None, 10_000)
    await record(office, call())
    found = await metering.tenants(till.database, None, 10_000)
    assert office.tenant_id in found
    assert office.tenant_id not in await metering.tenants(till.database, max(found), 10_000)
    await metering.send(till.database, till.payments, office.tenant_id)
    assert office.tenant_id not in await metering.tenants(till.database, UUID(int=0), 10_000)
