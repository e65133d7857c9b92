"""The inbox's list: which conversations each view holds, in which order, and what of them is shown."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text as sql

from konstruct import contacts, naming
from konstruct.desk import people
from konstruct.errors import BadInput
from konstruct.handoffs import owning
from konstruct.tables import Conversation, Handoff
from konstruct.tables.base import utc_now
from konstruct.workbench import listing, marks, views
from konstruct.workbench.listing import Counts, Listed
from konstruct.workbench.rows import Row
from konstruct.workbench.views import PRIORITIES, Asked, View
from tests.support.handoffs import GRACE, LINUS, a_wish, claim, hand_back, hand_off, owned, seat, write
from tests.support.members import enrolled
from tests.support.office import Office, open_office
from tests.support.queues import queue
from tests.support.rehearsals import stage


async def listed(office: Office, view: View = "needs", *, user_id: UUID | None = None, **asked: Any) -> Listed:
    async with office.session() as session:
        wanted = Asked(view, **asked)
        return await listing.page(session, office.vault, office.tenant_id, wanted, user_id=user_id)


async def everything(office: Office, view: View, **asked: Any) -> list[Row]:
    """All pages one after the other."""
    rows: list[Row] = []
    after = None
    while True:
        page = await listed(office, view, after=after, **asked)
        rows += page.rows
        after = page.next
        if after is None:
            return rows


async def only(office: Office, view: View = "needs", **asked: Any) -> Row:
    [row] = (await listed(office, view, **asked)).rows
    return row


async def test_what_waits_comes_by_how_pressing_it_is_and_then_by_how_long_it_has_waited(office: Office) -> None:
    made = await queue(office, 120)

    rows = await everything(office, "needs")

    wanted = sorted(made, key=lambda each: (PRIORITIES.index(each.priority), each.since))
    assert [row.conversation_id for row in rows] == [each.conversation_id for each in wanted]
    assert {row.priority for row in rows[:20]} == {"urgent"}


async def test_what_was_given_back_waits_since_then(office: Office) -> None:
    first, second = [await office.say("A person, please", root=f"{place}.0") for place in (1, 2)]
    handoff_id = await owned(office, first)
    await hand_off(office, second)
    async with office.session() as session:
        await owning.release(session, handoff_id, GRACE)

    rows = (await listed(office)).rows

    assert [row.conversation_id for row in rows] == [second.conversation_id, first.conversation_id]


async def test_each_view_holds_what_it_is_called(office: Office) -> None:
    await seat(office)
    said = {name: await office.say(name, root=f"{name}.0") for name in ("waits", "graces", "linus", "over", "nobodys")}
    await hand_off(office, said["waits"])
    await owned(office, said["graces"])
    await owned(office, said["linus"], LINUS)
    await hand_back(office, await owned(office, said["over"]))
    async with office.session() as session:
        told = await office.say("told", root="told.0")
        await owning.tell(session, office.vault, told.conversation_id, a_wish(rule="spends-much"))

    async def held(view: View) -> set[str]:
        return {row.preview for row in (await listed(office, view, agent="grace")).rows}

    assert await held("needs") == {"waits"}
    assert await held("mine") == {"graces"}
    assert await held("owned") == {"graces", "linus"}
    assert await held("open") == {"waits", "graces", "linus"}
    assert await held("told") == {"told"}
    assert await held("closed") == {"over"}
    assert await held("all") == {"waits", "graces", "linus", "over", "nobodys", "told"}
    assert (await listed(office, "mine")).rows == []
    async with office.session() as session:
        assert await listing.counts(session, "grace") == Counts(needs=1, mine=1, owned=2)
        assert (await listing.counts(session, None)).open == 3


async def test_all_comes_by_what_was_said_last_page_by_page(office: Office) -> None:
    made = await queue(office, 130, is_waiting=False)

    rows = await everything(office, "all")

    assert [row.conversation_id for row in rows] == [each.conversation_id for each in reversed(made)]
    assert all(row.state is None and row.priority is None for row in rows)


@pytest.mark.parametrize("after", ["", "nonsense", "W10", "WzEsMl0", "bnVsbA", "WyJ4IiwieSJd"])
@pytest.mark.parametrize("view", ["needs", "all"])
async def test_a_place_that_there_is_not(office: Office, view: View, after: str) -> None:
    with pytest.raises(BadInput, match="no such page"):
        await listed(office, view, after=after)


async def test_a_place_of_another_view_is_none_of_this_one(office: Office) -> None:
    await queue(office, 60)
    place = (await listed(office, "needs")).next
    assert place

    with pytest.raises(BadInput):
        await listed(office, "all", after=place)


async def test_what_a_row_shows(office: Office) -> None:
    await seat(office, groups={"repairs": {"people": ["grace"]}})
    asked = await office.say("My brakes\n\n  squeak, and it is urgent")
    await hand_off(office, asked, a_wish("They sound upset.", rule="angry", target="repairs", priority="high"))

    row = await only(office)

    assert (row.contact, row.kind, row.employee) == ("U1", "slack", "Ada")
    assert (row.reason, row.rule, row.target, row.priority) == ("They sound upset.", "angry", "repairs", "high")
    assert (row.preview, row.said_by, row.state) == ("My brakes squeak, and it is urgent", "contact", "waiting")
    assert (row.agent_name, row.closes_at) == (None, None)
    await claim(office, row.row_id)
    row = await only(office, "mine", agent="grace")
    assert (row.agent_name, row.is_mine) == (GRACE.name, True)


async def test_the_last_that_was_said_is_shown_and_not_what_was_taken_back_or_told_to_the_employee(
    office: Office,
) -> None:
    await seat(office)
    asked = await office.say("Hello?")
    handoff_id = await owned(office, asked)
    await write(office, handoff_id, "I am here.")
    row = await only(office, "owned")
    assert (row.preview, row.said_by, row.signed) == ("I am here.", "agent", GRACE.name)

    await hand_back(office, handoff_id, note="Only for the employee")

    [row] = (await listed(office, "all")).rows
    assert row.preview == "I am here."


@pytest.mark.parametrize(
    ("filters", "is_shown"),
    [
        ({"priority": "high"}, True),
        ({"priority": "low"}, False),
        ({"to": "repairs"}, True),
        ({"to": "sales"}, False),
        ({"kind": "slack"}, True),
        ({"kind": "whatsapp"}, False),
        ({"employee_id": UUID(int=7)}, False),
        ({"connection_id": UUID(int=7)}, False),
    ],
)
async def test_filters(office: Office, filters: dict[str, Any], is_shown: bool) -> None:
    await seat(office, groups={"repairs": {"people": ["grace"]}})
    await hand_off(office, await office.say(), a_wish(target="repairs", priority="high"))

    assert bool((await listed(office, **filters)).rows) == is_shown
    assert (await listed(office, employee_id=office.employee_id, connection_id=office.connection_id)).rows


async def test_what_was_said_since_one_looked_is_new_to_them_alone(office: Office) -> None:
    await seat(office)
    member = await enrolled(office.database, office.vault, "agent", office.tenant_id)
    colleague = await enrolled(office.database, office.vault, "agent", office.tenant_id)
    asked = await office.say("First")
    handoff_id = await owned(office, asked)

    async def is_new(user_id: UUID, agent: str | None = None) -> bool:
        return (await only(office, "owned", user_id=user_id, agent=agent)).is_unread

    assert await is_new(member.user_id)
    async with office.session() as session:
        await marks.looked(session, member.user_id, asked.conversation_id)
    assert not await is_new(member.user_id)
    assert await is_new(colleague.user_id)
    await office.say("Second")
    assert await is_new(member.user_id)
    async with office.session() as session:
        await marks.looked(session, member.user_id, asked.conversation_id)
    await write(office, handoff_id, "An answer of mine")
    assert not await is_new(member.user_id, "grace")
    assert await is_new(member.user_id, "linus")


async def test_whoever_is_no_member_leaves_no_mark(office: Office) -> None:
    asked = await office.say()
    async with office.session() as session:
        await marks.looked(session, UUID(int=5), asked.conversation_id)
        assert await marks.seen(session, UUID(int=5), [asked.conversation_id]) == {}


async def test_rehearsals_are_in_no_view(office: Office) -> None:
    await (await stage(office)).say("A rehearsal")
    assert (await listed(office, "all")).rows == []


async def test_of_an_erased_contact_nothing_is_left_to_be_read(office: Office) -> None:
    asked = await office.say("My secret")
    async with office.session() as session:
        conversation = await session.get_one(Conversation, (office.tenant_id, asked.conversation_id))
        await contacts.erase(session, office.tenant_id, conversation.contact_id, actor="test")

    [row] = (await listed(office, "all")).rows

    assert (row.contact, row.preview) == (naming.ERASED, "")
    assert (await listed(office, "all", text="secret")).rows == []


async def test_a_reply_window_that_is_about_to_close(database: Any, vault: Any) -> None:
    office = await open_office(database, vault, kind="whatsapp", account="1072", external={"phone_number_id": "1072"})
    asked = await office.say("Hello", contact="491701234567")
    await hand_off(office, asked)
    assert (await only(office)).closes_at is None

    for hours, is_closed in ((22, False), (25, True)):
        async with office.session() as session:
            conversation = await session.get_one(Conversation, (office.tenant_id, asked.conversation_id))
            conversation.contact_said_at = utc_now() - timedelta(hours=hours)
        row = await only(office)
        assert row.closes_at is not None
        assert row.is_closed == is_closed


@pytest.mark.parametrize(
    ("text", "is_found"),
    [
        ("squeak", True),
        ("BRAKES squeak", True),
        ("u77", True),
        ("Ada", True),
        ("angry", True),
        ("upset", True),
        ("saddle", False),
        ("brakes saddle", False),
    ],
)
async def test_searching(office: Office, text: str, is_found: bool) -> None:
    asked = await office.say("My brakes squeak", contact="U77")
    await office.say("Something else", root="2.0", contact="U2")
    await hand_off(office, asked, a_wish("They are upset.", rule="angry"))

    views: tuple[View, ...] = ("needs", "all")
    for view in views:
        found = await listed(office, view, text=text)
        ids = {row.conversation_id for row in found.rows}
        assert (asked.conversation_id in ids) == is_found
        assert found.looked is not None
        assert found.looked.is_whole


async def test_a_conversation_is_found_by_its_id_and_a_contact_by_a_word_of_the_name(office: Office) -> None:
    asked = await office.say("Hello")
    await office.say("Hello", root="2.0", contact="U2")
    async with office.session() as session:
        conversation = await session.get_one(Conversation, (office.tenant_id, asked.conversation_id))
        cipher = await office.vault.cipher(session, office.tenant_id, conversation.contact_id)
        await naming.learn(session, office.vault, office.tenant_id, cipher, "Lea Moreau")

    for text in (str(asked.conversation_id), "more", "Lea", str(conversation.contact_id)):
        [row] = (await listed(office, "all", text=text)).rows
        assert (row.conversation_id, row.contact) == (asked.conversation_id, "Lea Moreau")


async def test_a_search_says_how_far_it_looked_and_goes_on_from_there(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await queue(office, 120, is_waiting=False)
    monkeypatch.setattr(listing, "LONGEST_SEARCH", timedelta())
    wanted = made[3]

    page = await listed(office, "all", text=wanted.text)
    assert (page.rows, page.looked) == ([], listing.Looked(50, made[-50].since, False))
    page = await listed(office, "all", text=wanted.text, after=page.next)
    assert (page.rows, page.looked) == ([], listing.Looked(50, made[-100].since, False))
    page = await listed(office, "all", text=wanted.text, after=page.next)

    assert [row.conversation_id for row in page.rows] == [wanted.conversation_id]
    assert page.looked == listing.Looked(20, made[0].since, True)
    assert page.next is None


async def test_a_search_with_many_hits_goes_on_after_the_last_that_was_shown(office: Office) -> None:
    made = await queue(office, 130, is_waiting=False)

    rows = await everything(office, "all", text="question")

    assert [row.conversation_id for row in rows] == [each.conversation_id for each in reversed(made)]


async def test_the_key_by_which_the_desk_knows_a_member_is_whose_inbox_it_is(office: Office) -> None:
    member = await enrolled(office.database, office.vault, "agent", office.tenant_id, name="Mina")
    handoff_id = await hand_off(office, await office.say())
    async with office.session() as session:
        key = await people.agent_key(session, member.user_id, member.email)
        await owning.claim(session, office.vault, handoff_id, await owning.agent(session, key))

    row = await only(office, "mine", agent=key)

    assert row.agent_name == "Mina"
    async with office.session() as session:
        assert (await session.get_one(Handoff, (office.tenant_id, handoff_id))).agent == key


@pytest.mark.parametrize(("view", "index"), [("all", "conversations_by_time"), ("closed", "handoffs_by_end")])
async def test_a_page_is_read_along_its_index_and_never_sorted(office: Office, view: View, index: str) -> None:
    await hand_back(office, await owned(office, await office.say()))
    [row] = (await listed(office, view)).rows
    place = views.place([row.last_at if view == "all" else row.since, row.row_id])
    query = views.query(Asked(view)).where(views.order(view).after(place)).limit(50)
    async with office.session() as session:
        # Of so few rows all would be read and sorted otherwise. What can only be had by sorting is sorted all the same.
        for name in ("seqscan", "bitmapscan", "sort"):
            await session.execute(sql(f"set local enable_{name} = off"))
        connection = await session.connection()
        asked = query.compile(dialect=connection.dialect)
        driver = (await connection.get_raw_connection()).driver_connection
        assert driver is not None
        given = [asked.params[name] for name in asked.positiontup or ()]
        plan = "\n".join(line[0] for line in await driver.fetch(f"explain {asked}", *given))

    assert f"using {index} on" in plan
    assert "Sort" not in plan
