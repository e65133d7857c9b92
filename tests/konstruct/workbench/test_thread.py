"""A conversation as agents read it: all that is to be seen, in its order, and nothing that is for the employee."""

import pytest

from konstruct import contacts, employees
from konstruct.desk import people
from konstruct.errors import NotFound
from konstruct.handoffs.owning import Wish
from konstruct.identity import new_id
from konstruct.inbox import Accepted
from konstruct.messages import SentFile
from konstruct.tables import Conversation, Message
from konstruct.workbench import about, thread
from konstruct.workbench.about import About, Place
from konstruct.workbench.thread import Called, Noted, Passed, Said, Thread
from tests.support.handoffs import (
    GRACE,
    LINUS,
    a_wish,
    claim,
    conversation,
    hand_back,
    hand_off,
    note,
    owned,
    seat,
    write,
)
from tests.support.office import Office
from tests.support.workshop import job, publish


@pytest.fixture
async def asked(office: Office) -> Accepted:
    await seat(office)
    return await office.say("I want a person")


async def read(office: Office, asked: Accepted, since_seq: int | None = None) -> Thread:
    async with office.session() as session:
        row = await session.get_one(Conversation, (office.tenant_id, asked.conversation_id))
        desk, name = await people.settings(session), (await employees.serving(session, row.id)).name
        return await thread.read(session, office.vault, row, desk, name, since_seq=since_seq)


async def beside(office: Office, asked: Accepted) -> tuple[Place, About]:
    async with office.session() as session:
        place = await about.place(session, office.vault, asked.conversation_id)
        return place, await about.read(session, office.vault, place, await people.settings(session))


def said(found: Thread) -> list[str]:
    return [line.text for line in found.lines if isinstance(line, Said)]


class TestLines:
    async def test_who_said_noted_and_had_it_stands_in_the_order_of_time(self, office: Office, asked: Accepted) -> None:
        handoff_id = await owned(office, asked)
        await note(office, handoff_id, "A regular.", LINUS)
        await write(office, handoff_id, "Grace here.\n// hm")
        await hand_back(office, handoff_id, note="Settled.")
        await office.exchange("Thanks", "My pleasure")
        found = await read(office, asked)
        assert [
            (line.kind, line.author, line.name, line.text)
            if isinstance(line, Said)
            else (line.kind, line.name, line.text)
            if isinstance(line, Noted)
            else line.action
            for line in found.lines
            if isinstance(line, Said | Noted | Passed)
        ] == [
            ("message", "contact", "U1", "I want a person"),
            "handoff.opened",
            "handoff.claimed",
            ("note", LINUS.name, "A regular."),
            ("message", "agent", GRACE.name, "Grace here."),
            ("note", GRACE.name, "// hm"),
            "handoff.handed_back",
            ("message", "contact", "U1", "Thanks"),
            ("message", "employee", "Ada", "My pleasure"),
        ]

    async def test_notes_of_an_earlier_time_with_people_stay(self, office: Office, asked: Accepted) -> None:
        former = await owned(office, asked)
        await note(office, former, "Of the first time.")
        await hand_back(office, former)
        await owned(office, asked)
        assert [line.text for line in (await read(office, asked)).lines if isinstance(line, Noted)] == [
            "Of the first time."
        ]

    async def test_calls_stand_where_they_were_made(self, office: Office, asked: Accepted) -> None:
        await publish(office, "current_time")
        turn = await job(office, root="3.0")
        await turn.step("current_time")
        found = await read(office, turn.asked)
        [call] = [line for line in found.lines if isinstance(line, Called)]
        assert (call.tool, call.state, call.arguments) == ("current_time", "ready", "{}")

    async def test_who_took_it_from_whom(self, office: Office, asked: Accepted) -> None:
        handoff_id = await owned(office, asked)
        await seat(office, people={"linus": {"name": LINUS.name}})
        await claim(office, handoff_id, LINUS)
        last = (await read(office, asked)).lines[-1]
        assert isinstance(last, Passed)
        assert (last.by, last.agent, last.taken_from) == (LINUS.name, LINUS.name, "grace")

    async def test_of_what_was_given_up_that_is_shown_which_may_have_arrived(
        self, office: Office, asked: Accepted
    ) -> None:
        replies = [reply for text in ("Never sent", "Perhaps sent") for reply in await office.answer(asked, text)]
        async with office.session() as session:
            for reply in replies:
                message = await session.get_one(Message, (office.tenant_id, reply))
                message.state, message.maybe_duplicate = "discarded", reply == replies[1]
        [line] = [line for line in (await read(office, asked)).lines if isinstance(line, Said) and line.id in replies]
        assert (line.text, line.state) == ("Perhaps sent", "discarded")

    async def test_files_stand_with_their_message(self, office: Office, asked: Accepted) -> None:
        await office.say("See this", files=(SentFile("bike.jpg", "image/jpeg", 10, "F1"),))
        [with_file] = [line for line in (await read(office, asked)).lines if isinstance(line, Said) and line.files]
        [file] = with_file.files
        assert file.kept is not None
        assert (file.sent.name, file.kept.state) == ("bike.jpg", "waiting")

    async def test_of_who_was_erased_nothing_is_left_but_that_something_was(
        self, office: Office, asked: Accepted
    ) -> None:
        handoff_id = await owned(office, asked)
        await note(office, handoff_id, "A regular.")
        async with office.session() as session:
            contact_id = (await session.get_one(Conversation, (office.tenant_id, asked.conversation_id))).contact_id
            await contacts.erase(session, office.tenant_id, contact_id, actor="test")
        found = await read(office, asked)
        assert said(found) == [""]
        assert all(line.is_lost for line in found.lines if isinstance(line, Said))
        assert not [line for line in found.lines if isinstance(line, Noted)]
        place, more = await beside(office, asked)
        assert (place.is_erased, more.reason, more.facts) == (True, "", [])


class TestPages:
    async def test_the_latest_come_first_and_earlier_ones_on_request(self, office: Office, asked: Accepted) -> None:
        await office.write(asked, *((([f"Q{number}"], [f"A{number}"])) for number in range(60)))
        first = await read(office, asked)
        assert (len(said(first)), said(first)[-1]) == (thread.AT_ONCE, "A59")
        assert first.earlier_seq is not None
        second = await read(office, asked, first.earlier_seq)
        assert said(second)[-thread.AT_ONCE :] == said(first)
        assert len(said(second)) == 2 * thread.AT_ONCE
        assert second.earlier_seq is not None
        whole = await read(office, asked, second.earlier_seq)
        assert (len(said(whole)), said(whole)[0], whole.earlier_seq) == (121, "I want a person", None)

    async def test_a_page_does_not_grow_beyond_what_can_be_read_at_once(self, office: Office, asked: Accepted) -> None:
        await office.write(asked, *((([f"Q{number}"], [f"A{number}"])) for number in range(600)))
        found = await read(office, asked, 0)
        assert len(said(found)) == thread.MOST
        assert found.earlier_seq is not None


class TestBeside:
    async def test_why_and_until_when_it_waits(self, office: Office, asked: Accepted) -> None:
        await hand_off(office, asked, Wish("rule", "rule:upset", "They are upset.", rule="upset", priority="high"))
        place, more = await beside(office, asked)
        assert (place.is_open, place.employee, place.contact, place.outlook) == (True, "Ada", "U1", "open")
        assert (more.reason, more.is_packed) == ("They are upset.", False)
        assert more.timers is not None
        assert more.timers.gives_up_at is not None
        assert (more.timers.gives_up_at - more.timers.since).total_seconds() == 8 * 3600

    async def test_what_they_wrote_elsewhere_is_there_and_not_of_others(self, office: Office, asked: Accepted) -> None:
        other = await office.say("Also this", root="2.0")
        await office.say("Not theirs", root="3.0", contact="U2")
        _, more = await beside(office, asked)
        assert [each.id for each in more.others] == [other.conversation_id]

    async def test_a_handoff_that_is_over_is_told_of_until_there_is_another(
        self, office: Office, asked: Accepted
    ) -> None:
        former = await owned(office, asked)
        await hand_back(office, former)
        place, more = await beside(office, asked)
        assert place.handoff is not None
        assert (place.handoff.id, place.is_open, more.timers) == (former, False, None)
        later = await hand_off(office, asked, a_wish("Once more."))
        place, more = await beside(office, asked)
        assert place.handoff is not None
        assert (place.handoff.id, place.is_open, more.reason) == (later, True, "Once more.")
        assert (await conversation(office, asked)).handoff_id == later

    async def test_what_is_not_there_is_not_found(self, office: Office) -> None:
        async with office.session() as session:
            with pytest.raises(NotFound):
                await about.place(session, office.vault, new_id())
