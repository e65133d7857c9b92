"""What became of conversations, in numbers that were worked out by hand."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import update
from sqlmodel import col

from konstruct.db import Database
from konstruct.handoffs import owning
from konstruct.handoffs.owning import Wish
from konstruct.inbox import Accepted
from konstruct.reports import outcomes, usage
from konstruct.reports.outcomes import HandedOff, Handled, Outcomes, Satisfaction, Times
from konstruct.reports.periods import Period
from konstruct.tables import Conversation, Handoff, Message, Rating, Tenant
from konstruct.tables.base import utc_now
from konstruct.vault import Vault
from tests.support.handoffs import GRACE, LINUS, claim, hand_back, hand_off, handoff_row, seat, write
from tests.support.office import Office, hire, open_office

ZONE = ZoneInfo("Europe/Lisbon")


@pytest.fixture
async def office(database: Database, vault: Vault) -> Office:
    office = await open_office(database, vault)
    async with office.session() as session:
        (await session.get_one(Tenant, office.tenant_id)).time_zone = ZONE.key
    await seat(office)
    return office


def today() -> Period:
    now = utc_now()
    day = now.astimezone(ZONE).date()
    return Period(day, day, ZONE, now)


async def told(office: Office, period: Period, **narrowed: str) -> Outcomes:
    async with office.database.tenant_session(office.tenant_id, snapshot=True) as session:
        known = await usage.known(session, period)
        return await outcomes.read(session, period, known.narrowed(**narrowed))


async def move(office: Office, asked: Accepted, at: datetime, *, replied_after: float | None = None) -> None:
    """As if the contact had first written then, and had been answered so many seconds later."""
    async with office.session() as session:
        of_it = col(Message.conversation_id) == asked.conversation_id
        moved = update(Message).where(of_it).execution_options(synchronize_session=False)
        await session.execute(moved.values(created_at=at))
        if replied_after is not None:
            replied = at + timedelta(seconds=replied_after)
            await session.execute(moved.where(col(Message.direction) == "outbound").values(settled_at=replied))


async def change_handoff(office: Office, handoff_id: UUID, **values: Any) -> None:
    async with office.session() as session:
        of_it = update(Handoff).where(col(Handoff.id) == handoff_id).execution_options(synchronize_session=False)
        await session.execute(of_it.values(**values))


def rounded(times: Times) -> Times:
    seconds = (times.median, times.ninetieth, times.mean)
    return Times(times.count, *(None if each is None else round(each, 6) for each in seconds))


class TestHandled:
    async def test_who_answered_is_counted_and_how_soon(self, office: Office) -> None:
        period = Period(date(2026, 11, 9), date(2026, 11, 11), ZONE, datetime(2026, 11, 20, tzinfo=UTC))
        monday = datetime(2026, 11, 9, 10, tzinfo=UTC)
        for number, (at, waited) in enumerate(
            [(monday, 2), (monday, 4), (monday + timedelta(days=1), 60), (monday + timedelta(days=2), 10)]
        ):
            await move(office, await office.exchange("Hi", "Yes?", root=f"{number}.0"), at, replied_after=waited)
        await move(office, await office.say("Anybody?", root="9.0"), monday)
        found = await told(office, period)
        assert rounded(found.total.handled.first_reply) == Times(4, 7.0, 45.0, 19.0)
        assert found.total.handled == Handled(5, 4, 0, 1, found.total.handled.first_reply)
        assert [bar.handled.conversations for bar in found.bars] == [3, 1, 1]
        assert [bar.handled.first_reply.median for bar in found.bars] == [3.0, 60.0, 10.0]
        assert found.total.handled.resolved_share == pytest.approx(0.8)
        assert found.employees[office.employee_id].handled == found.total.handled
        assert found.connections[office.connection_id].handled == found.total.handled

    async def test_a_conversation_counts_once_on_the_first_day_on_which_its_contact_wrote(self, office: Office) -> None:
        asked = await office.exchange("Hi", "Yes?")
        await move(office, asked, datetime(2026, 11, 8, 10, tzinfo=UTC))
        again = await office.exchange("And now?", "Now, too.")
        assert again.conversation_id == asked.conversation_id
        async with office.session() as session:
            later = update(Message).where(col(Message.seq) > 2).execution_options(synchronize_session=False)
            await session.execute(later.values(created_at=datetime(2026, 11, 10, 10, tzinfo=UTC)))
        period = Period(date(2026, 11, 7), date(2026, 11, 10), ZONE, datetime(2026, 11, 20, tzinfo=UTC))
        assert [bar.handled.conversations for bar in (await told(office, period)).bars] == [0, 1, 0, 0]
        second = Period(date(2026, 11, 9), date(2026, 11, 10), ZONE, datetime(2026, 11, 20, tzinfo=UTC))
        found = await told(office, second)
        assert [bar.handled.conversations for bar in found.bars] == [0, 1]
        assert found.before.handled.conversations == 1

    async def test_whoever_writes_at_the_very_end_may_be_answered_after_it(self, office: Office) -> None:
        period = Period(date(2026, 11, 9), date(2026, 11, 9), ZONE, datetime(2026, 11, 20, tzinfo=UTC))
        asked = await office.exchange("Hi", "Yes?")
        await move(office, asked, period.end - timedelta(seconds=1), replied_after=5)
        async with office.session() as session:
            outbound = update(Message).where(col(Message.direction) == "outbound")
            late = outbound.values(created_at=period.end + timedelta(seconds=1))
            await session.execute(late.execution_options(synchronize_session=False))
        assert (await told(office, period)).total.handled == Handled(1, 1, 0, 0, Times(1, 5.0, 5.0, 5.0))

    async def test_tests_of_drafts_are_left_out(self, office: Office) -> None:
        asked = await office.exchange("Hi", "Yes?")
        async with office.session() as session:
            (await session.get_one(Conversation, (office.tenant_id, asked.conversation_id))).is_rehearsal = True
        assert (await told(office, today())).total.handled == Handled()

    async def test_where_people_were_asked_or_wrote_it_was_not_resolved_without_them(self, office: Office) -> None:
        await office.exchange("Hi", "Yes?", root="1.0")
        await hand_off(office, await office.exchange("A person!", "One comes.", root="2.0"))
        found = await told(office, today())
        assert (found.total.handled.alone, found.total.handled.with_people) == (1, 1)
        assert found.total.handled.handoff_share == 0.5

    async def test_a_hand_off_that_was_over_before_does_not_count(self, office: Office) -> None:
        asked = await office.exchange("A person!", "One comes.")
        handoff_id = await hand_off(office, asked)
        await claim(office, handoff_id)
        await hand_back(office, handoff_id)
        await office.exchange("Thanks", "Gladly.")
        period = today()
        assert (await told(office, period)).total.handled.with_people == 1
        before = period.start - timedelta(hours=1)
        await change_handoff(office, handoff_id, created_at=before, ended_at=before)
        assert (await told(office, period)).total.handled.alone == 1


class TestHandedOff:
    async def test_how_long_contacts_waited_is_told_and_how_it_ended(self, office: Office) -> None:
        began = today().start + timedelta(microseconds=1)
        first = await hand_off(office, await office.say("A person!", root="1.0"))
        await claim(office, first)
        await write(office, first, "Here I am.")
        second = await hand_off(office, await office.say("Me too!", root="2.0"), Wish("rule", "r", "x", rule="angry"))
        await claim(office, second, LINUS)
        await hand_back(office, second, LINUS)
        waiting = await hand_off(office, await office.say("And me!", root="3.0"), Wish("rule", "r", "x", rule="angry"))
        seconds = {"created_at": began, "first_claimed_at": began + timedelta(seconds=30)}
        await change_handoff(office, first, **seconds, replied_at=began + timedelta(seconds=90))
        await change_handoff(office, second, **seconds | {"first_claimed_at": began + timedelta(seconds=50)})
        await change_handoff(office, waiting, created_at=began)
        found = await told(office, today())
        assert rounded(found.total.handed_off.to_person) == Times(2, 40.0, 48.0, 40.0)
        assert found.total.handed_off == HandedOff(
            count=3,
            waiting=1,
            owned=1,
            handed_back=1,
            to_person=found.total.handed_off.to_person,
            to_reply=Times(1, 90.0, 90.0, 90.0),
        )
        assert [(each.cause, each.rule, each.handed_off.count) for each in found.reasons] == [
            ("rule", "angry", 2),
            ("employee", None, 1),
        ]

    async def test_who_takes_over_unasked_was_not_waited_for(self, office: Office) -> None:
        handoff_id = await hand_off(office, await office.say(), Wish("agent", "grace", "x"))
        await claim(office, handoff_id)
        assert (await told(office, today())).total.handed_off.to_person == Times()

    async def test_the_first_who_comes_counts_whoever_gets_it_then(self, office: Office) -> None:
        handoff_id = await hand_off(office, await office.say())
        await claim(office, handoff_id)
        first = (await handoff_row(office, handoff_id)).first_claimed_at
        async with office.session() as session:
            await owning.transfer(session, handoff_id, GRACE, LINUS)
        row = await handoff_row(office, handoff_id)
        assert (row.agent, row.first_claimed_at) == (LINUS.key, first)
        assert row.claimed_at is not None
        assert first is not None
        assert row.claimed_at > first

    async def test_asked_again_within_a_week_it_was_reopened(self, office: Office) -> None:
        asked = await office.say()
        first = await hand_off(office, asked)
        await claim(office, first)
        await hand_back(office, first)
        second = await hand_off(office, asked)
        assert (await told(office, today())).total.handed_off.reopened == 1
        created = (await handoff_row(office, second)).created_at
        long_ago = created - timedelta(days=7, seconds=1)
        await change_handoff(office, first, ended_at=long_ago)
        assert (await told(office, today())).total.handed_off.reopened == 0

    async def test_what_people_were_only_told_of_is_none(self, office: Office) -> None:
        handoff_id = await hand_off(office, await office.exchange("Hi", "Yes?"))
        await change_handoff(office, handoff_id, state="told")
        found = await told(office, today())
        assert (found.total.handed_off, found.total.handled.alone) == (HandedOff(), 1)


class TestSatisfaction:
    async def test_answers_are_counted_by_what_they_say(self, office: Office) -> None:
        at = today().start + timedelta(microseconds=1)
        asked = await office.exchange("Hi", "Yes?")
        conversation = (await office.conversations())[0]
        async with office.session() as session:
            session.add_all(
                Rating(
                    tenant_id=office.tenant_id,
                    conversation_id=asked.conversation_id,
                    contact_id=conversation.contact_id,
                    employee_id=office.employee_id,
                    asked_at=at,
                    score=score,
                )
                for score in (5, 5, 2, None)
            )
        found = await told(office, today())
        assert found.total.satisfaction == Satisfaction(4, 3, 4.0, (0, 1, 0, 0, 2))
        assert found.bars[0].satisfaction == found.total.satisfaction
        assert found.employees[office.employee_id].satisfaction == found.total.satisfaction


async def test_retention_is_told_where_it_may_have_let_go(office: Office) -> None:
    assert (await told(office, today())).let_go_before is None
    async with office.session() as session:
        (await session.get_one(Tenant, office.tenant_id)).retention = {"messages": 30}
    now = utc_now()
    day = now.astimezone(ZONE).date()
    assert (await told(office, Period(day - timedelta(days=10), day, ZONE, now))).let_go_before is None
    found = await told(office, Period(day - timedelta(days=40), day, ZONE, now))
    assert found.let_go_before == now - timedelta(days=30)


async def test_a_report_is_held_to_an_employee_and_a_channel(office: Office) -> None:
    await hand_off(office, await office.exchange("Hi", "Yes?"))
    assert (await told(office, today(), employee="ada", channel="slack")).total.handled.conversations == 1
    async with office.session() as session:
        await hire(session, office.tenant_id, "milo", "Milo")
    of_another = (await told(office, today(), employee="milo")).total
    assert of_another == outcomes.Of()
