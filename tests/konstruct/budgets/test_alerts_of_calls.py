"""What calls of models cost is told of in the transaction that counts it."""

import asyncio
from decimal import Decimal

import pytest
from sqlmodel import col, select

from konstruct.errors import OverBudget
from konstruct.inbox import Accepted
from konstruct.tables import ThresholdAlert
from tests.support.months import hold, pay, plan, purse
from tests.support.office import Office


@pytest.fixture
async def asked(office: Office) -> Accepted:
    return await office.say()


async def told(office: Office) -> list[tuple[str, int]]:
    """Whose budget, and how far it is used."""
    async with office.session() as session:
        rows = await session.scalars(
            select(ThresholdAlert).order_by(col(ThresholdAlert.what), col(ThresholdAlert.percent))
        )
        names = {"budget:business": "business", f"budget:{office.employee_id}": "ada"}
        return [(names[row.what], row.percent) for row in rows]


async def test_what_was_paid_is_told_of_by_business_and_employee(office: Office, asked: Accepted) -> None:
    await plan(office, business="10", ada="2")
    held = await hold(await purse(office), "1")
    assert await told(office) == []
    await pay(office, asked, "1", held=held)
    assert await told(office) == [("ada", 50)]
    await pay(office, asked, "7")
    assert sorted(await told(office)) == sorted(
        [("business", 50), ("business", 80), ("ada", 50), ("ada", 80), ("ada", 100)]
    )


async def test_of_many_calls_at_once_each_part_is_told_once(office: Office, asked: Accepted) -> None:
    await plan(office, business="1", ada="0.5")
    held = [await hold(await purse(office), "0.01") for _ in range(40)]
    await asyncio.gather(*(pay(office, asked, "0.0125", held=each) for each in held))
    assert sorted(await told(office)) == [("ada", 50), ("ada", 80), ("ada", 100), ("business", 50)]


async def test_what_holds_no_call_any_more_is_used_up(office: Office, asked: Accepted) -> None:
    await plan(office, business="10", ada="1")
    held = await hold(await purse(office), "0.4")
    await pay(office, asked, "0.4", held=held)
    with pytest.raises(OverBudget):
        await hold(await purse(office), "0.7")
    assert await told(office) == [("ada", 50), ("ada", 80), ("ada", 100)]
    with pytest.raises(OverBudget):
        await hold(await purse(office), "0.7")
    async with office.session() as session:
        [used] = {row.used for row in await session.scalars(select(ThresholdAlert))}
    assert used == Decimal(1)


async def test_who_waits_for_others_is_told_nothing(office: Office, asked: Accepted) -> None:
    await plan(office, business="1")
    held = await hold(await purse(office), "0.99")
    with pytest.raises(Exception, match="under way"):
        await hold(await purse(office), "0.02")
    assert await told(office) == []
    await pay(office, asked, "0.49", held=held)
    assert await told(office) == []


async def test_without_a_budget_nothing_is_told(office: Office, asked: Accepted) -> None:
    await pay(office, asked, "100")
    assert await told(office) == []
