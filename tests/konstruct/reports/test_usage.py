"""What models cost, added up by days and by what belongs together: to the last digit what stands in the ledger."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func
from sqlmodel import col, select

from konstruct.db import Database
from konstruct.errors import Mistakes
from konstruct.identity import new_id
from konstruct.reports import ledger, usage
from konstruct.reports.periods import Period
from konstruct.reports.usage import BYS, Amount, Narrowed, Report
from konstruct.tables import Connection, Conversation, Usage
from konstruct.vault import Vault
from tests.konstruct.reports.ledgers import a_call, write_down
from tests.support.office import Office, hire, open_office

LISBON = ZoneInfo("Europe/Lisbon")
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
PERIOD = Period(date(2026, 11, 14), date(2026, 11, 20), LISBON, NOW)


async def reported(office: Office, period: Period = PERIOD, **narrowed: str) -> Report:
    async with office.database.tenant_session(office.tenant_id, snapshot=True) as session:
        known = await usage.known(session, period)
        return await usage.report(session, period, known, known.narrowed(**narrowed))


async def in_ledger(office: Office) -> Decimal:
    async with office.session() as session:
        return await session.scalar(select(func.sum(col(Usage.cost)))) or Decimal(0)


async def a_rehearsal(office: Office) -> Any:
    """A conversation in which a draft was tried out."""
    asked = await office.say(root=f"{new_id()}")
    async with office.session() as session:
        connection = Connection(
            tenant_id=office.tenant_id,
            key=f"rehearsal-{new_id()}",
            kind="rehearsal",
            account=str(new_id()),
            employee_id=office.employee_id,
        )
        session.add(connection)
        await session.flush()
        conversation = await session.get_one(Conversation, (office.tenant_id, asked.conversation_id))
        conversation.is_rehearsal, conversation.connection_id = True, connection.id
    return asked.conversation_id


def test_amounts_are_added_field_by_field() -> None:
    one = Amount(Decimal("0.1"), Decimal("0.05"), Decimal("0.02"), 1, 2, 3, 4, 5, 6)
    assert one + one == Amount(Decimal("0.2"), Decimal("0.1"), Decimal("0.04"), 2, 4, 6, 8, 10, 12)
    assert one.tokens == 9


async def test_costs_are_summed_by_day_and_by_what_belongs_together(office: Office) -> None:
    async with office.session() as session:
        milo = await hire(session, office.tenant_id, "milo", "Milo")
    one, two = await office.say(root="1.0"), await office.say(root="2.0")
    at = datetime(2026, 11, 14, 9, tzinfo=UTC)
    await write_down(
        office,
        a_call(office, one.conversation_id, at, "0.0000000001"),
        a_call(office, one.conversation_id, at + timedelta(days=1), "1.25", purpose="judge"),
        a_call(office, two.conversation_id, at + timedelta(days=1), "0.5", employee_id=milo.id, key_of="tenant"),
        a_call(office, two.conversation_id, at, None, model="unheard-of", outcome="failed", employee_id=milo.id),
        a_call(office, two.conversation_id, at - timedelta(days=3), "7", employee_id=milo.id),
    )
    found = await reported(office)
    assert found.total == Amount(Decimal("1.7500000001"), Decimal("0.5"), Decimal(0), 4, 1, 1, 400, 80, 40)
    assert (found.conversations, found.conversations_before) == (2, 1)
    assert found.before.cost == 7
    assert [str(bar.cost.normalize()) for bar in found.bars] == ["1E-10", "1.75", "0", "0", "0", "0", "0"]
    assert {by: [(row.key, row.amount.cost, row.amount.calls) for row in rows] for by, rows in found.rows.items()} == {
        "employee": [("ada", Decimal("1.2500000001"), 2), ("milo", Decimal("0.5"), 2)],
        "model": [
            ("anthropic/claude-sonnet-4-6", Decimal("1.7500000001"), 3),
            ("anthropic/unheard-of", Decimal(0), 1),
        ],
        "channel": [("slack", Decimal("1.7500000001"), 4)],
        "purpose": [("judging", Decimal("1.25"), 1), ("replies", Decimal("0.5000000001"), 3)],
        "key": [("deployment", Decimal("1.2500000001"), 3), ("tenant", Decimal("0.5"), 1)],
        "price": [("unlisted", Decimal("1.7500000001"), 3), ("unknown", Decimal(0), 1)],
    }
    assert [row.name for row in found.rows["employee"]] == ["Ada", "Milo"]
    [unpriced] = [row.amount for row in found.rows["model"] if row.key == "anthropic/unheard-of"]
    assert unpriced == Amount(calls=1, unpriced=1, failed=1, input=100, output=20, cached=10)


async def test_tests_of_drafts_are_in_the_total_and_beside_the_rest(office: Office) -> None:
    asked = await office.say()
    rehearsed = await a_rehearsal(office)
    at = datetime(2026, 11, 15, 9, tzinfo=UTC)
    await write_down(
        office,
        a_call(office, asked.conversation_id, at, "1"),
        a_call(office, rehearsed, at, "0.25", is_rehearsal=True),
    )
    found = await reported(office)
    assert found.total.cost == Decimal("1.25")
    assert found.conversations == 1
    for by in ("channel", "purpose"):
        assert [(row.key, row.amount.cost) for row in found.rows[by]][1] == ("tests", Decimal("0.25"))
    assert (await reported(office, channel="tests")).total.cost == Decimal("0.25")


@pytest.mark.parametrize(
    ("day", "hours"), [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25)], ids=["spring", "autumn"]
)
async def test_days_are_as_long_as_the_clocks_make_them(office: Office, day: date, hours: int) -> None:
    """Paris jumps from two to three in spring, and lives through two o'clock twice in autumn."""
    paris = ZoneInfo("Europe/Paris")
    period = Period(day - timedelta(days=1), day + timedelta(days=1), paris, NOW)
    begin, end = period.edges[1], period.edges[2]
    assert end - begin == timedelta(hours=hours)
    asked = await office.say()
    moments = [begin - timedelta(seconds=1), begin, end - timedelta(seconds=1), end]
    await write_down(office, *(a_call(office, asked.conversation_id, at, "1") for at in moments))
    found = await reported(office, period)
    assert [bar.calls for bar in found.bars] == [1, 2, 1]


async def test_what_is_before_the_period_or_after_it_is_not_in_it(office: Office) -> None:
    asked = await office.say()
    edges = [PERIOD.start - timedelta(microseconds=1), PERIOD.start, PERIOD.end - timedelta(microseconds=1), PERIOD.end]
    await write_down(office, *(a_call(office, asked.conversation_id, at, "1") for at in edges))
    assert (await reported(office)).total.calls == 2


async def test_a_report_is_held_to_what_it_is_asked_for(office: Office) -> None:
    async with office.session() as session:
        milo = await hire(session, office.tenant_id, "milo", "Milo")
    asked = await office.say()
    at = datetime(2026, 11, 15, 9, tzinfo=UTC)
    await write_down(
        office,
        a_call(office, asked.conversation_id, at, "1"),
        a_call(office, asked.conversation_id, at, "2", employee_id=milo.id),
        a_call(office, asked.conversation_id, at, "4", provider="ollama", model="hf.co/x/y"),
    )
    assert (await reported(office, employee="milo")).total.cost == 2
    assert (await reported(office, model="ollama/hf.co/x/y")).total.cost == 4
    assert (await reported(office, channel="slack")).total.cost == 7
    assert (await reported(office, channel="slack", employee="milo", model="ollama/x")).total == Amount()


@pytest.mark.parametrize(
    "narrowed", [{"employee": "eve"}, {"channel": "fax"}, {"model": "sonnet"}], ids=["employee", "channel", "model"]
)
async def test_what_the_tenant_does_not_have_is_told(office: Office, narrowed: dict[str, str]) -> None:
    with pytest.raises(Mistakes) as told:
        await reported(office, PERIOD, **narrowed)
    assert set(told.value.fields) == set(narrowed)


async def test_the_most_expensive_conversations_come_first_page_by_page(office: Office) -> None:
    asked = [await office.say(root=f"{number}.0") for number in range(5)]
    at = datetime(2026, 11, 15, 9, tzinfo=UTC)
    costs = ["0.5", "2", "0.5", None, "1"]
    await write_down(
        office, *(a_call(office, each.conversation_id, at, cost) for each, cost in zip(asked, costs, strict=True))
    )
    seen: list[Decimal] = []
    ids = set()
    place = None
    async with office.session() as session:
        while page := await ledger.costliest(session, PERIOD.start, PERIOD.end, Narrowed(), limit=2, after=place):
            seen += [each.amount.cost for each in page]
            ids |= {each.conversation_id for each in page}
            place = ledger.Place(page[-1].amount.cost, page[-1].conversation_id)
    assert seen == [Decimal(2), Decimal(1), Decimal("0.5"), Decimal("0.5"), Decimal(0)]
    assert ids == {each.conversation_id for each in asked}


async def test_the_rows_of_the_ledger_come_all_and_once(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "ROWS_AT_ONCE", 3)
    asked = await office.say()
    at = datetime(2026, 11, 15, 9, tzinfo=UTC)
    # Several of one moment, across the border of two batches.
    rows = [a_call(office, asked.conversation_id, at + timedelta(hours=number // 4), "1") for number in range(9)]
    expected = sorted((row.created_at, row.id) for row in rows)
    await write_down(office, *rows)
    batches = [
        [(row.created_at, row.id) for row, _ in batch]
        async for batch in ledger.rows(office.database, office.tenant_id, PERIOD.start, PERIOD.end, Narrowed())
    ]
    assert [len(batch) for batch in batches] == [3, 3, 3]
    assert [row for batch in batches for row in batch] == expected


_CALLS = st.lists(
    st.tuples(
        st.integers(min_value=0, max_value=7 * 24 * 60 - 1),
        st.none() | st.decimals(min_value=0, max_value=100, places=10, allow_nan=False, allow_infinity=False),
        st.sampled_from(("reply", "judge", "summary", "facts", "packet", "assist", "speech")),
        st.sampled_from(("anthropic/a", "openai/b", "ollama/c")),
        st.sampled_from(("deployment", "tenant")),
        st.booleans(),
        st.integers(min_value=0, max_value=1),
    ),
    max_size=12,
)


@given(calls=_CALLS)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_whichever_way_it_is_added_up_it_comes_to_what_the_ledger_holds(
    database: Database, vault: Vault, calls: Sequence[Any]
) -> None:
    office = await open_office(database, vault)
    asked = await office.say()
    rehearsed = await a_rehearsal(office)
    async with office.session() as session:
        milo = await hire(session, office.tenant_id, "milo", "Milo")
    employees = (office.employee_id, milo.id)
    await write_down(
        office,
        *(
            a_call(
                office,
                rehearsed if is_test else asked.conversation_id,
                PERIOD.start + timedelta(minutes=minute),
                str(cost) if cost is not None else None,
                purpose=purpose,
                provider=model.partition("/")[0],
                model=model.partition("/")[2],
                key_of=key_of,
                is_rehearsal=is_test,
                employee_id=employees[who],
            )
            for minute, cost, purpose, model, key_of, is_test, who in calls
        ),
    )
    found = await reported(office)
    assert found.total.cost == await in_ledger(office)
    assert found.total.calls == len(calls)
    assert usage.added(found.bars) == found.total
    for by in BYS:
        assert usage.added(row.amount for row in found.rows[by]) == found.total
        for row in found.rows[by]:
            assert usage.added(row.bars) == row.amount
    async with office.session() as session:
        spent = await ledger.costliest(session, PERIOD.start, PERIOD.end, Narrowed())
    assert usage.added(each.amount for each in spent) == found.total
