"""What is older than a tenant wants to keep goes, what is open stays, and the trail of it all is whole."""

from datetime import timedelta

import pytest
from sqlalchemy import update
from sqlmodel import col, select
from temporalio.testing import ActivityEnvironment

from activities.retaining import Retaining
from konstruct import retention
from konstruct.contracts.upkeep import LetGo
from konstruct.db import Database
from konstruct.errors import BadInput
from konstruct.files import keeping
from konstruct.files.keeping import Content
from konstruct.inbox import Accepted
from konstruct.messages import SentFile
from konstruct.retention import Amount, Periods
from konstruct.tables import (
    ConversationSummary,
    File,
    FileRemoval,
    Memory,
    Message,
    Usage,
)
from konstruct.tables.base import utc_now
from konstruct.vault import Vault
from tests.support.handoffs import owned, seat
from tests.support.office import Furnished, Office, furnish, open_office
from tests.support.trail import Trail

MONTH = Periods(messages=30)


@pytest.fixture
async def furnished(office: Office) -> Furnished:
    """Of its three conversations one is answered, one waits, and the answer of one was not sent yet."""
    return await furnish(office)


async def age(office: Office, *, days: int) -> None:
    """As if all that there is had happened so many days earlier."""
    back = timedelta(days=days)
    async with office.session() as session:
        await session.execute(update(Message).values(created_at=col(Message.created_at) - back))
        await session.execute(update(Memory).values(happened_at=col(Memory.happened_at) - back))
        await session.execute(update(File).values(created_at=col(File.created_at) - back))


async def carry_out(office: Office, periods: Periods) -> LetGo:
    async with office.session() as session:
        await retention.change(session, office.tenant_id, periods, actor="user:ada")
    try:
        return await ActivityEnvironment().run(Retaining(office.database).let_go)
    finally:
        async with office.session() as session:
            await retention.change(session, office.tenant_id, Periods(), actor="user:ada")


async def preview(office: Office, periods: Periods) -> Amount:
    async with office.session() as session:
        return await retention.preview(session, periods)


async def run_of(office: Office) -> retention.Run:
    async with office.session() as session:
        run = await retention.last_run(session)
    assert run is not None
    assert run.ended_at is not None
    return run


async def words(office: Office) -> list[str]:
    return [message.body or "" for message in await office.messages()]


async def test_old_words_go_with_all_that_is_made_of_them_and_that_they_were_said_stays(furnished: Furnished) -> None:
    await age(furnished, days=31)
    before = await furnished.conversations()
    assert await preview(furnished, MONTH) == Amount(conversations=1, messages=2, memories=4)

    await carry_out(furnished, MONTH)

    run = await run_of(furnished)
    assert (run.messages, run.files, run.memories) == (2, 0, 4)
    assert await words(furnished) == ["Canary question", "Canary answer", "Canary that waits", "", ""]
    gone = [row for row in await furnished.rows(Message) if row.conversation_id == furnished.remembered.conversation_id]
    assert sorted((row.state, row.sealed, row.external_id) for row in gone) == [
        ("deleted", None, None),
        ("sent", None, None),
    ]
    assert await furnished.rows(Memory) == []
    async with furnished.session() as session:
        assert (await session.scalars(select(ConversationSummary))).all() == []
    assert len(await furnished.rows(Usage)) == 1
    raised = [after.revision - row.revision for row, after in zip(before, await furnished.conversations(), strict=True)]
    assert raised == [0, 0, 1]
    assert await preview(furnished, MONTH) == Amount()


async def test_newer_words_of_the_same_conversation_stay(office: Office) -> None:
    asked = await office.exchange("Old canary", "Old answer")
    await age(office, days=31)
    await office.exchange("New", "Answer")
    await carry_out(office, MONTH)
    assert await words(office) == ["", "", "New", "Answer"]
    [event] = await office.events("messages.let_go")
    assert (event.conversation_id, event.actor) == (asked.conversation_id, "retention")
    assert event.detail == {"messages": 2, "through": 2}


async def test_what_people_have_or_wait_for_is_not_touched(office: Office) -> None:
    await seat(office)
    asked = await office.exchange("I want a person")
    await owned(office, asked)
    await age(office, days=400)
    assert await preview(office, MONTH) == Amount()
    await carry_out(office, MONTH)
    assert "I want a person" in await words(office)


async def with_file(office: Office) -> Accepted:
    asked = await office.say("See this", files=(SentFile("canary.txt", reference="f1"),), root="5.0")
    async with office.session() as session:
        [task] = await keeping.waiting(session, office.vault, asked.conversation_id)
        await keeping.keep(session, task, "digest", Content("text/plain", 6, "Canary"))
    for message_id in await office.answer(asked):
        await office.begin_send(asked, message_id)
        await office.settle_sent(asked, message_id)
    return asked


async def test_files_can_go_before_the_words_that_came_with_them(office: Office) -> None:
    await with_file(office)
    await age(office, days=10)
    assert await preview(office, Periods(messages=30, files=7)) == Amount(files=1)
    await carry_out(office, Periods(messages=30, files=7))
    assert await office.rows(File) == []
    [removal] = await office.rows(FileRemoval)
    assert removal.due_at <= utc_now()
    assert (await words(office))[0].startswith("See this")
    assert (await run_of(office)).files == 1


async def test_files_never_outlive_their_messages(office: Office) -> None:
    await with_file(office)
    await age(office, days=31)
    await carry_out(office, Periods(messages=30, files=300))
    assert await office.rows(File) == []
    assert len(await office.rows(FileRemoval)) == 1
    assert await words(office) == ["", ""]


async def test_memories_can_go_before_the_words_that_they_are_of(furnished: Furnished) -> None:
    await age(furnished, days=10)
    await carry_out(furnished, Periods(memories=7))
    assert await furnished.rows(Memory) == []
    assert "Canary of old" in await words(furnished)


async def test_the_trail_is_whole_and_says_what_was_let_go_of(office: Office, trail: Trail) -> None:
    await office.exchange("Old canary", "Old answer")
    await trail.seal()
    await age(office, days=31)
    await carry_out(office, MONTH)
    await trail.seal()
    verified = await trail.verify()
    assert (verified.broken, verified.unproven) == (None, 0)
    changed, _ = await office.events("retention.changed")
    assert (changed.actor, changed.detail) == ("user:ada", {"before": {}, "after": {"messages": 30}})
    [carried] = await office.events("retention.carried_out")
    assert (carried.actor, carried.detail) == ("retention", {"messages": 2, "files": 0, "memories": 0})


async def test_much_goes_in_many_small_transactions_and_other_tenants_keep_theirs(
    office: Office, database: Database, vault: Vault
) -> None:
    other = await open_office(database, vault)
    await other.exchange("Theirs")
    await age(other, days=3_000)
    asked = await office.exchange("Mine")
    await office.write(asked, *[(["q"], ["a"])] * (retention.ROWS_AT_ONCE // 2))
    await age(office, days=31)
    outcome = await carry_out(office, MONTH)
    assert outcome.failed == 0
    assert (await run_of(office)).messages == retention.ROWS_AT_ONCE + 2
    assert len(await office.events("messages.let_go")) == 2
    assert set(await words(office)) == {""}
    assert "Theirs" in await words(other)
    async with other.session() as session:
        assert await retention.last_run(session) is None


@pytest.mark.parametrize(
    ("former", "new", "shortens"),
    [
        (Periods(), MONTH, True),
        (MONTH, Periods(), False),
        (MONTH, Periods(messages=31), False),
        (MONTH, Periods(messages=30, files=29), True),
        (MONTH, Periods(messages=30, files=40), False),
        (Periods(files=7), Periods(files=7, memories=400), True),
    ],
)
def test_it_is_known_whether_something_goes_that_would_have_stayed(
    former: Periods, new: Periods, shortens: bool
) -> None:
    assert new.shortens(former) is shortens


@pytest.mark.parametrize("days", [0, -1, 4_000])
async def test_a_time_that_is_none_is_refused(office: Office, days: int) -> None:
    async with office.session() as session:
        with pytest.raises(BadInput, match="between 1 and 3,650 days"):
            await retention.change(session, office.tenant_id, Periods(files=days), actor="user:ada")
