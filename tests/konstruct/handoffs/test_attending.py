"""What is due for a handoff at given times: each once, in its time, and never in a burst."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from konstruct.channels import SLACK
from konstruct.db import Database
from konstruct.desk import texts
from konstruct.errors import NotFound
from konstruct.handoffs import attending, owning
from konstruct.handoffs.attending import Advanced
from konstruct.identity import new_id
from konstruct.inbox import Accepted
from tests.konstruct.handoffs.attended import BOTH, SUNDAY, WEEKDAYS, advance, cross_out, grouped, kinds, not_now, told
from tests.support.handoffs import (
    GRACE,
    PEOPLE,
    a_wish,
    change_row,
    claim,
    conversation,
    hand_back,
    hand_off,
    handoff_row,
    owned,
    seat,
)
from tests.support.office import Office


class TestWhatIsDue:
    async def test_at_once_people_are_rung_and_the_contact_is_told(self, office: Office, asked: Accepted) -> None:
        handoff_id = await hand_off(office, asked)
        first = await advance(office, handoff_id)
        assert kinds(first) == [("ring", BOTH)]
        assert await told(office) == [texts.told("asked")]
        [notice] = [message.id for message in await office.messages("outbound")]
        assert (first.notice_ids, first.conversation_id, first.answer_id) == ((notice,), asked.conversation_id, None)
        handoff = await handoff_row(office, handoff_id)
        assert handoff.next_due_at == handoff.created_at + timedelta(minutes=10)

    async def test_the_same_again_does_nothing_and_still_knows_what_is_to_be_done(
        self, office: Office, asked: Accepted
    ) -> None:
        handoff_id = await hand_off(office, asked)
        first, again = [await advance(office, handoff_id) for _ in range(2)]
        assert (again.tasks, again.notice_ids) == (first.tasks, ())
        await cross_out(office, handoff_id, *first.tasks)
        assert (await advance(office, handoff_id)).tasks == ()
        assert len(await told(office)) == 1

    async def test_twins_do_it_once(self, office: Office, asked: Accepted) -> None:
        handoff_id = await hand_off(office, asked)
        twins = await asyncio.gather(*(advance(office, handoff_id) for _ in range(3)))
        assert len({each.tasks for each in twins}) == 1
        assert len(await told(office)) == 1

    async def test_mails_reminders_and_words_to_the_contact_come_in_their_time(
        self, office: Office, asked: Accepted
    ) -> None:
        handoff_id = await hand_off(office, asked)
        seen = []
        for minutes in (0, 9, 10, 14, 15, 29, 30):
            advanced = await advance(office, handoff_id, timedelta(minutes=minutes))
            seen.append((minutes, [kind for kind, _ in kinds(advanced)], len(advanced.notice_ids)))
            await cross_out(office, handoff_id, *advanced.tasks)
        assert seen == [
            (0, ["ring"], 1),
            (9, [], 0),
            (10, ["email"], 0),
            (14, [], 0),
            (15, ["remind"], 0),
            (29, [], 0),
            (30, ["remind"], 1),
        ]
        assert await told(office) == [texts.told("asked"), texts.told("still_waiting")]

    async def test_after_a_day_without_a_worker_nothing_comes_in_a_burst(self, office: Office, asked: Accepted) -> None:
        await grouped(office, give_up_after_seconds=100 * 3600)
        handoff_id = await hand_off(office, asked)
        late = await advance(office, handoff_id, timedelta(days=1))
        assert sorted(kind for kind, _ in kinds(late)) == ["email", "ring"]
        assert len(late.notice_ids) == 1

    async def test_a_task_keeps_its_name_until_it_is_done_and_gives_it_to_no_other(
        self, office: Office, asked: Accepted
    ) -> None:
        handoff_id = await hand_off(office, asked)
        [first] = (await advance(office, handoff_id)).tasks
        kept, second = (await advance(office, handoff_id, timedelta(minutes=10))).tasks
        assert kept == first
        assert second.id != first.id
        await cross_out(office, handoff_id, first)
        [left] = (await advance(office, handoff_id, timedelta(minutes=10))).tasks
        assert left == second
        names = {attending.task_entry_id(handoff_id, task) for task in (first, second)}
        assert len(names) == 2
        assert attending.task_entry_id(handoff_id, first) in names

    async def test_in_order_the_next_is_rung_when_one_cannot_now(self, office: Office, asked: Accepted) -> None:
        await grouped(office, ring="in_order")
        handoff_id = await hand_off(office, asked)
        first = await advance(office, handoff_id)
        assert kinds(first) == [("ring", ("grace",))]
        await cross_out(office, handoff_id, *first.tasks)
        await not_now(office, handoff_id, "grace")
        assert kinds(await advance(office, handoff_id, timedelta(seconds=1))) == [("ring", ("linus",))]

    async def test_who_cannot_now_is_heard_at_once(self, office: Office, asked: Accepted) -> None:
        handoff_id = await hand_off(office, asked)
        await advance(office, handoff_id)
        before = (await handoff_row(office, handoff_id)).next_due_at
        await not_now(office, handoff_id, "grace")
        await not_now(office, handoff_id, "grace")
        after = await handoff_row(office, handoff_id)
        assert before is not None
        assert after.next_due_at is not None
        assert after.next_due_at < before
        assert attending.waiting_of(after).not_now == {"grace"}

    async def test_what_no_longer_waits_needs_nobody_to_say_that_they_cannot(
        self, office: Office, asked: Accepted
    ) -> None:
        handoff_id = await owned(office, asked)
        before = await handoff_row(office, handoff_id)
        await not_now(office, handoff_id, "grace")
        assert (await handoff_row(office, handoff_id)).progress == before.progress

    async def test_while_nobody_is_there_the_contact_is_told_when_and_nobody_is_rung(
        self, office: Office, asked: Accepted
    ) -> None:
        await grouped(office, hours=WEEKDAYS)
        handoff_id = await hand_off(office, asked)
        await change_row(office, handoff_id, created_at=SUNDAY)
        closed = await advance(office, handoff_id)
        assert closed.tasks == ()
        [sentence] = await told(office)
        assert "Monday, 30 November at 09:00" in sentence
        monday = datetime(2026, 11, 30, 9, tzinfo=UTC)
        assert (await handoff_row(office, handoff_id)).next_due_at == monday
        assert [kind for kind, _ in kinds(await advance(office, handoff_id, monday - SUNDAY))] == ["ring"]

    async def test_when_nobody_came_the_contact_is_told_and_it_may_still_be_taken(
        self, office: Office, asked: Accepted
    ) -> None:
        handoff_id = await hand_off(office, asked)
        await advance(office, handoff_id)
        gave_up = await advance(office, handoff_id, timedelta(hours=8))
        assert [message.id for message in await office.messages("outbound")][-1:] == list(gave_up.notice_ids)
        assert (await told(office))[-1] == texts.told("apologise")
        handoff = await handoff_row(office, handoff_id)
        assert (handoff.state, handoff.next_due_at) == ("waiting", None)
        assert (await conversation(office, asked)).owner == "queue"
        assert (await claim(office, handoff_id)).agent == GRACE.key

    async def test_or_the_employee_goes_on_and_says_so_itself(self, office: Office, asked: Accepted) -> None:
        await grouped(office, then="hand_back")
        handoff_id = await hand_off(office, asked)
        await advance(office, handoff_id)
        gave_up = await advance(office, handoff_id, timedelta(hours=8))
        assert gave_up.answer_id is not None
        assert (await office.message(gave_up.answer_id)).state == "received"
        assert gave_up.notice_ids == ()
        assert (await handoff_row(office, handoff_id)).ended_how == "nobody_came"
        assert (await conversation(office, asked)).owner == "employee"
        again = await advance(office, handoff_id, timedelta(hours=9))
        assert (again.tasks, again.notice_ids, again.answer_id) == ((), (), None)

    async def test_once_somebody_has_it_nobody_is_called_written_to_or_told(
        self, office: Office, asked: Accepted
    ) -> None:
        handoff_id = await hand_off(office, asked)
        assert kinds(await advance(office, handoff_id, timedelta(minutes=10))) != []
        await claim(office, handoff_id)
        owned_now = await advance(office, handoff_id, timedelta(hours=1))
        assert (owned_now.tasks, owned_now.notice_ids) == ((), ())
        assert (await handoff_row(office, handoff_id)).next_due_at is None
        assert len(await told(office)) == 1

    async def test_what_is_released_begins_to_wait_anew(self, office: Office, asked: Accepted) -> None:
        handoff_id = await hand_off(office, asked)
        first = await advance(office, handoff_id)
        await claim(office, handoff_id)
        async with office.session() as session:
            await owning.release(session, handoff_id, GRACE)
        since = attending.waiting_of(await handoff_row(office, handoff_id)).since
        opened = (await handoff_row(office, handoff_id)).created_at
        again = await advance(office, handoff_id, since - opened)
        assert kinds(again) == [("ring", BOTH)]
        assert {task.id for task in again.tasks}.isdisjoint(task.id for task in first.tasks)
        assert len(await told(office)) == 2

    async def test_a_channels_deadline_is_one_like_any_other(self, office: Office, asked: Accepted) -> None:
        """As WhatsApp's, which lets nobody be written to a day after they wrote."""
        handoff_id = await hand_off(office, asked)
        [wrote] = [message.created_at for message in await office.messages("inbound") if message.author == "contact"]

        channels = {"slack": replace(SLACK, reply_window=timedelta(hours=5))}

        async def at(hours: float) -> Advanced:
            async with office.session() as session:
                when = wrote + timedelta(hours=hours)
                return await attending.advance(session, office.vault, handoff_id, when, channels)

        await at(0.01)
        near = await at(4)
        assert ("remind", BOTH) in kinds(near)
        assert len((await at(4.9)).notice_ids) == 1
        until = wrote + timedelta(hours=5)
        assert (await told(office))[-1] == texts.told("deadline", until=until)
        # From then on nothing gets through, also not that nobody came.
        before = len(await told(office))
        for hours in (5.1, 7, 9):
            await at(hours)
        assert len(await told(office)) == before

    async def test_who_is_only_told_is_called_once_and_the_contact_hears_nothing(
        self, office: Office, asked: Accepted
    ) -> None:
        async with office.session() as session:
            handoff_id = await owning.tell(session, office.vault, asked.conversation_id, a_wish(rule="costly"))
        assert handoff_id is not None
        first = await advance(office, handoff_id)
        assert kinds(first) == [("ring", BOTH)]
        await cross_out(office, handoff_id, *first.tasks)
        later = await advance(office, handoff_id, timedelta(days=1))
        assert (later.tasks, await told(office)) == ((), [])
        assert (await handoff_row(office, handoff_id)).next_due_at is None

    async def test_a_group_without_people_calls_nobody_and_tells_the_contact(
        self, office: Office, asked: Accepted
    ) -> None:
        await seat(office, people={})
        handoff_id = await hand_off(office, asked)
        assert (await advance(office, handoff_id, timedelta(hours=1))).tasks == ()
        assert len(await told(office)) == 1

    async def test_whom_it_is_for_is_called_alone(self, office: Office, asked: Accepted) -> None:
        handoff_id = await hand_off(office, asked, a_wish(target="linus"))
        assert kinds(await advance(office, handoff_id)) == [("ring", ("linus",))]
        await seat(office, people={"grace": dict(PEOPLE["grace"])})
        # Who is no longer there is replaced by whoever is.
        assert ("email", ("grace",)) not in kinds(await advance(office, handoff_id, timedelta(minutes=10)))


async def swept(database: Database, office: Office) -> list[UUID]:
    found = await attending.unsettled(database, 10_000)
    return [each.handoff_id for each in found if each.tenant_id == office.tenant_id]


async def test_a_sweep_finds_what_nobody_attends_to(office: Office, asked: Accepted, database: Database) -> None:
    handoff_id = await hand_off(office, asked)
    assert await swept(database, office) == []
    long_ago = SUNDAY - timedelta(days=365)
    await change_row(office, handoff_id, created_at=long_ago, next_due_at=None)
    assert await swept(database, office) == [handoff_id]
    async with office.session() as session:
        await attending.note_swept(session, handoff_id)
    assert await swept(database, office) == []
    await change_row(office, handoff_id, swept_at=long_ago)
    assert await swept(database, office) == [handoff_id]
    await change_row(office, handoff_id, attended_at=long_ago)
    assert await swept(database, office) == []
    await change_row(office, handoff_id, next_due_at=long_ago)
    assert await swept(database, office) == [handoff_id]


async def test_a_sweep_finds_what_is_over_until_its_card_says_so(
    office: Office, asked: Accepted, database: Database
) -> None:
    handoff_id = await owned(office, asked)
    await hand_back(office, handoff_id)
    await change_row(office, handoff_id, next_due_at=SUNDAY - timedelta(days=365))
    assert await swept(database, office) == [handoff_id]
    await advance(office, handoff_id)
    assert await swept(database, office) == []


async def test_what_does_not_exist_is_not_attended_to(office: Office) -> None:
    with pytest.raises(NotFound):
        async with office.session() as session:
            await attending.advance(session, office.vault, new_id(), SUNDAY)
