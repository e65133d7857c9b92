"""Whatever becomes of calls, in any order, a month's counters are the ledger's sum, and nothing stays held."""

import random
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from sqlalchemy import update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import select

from konstruct import employees, usage
from konstruct.db import before_commit
from konstruct.errors import ModelsUnavailable
from konstruct.identity import new_id
from konstruct.inbox import Accepted
from konstruct.models import ModelCall
from konstruct.ports import Held
from konstruct.tables import BudgetHold, BudgetMonth, Tenant, Usage
from konstruct.tables.base import utc_now
from tests.support.months import ledger, pay, plan, purse, spent
from tests.support.office import Office

CENT = Decimal("0.01")
# A month's turn, and the hours around it in which it is another month elsewhere.
MOMENTS = [datetime(2026, 10, 31, 22, 30, tzinfo=UTC), datetime(2026, 10, 31, 23, 30, tzinfo=UTC)]
MOMENTS += [datetime(2026, 11, 1, 7, 30, tzinfo=UTC), datetime(2026, 11, 15, tzinfo=UTC)]
ZONES = ["Europe/Berlin", "America/Los_Angeles", "Pacific/Kiritimati"]


class _Cut(Exception):
    pass


async def _cut_off(office: Office, asked: Accepted, held: Held) -> None:
    """Its transaction comes to nothing, after all that it does is done."""

    async def cut(_: AsyncSession) -> None:
        raise _Cut

    call = ModelCall(
        *("anthropic/claude-sonnet-4-6", "anthropic", "claude-sonnet-4-6", "ok"),
        held.at,
        cost=7 * CENT,
        hold_id=held.hold_id,
    )
    with suppress(_Cut):
        async with office.session() as session:
            employee = await employees.serving(session, asked.conversation_id)
            usage.record(session, employee, asked.conversation_id, new_id(), [call])
            before_commit(session, cut)


async def test_a_call_is_counted_once_though_its_commit_was_not_heard_of(office: Office) -> None:
    """Whoever does not know whether it was stored stores it again."""
    await plan(office, business="1")
    asked, mine = await office.say(), await purse(office)
    held = await mine.hold(CENT, CENT, CENT, lasts=60, patience=0)
    call = ModelCall(
        *("anthropic/claude-sonnet-4-6", "anthropic", "claude-sonnet-4-6", "ok"),
        held.at,
        cost=CENT,
        hold_id=held.hold_id,
    )

    async def store() -> None:
        async with office.session() as session:
            employee = await employees.serving(session, asked.conversation_id)
            usage.record(session, employee, asked.conversation_id, new_id(), [call])

    await store()
    with pytest.raises(IntegrityError):
        await store()
    assert await ledger(office) == CENT
    assert (await spent(office))["business"] == CENT


async def _sums(office: Office) -> dict[tuple[str, datetime], tuple[Decimal, Decimal]]:
    """Of each month that is counted: what its counter says, and the ledger."""
    found = {}
    async with office.session() as session:
        rows = (await session.scalars(select(Usage))).all()
        for month in await session.scalars(select(BudgetMonth)):
            of_month = [row for row in rows if month.begins <= row.created_at < month.ends]
            if month.scope != "business":
                of_month = [row for row in of_month if str(row.employee_id) == month.scope]
            found[month.scope, month.begins] = (
                month.spent,
                sum((row.cost or Decimal(0) for row in of_month), Decimal(0)),
            )
    return found


@pytest.mark.parametrize("seed", range(6))
async def test_counters_are_the_ledgers_sum_and_nothing_stays_held(office: Office, seed: int) -> None:
    dice, asked = random.Random(seed), await office.say()
    await plan(office, business="2", ada="1.50")
    open_: list[Held] = []
    given_up: list[Held] = []
    for _ in range(40):
        act = dice.choice(["hold", "hold", "hold", "settle", "settle", "more", "unknown", "cut", "die", "own", "zone"])
        if act == "hold":
            try:
                mine = await purse(office, dice.choice(MOMENTS))
                open_.append(await mine.hold(5 * CENT, 10 * CENT, 25 * CENT, lasts=600, patience=0))
            except ModelsUnavailable:
                pass
        elif act == "own":
            await pay(office, asked, "0.03", at=dice.choice(MOMENTS))
        elif act == "zone":
            async with office.session() as session:
                await session.execute(update(Tenant).values(time_zone=dice.choice(ZONES)))
        elif open_:
            held = open_.pop(dice.randrange(len(open_)))
            if act == "die":
                given_up.append(held)
            elif act == "cut":
                await _cut_off(office, asked, held)
                # Tried again, it is counted once.
                await pay(office, asked, "0.07", held=held)
            else:
                cost = {"settle": "0.0400000001", "more": "0.31", "unknown": None}[act]
                await pay(office, asked, cost, held=held)
        assert all(counted == kept for counted, kept in (await _sums(office)).values())
    for held in open_:
        await pay(office, asked, "0.01", held=held)
    async with office.session() as session:
        left = (await session.scalars(select(BudgetHold))).all()
        assert {row.id for row in left} == {held.hold_id for held in given_up}
        assert all(row.expires_at > utc_now() for row in left)
