import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import update
from sqlmodel import col, select

from konstruct.budgets import holding
from konstruct.errors import ModelsUnavailable, OverBudget
from konstruct.inbox import Accepted
from konstruct.tables import BudgetHold, BudgetMonth, Tenant
from tests.support.crowds import statements
from tests.support.months import NOW, hold, holds, ledger, pay, plan, purse, spent
from tests.support.office import Office, hire


@pytest.fixture
async def asked(office: Office) -> Accepted:
    return await office.say()


async def test_without_a_budget_nothing_is_asked_of_the_database(office: Office) -> None:
    with statements(office.database) as ran:
        assert holding.purse(office.database, office.tenant_id, office.employee_id, {}) is None
        chosen = {"when_spent": "pause"}
        assert holding.purse(office.database, office.tenant_id, office.employee_id, chosen) is None
    assert ran == []


async def test_what_is_held_is_no_one_elses_until_it_is_settled(office: Office, asked: Accepted) -> None:
    await plan(office, business="1")
    mine = await purse(office)
    first = await hold(mine, "0.60")
    assert (first.amount, first.at) == (Decimal("0.60"), NOW)
    with pytest.raises(ModelsUnavailable) as raised:
        await hold(mine, "0.60")
    assert not isinstance(raised.value, OverBudget)
    await pay(office, asked, "0.10", held=first)
    assert await holds(office) == []
    assert (await hold(mine, "0.60")).amount == Decimal("0.60")
    assert await spent(office) == {"business": Decimal("0.10"), str(office.employee_id): Decimal("0.10")}


async def test_what_does_not_fit_is_cut_to_what_is_left_and_no_further(office: Office, asked: Accepted) -> None:
    await plan(office, business="1")
    await pay(office, asked, "0.70")
    mine = await purse(office)
    assert (await hold(mine, "0.50", least="0.10", patience=5)).amount == Decimal("0.30")
    await plan(office, business="0.80")
    with pytest.raises(OverBudget):
        await hold(mine, "0.50", least="0.11")


async def test_a_patient_call_waits_for_others_and_gets_all_that_it_wants(office: Office, asked: Accepted) -> None:
    await plan(office, business="1")
    mine = await purse(office)
    first = await hold(mine, "0.90")
    waiting = asyncio.create_task(hold(mine, "0.50", least="0.05", patience=60))
    other = asyncio.create_task(hold(await purse(office), "0.30", patience=60))
    done, _ = await asyncio.wait([waiting, other], timeout=0.5)
    assert not done
    await pay(office, asked, "0.05", held=first)
    assert (await waiting).amount == Decimal("0.50")
    assert (await other).amount == Decimal("0.30")


async def test_a_call_whose_patience_ends_takes_what_is_left(office: Office) -> None:
    await plan(office, business="1")
    mine = await purse(office)
    await hold(mine, "0.90")
    assert (await hold(mine, "0.50", least="0.05", patience=0.2)).amount == Decimal("0.10")


async def test_where_not_all_is_left_what_is_enough_leaves_the_rest_to_others(office: Office) -> None:
    await plan(office, business="1")
    mine = await purse(office)
    assert (await hold(mine, "0.60", enough="0.15", least="0.05")).amount == Decimal("0.60")
    amounts = [(await hold(mine, "0.60", enough="0.15", least="0.05")).amount for _ in range(3)]
    assert amounts == [Decimal("0.15"), Decimal("0.15"), Decimal("0.10")]


async def test_the_tighter_of_two_budgets_decides(office: Office, asked: Accepted) -> None:
    async with office.session() as session:
        bob = await hire(session, office.tenant_id, "bob", "Bob")
    await plan(office, business="1", ada="0.20")
    with pytest.raises(OverBudget):
        await hold(await purse(office), "0.30")
    bobs = await purse(office, employee_id=bob.id)
    held = await hold(bobs, "0.90")
    assert held.amount == Decimal("0.90")
    with pytest.raises(ModelsUnavailable):
        await hold(await purse(office), "0.15")


async def test_an_employee_without_a_budget_is_not_held_to_anothers(office: Office) -> None:
    async with office.session() as session:
        bob = await hire(session, office.tenant_id, "bob", "Bob")
    await plan(office, ada="0.20")
    held = await hold(await purse(office, employee_id=bob.id), "5")
    assert (held.hold_id, held.amount) == (None, Decimal(5))
    assert await holds(office) == []


async def test_what_was_spent_before_there_was_a_budget_counts(office: Office, asked: Accepted) -> None:
    await pay(office, asked, "0.95")
    await pay(office, asked, "7", at=NOW - timedelta(days=40))
    await plan(office, business="1")
    with pytest.raises(OverBudget):
        await hold(await purse(office), "0.06")
    assert (await spent(office))["business"] == Decimal("0.95")


async def test_a_call_that_costs_more_than_was_held_is_counted_as_it_is(office: Office, asked: Accepted) -> None:
    await plan(office, business="1")
    mine = await purse(office)
    await pay(office, asked, "1.2345678901", held=await hold(mine, "0.90"))
    with pytest.raises(OverBudget):
        await hold(mine, "0.01")
    assert (await spent(office))["business"] == await ledger(office) == Decimal("1.2345678901")


async def test_a_call_of_which_nobody_knows_the_price_lets_go_of_what_was_held(office: Office, asked: Accepted) -> None:
    await plan(office, business="1")
    await pay(office, asked, None, held=await hold(await purse(office), "0.90"))
    assert await holds(office) == []
    assert (await spent(office))["business"] == 0


async def test_what_a_process_held_that_died_ends_by_itself(office: Office, asked: Accepted) -> None:
    await plan(office, business="1")
    mine = await purse(office)
    dead = await hold(mine, "0.90")
    [row] = await office.rows(BudgetHold)
    assert timedelta(seconds=60) < row.expires_at - row.created_at <= timedelta(minutes=4)
    async with office.session() as session:
        await session.execute(update(BudgetHold).values(expires_at=row.created_at))
    living = await hold(mine, "0.80")
    # It was not dead after all, and only late: what it cost is counted all the same.
    await pay(office, asked, "0.85", held=dead)
    await pay(office, asked, "0.70", held=living)
    assert (await spent(office))["business"] == await ledger(office) == Decimal("1.55")
    assert await holds(office) == []


async def test_a_budget_that_changes_meanwhile_is_the_next_calls(office: Office, asked: Accepted) -> None:
    await plan(office, business="1")
    mine = await purse(office)
    held = await hold(mine, "0.80")
    await plan(office, business="0.50")
    with pytest.raises(OverBudget):
        await hold(mine, "0.60")
    with pytest.raises(ModelsUnavailable):
        await hold(mine, "0.40")
    await pay(office, asked, "0.75", held=held)
    with pytest.raises(OverBudget):
        await hold(mine, "0.01")
    await plan(office)
    assert (await hold(mine, "900")).hold_id is None
    await pay(office, asked, "0.25")
    await plan(office, business="1.10")
    assert (await hold(mine, "0.10")).amount == Decimal("0.10")
    with pytest.raises(OverBudget):
        await hold(mine, "0.11")


async def test_a_call_is_of_the_month_in_which_it_began(office: Office, asked: Accepted) -> None:
    await plan(office, business="1")
    last_second = datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC)
    before, after = await purse(office, last_second), await purse(office, last_second + timedelta(seconds=2))
    old = await hold(before, "0.90")
    new = await hold(after, "0.90")
    await pay(office, asked, "0.80", held=old)
    assert await holds(office) == [new.amount]
    await pay(office, asked, "0.10", held=new)
    async with office.session() as session:
        rows = await session.scalars(
            select(BudgetMonth).where(col(BudgetMonth.scope) == "business").order_by(col(BudgetMonth.month))
        )
        assert [(row.month.month, row.spent) for row in rows] == [(11, Decimal("0.80")), (12, Decimal("0.10"))]


async def test_in_another_time_zone_it_is_another_month(office: Office, asked: Accepted) -> None:
    await plan(office, business="1")
    in_the_night = datetime(2026, 11, 30, 20, tzinfo=UTC)
    await pay(office, asked, "0.90", at=in_the_night)
    mine = await purse(office, in_the_night + timedelta(minutes=1))
    with pytest.raises(OverBudget):
        await hold(mine, "0.50")
    async with office.session() as session:
        # There it is the 1st of December, and half an hour is half an hour.
        await session.execute(update(Tenant).values(time_zone="Asia/Kolkata"))
    held = await hold(mine, "0.10")
    with pytest.raises(OverBudget):
        await hold(mine, "0.50")
    await pay(office, asked, "0.03", held=held)
    async with office.session() as session:
        await session.execute(update(Tenant).values(time_zone="UTC"))
    with pytest.raises(OverBudget):
        await hold(mine, "0.08")
    await pay(office, asked, "0.02", held=await hold(mine, "0.07"))
    async with office.session() as session:
        rows = await session.scalars(select(BudgetMonth).where(col(BudgetMonth.scope) == "business"))
        assert {row.month.month: row.spent for row in rows} == {11: Decimal("0.95"), 12: Decimal("0.95")}


async def test_a_month_that_moves_with_its_time_zone_is_added_up_anew(office: Office, asked: Accepted) -> None:
    await plan(office, business="1")
    await pay(office, asked, "0.90", at=datetime(2026, 10, 31, 22, tzinfo=UTC))
    mine = await purse(office)
    held = await hold(mine, "0.10")
    async with office.session() as session:
        await session.execute(update(Tenant).values(time_zone="Europe/Athens"))
    with pytest.raises(OverBudget):
        await hold(mine, "0.11")
    await pay(office, asked, "0.10", held=held)
    assert (await spent(office))["business"] == Decimal(1)


async def test_one_who_is_gone_is_held_to_the_business_budget_alone(office: Office, asked: Accepted) -> None:
    await plan(office, business="1", ada="0.10")
    mine = await purse(office)
    async with office.session() as session:
        tenant = (await session.scalars(select(Tenant))).one()
        tenant.budgets = {"business": "1.00", "employees": {"nobody": "0.10"}}
    held = await hold(mine, "0.90")
    await pay(office, asked, "0.90", held=held)
    with pytest.raises(OverBudget):
        await hold(mine, "0.20")


async def test_many_at_once_never_hold_more_than_there_is(office: Office, asked: Accepted) -> None:
    """The first of them make the month's rows, while others' calls come into the ledger."""
    await pay(office, asked, "0.10")
    await plan(office, business="1", ada="0.90")
    mine = await purse(office)

    async def call() -> bool:
        try:
            held = await hold(mine, "0.05", patience=60)
        except OverBudget:
            return False
        await pay(office, asked, "0.02", held=held)
        return True

    made = await asyncio.gather(*(call() for _ in range(60)), *(pay(office, asked, "0.01") for _ in range(5)))
    # As long as 0.05 is left another is made.
    assert await holds(office) == []
    total = await ledger(office)
    assert await spent(office) == {"business": total, str(office.employee_id): total}
    assert Decimal("0.85") < total <= Decimal("0.90")
    assert made.count(True) >= 35
