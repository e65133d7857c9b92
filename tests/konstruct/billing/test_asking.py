"""What employees are asked is counted once for each message, and for nobody who is not billed."""

import asyncio
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from sqlalchemy import func, select, update
from sqlmodel import col

from konstruct.billing.allowances import month_of
from konstruct.billing.asking import OF_MONTH
from konstruct.db import Database
from konstruct.tables import Connection, Message, PlanMonth, Tenant
from tests.support.billed import bill
from tests.support.office import REFUSING, Office


async def _counted(office: Office) -> int:
    async with office.session() as session:
        return await session.scalar(select(func.sum(col(PlanMonth.messages)))) or 0


async def test_each_message_is_counted_once_however_often_it_comes(office: Office, database: Database) -> None:
    await bill(database, office.tenant_id)
    for _ in range(2):
        await office.say(external_id="1")
    await office.say(external_id="2")

    assert await _counted(office) == 2
    assert [each.detail for each in await office.rows(Message)] == [{OF_MONTH: 1}, {OF_MONTH: 2}]


async def test_messages_that_come_at_once_are_told_apart(office: Office, database: Database) -> None:
    await bill(database, office.tenant_id)

    await asyncio.gather(*(office.say(root=f"{number}.0", contact=f"U{number}") for number in range(8)))

    assert await _counted(office) == 8
    assert sorted(each.detail[OF_MONTH] for each in await office.rows(Message)) == list(range(1, 9))


async def test_what_is_no_employees_to_answer_is_not_counted(office: Office, database: Database) -> None:
    await bill(database, office.tenant_id)
    await office.say(limiter=REFUSING)
    asked = await office.say(root="2.0")
    await office.change_owner(asked.conversation_id, "agent")
    await office.say(root="2.0")
    async with office.session() as session:
        await session.execute(update(Connection).values(functions=["bicycles"]))
    await office.say("stop", root="3.0", contact="U3")

    assert await _counted(office) == 1
    assert sorted(await office.states()) == ["answered", "passed", "pending", "pending", "received", "refused"]


async def test_nothing_is_counted_of_a_business_that_is_not_billed(office: Office) -> None:
    await office.say()

    assert await _counted(office) == 0
    assert [each.detail for each in await office.rows(Message)] == [{}]


async def test_a_month_begins_where_the_business_is(office: Office, database: Database) -> None:
    await bill(database, office.tenant_id)
    async with office.session() as session:
        await session.execute(update(Tenant).values(time_zone="Pacific/Kiritimati"))
    before = datetime.now(UTC)
    await office.say()

    async with office.session() as session:
        counted = await session.scalar(select(col(PlanMonth.month)))
    zone = ZoneInfo("Pacific/Kiritimati")
    assert counted in {month_of(zone, before), month_of(zone, datetime.now(UTC))}
    assert month_of(zone, datetime(2026, 11, 30, 12, tzinfo=UTC)).isoformat() == "2026-12-01"
