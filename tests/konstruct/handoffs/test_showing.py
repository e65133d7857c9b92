"""What people are to be shown of a handoff in its card's thread: each line once, in order, and looked for in doubt."""

from collections.abc import Sequence
from uuid import UUID

from konstruct import contacts, outbox
from konstruct.desk import people, texts
from konstruct.errors import ChannelRefused
from konstruct.handoffs import attending, entries, owning
from konstruct.handoffs.attending import Post
from konstruct.inbox import Accepted
from konstruct.tables import Message
from tests.konstruct.handoffs.attended import advance
from tests.support.handoffs import (
    GRACE,
    LINUS,
    an_origin,
    hand_back,
    hand_off,
    handoff_row,
    note,
    owned,
    write,
)
from tests.support.office import REFUSING_SILENTLY, Office


async def posts(office: Office, handoff_id: UUID) -> list[Post]:
    async with office.session() as session:
        desk = await people.settings(session)
        return await attending.next_posts(session, office.vault, await owning.get(session, handoff_id), desk)


async def post(office: Office, handoff_id: UUID, these: Sequence[Post], *, ends: bool = True) -> None:
    for each in these:
        async with office.session() as session:
            await attending.begin_post(session, handoff_id, each)
        if ends:
            async with office.session() as session:
                await attending.end_post(session, handoff_id, each)


def shown(these: Sequence[Post]) -> list[tuple[str, str, str]]:
    return [(each.entry.kind, each.entry.author, each.entry.text) for each in these]


class TestWhatIsShown:
    async def test_the_latest_lines_before_and_all_since_in_order(self, office: Office, asked: Accepted) -> None:
        await office.answer(asked, "Never sent")
        for number in range(6):
            await office.exchange(f"Question {number}", f"Answer {number}")
        last = await office.say("And a person?")
        handoff_id = await owned(office, last)
        await office.say("Hello?")
        await write(office, handoff_id, "Here I am.")
        lines = shown(await posts(office, handoff_id))
        assert lines[-3:] == [
            ("contact", "Contact", "And a person?"),
            ("contact", "Contact", "Hello?"),
            ("agent", GRACE.name, "Here I am."),
        ]
        assert ("employee", "Employee", "Answer 5") in lines
        assert ("contact", "Contact", "Question 1") not in lines
        assert all("From here on" not in text and text != "Never sent" for _, _, text in lines)

    async def test_each_line_is_shown_once(self, office: Office, asked: Accepted) -> None:
        handoff_id = await hand_off(office, asked)
        await post(office, handoff_id, await posts(office, handoff_id))
        assert await posts(office, handoff_id) == []
        await office.say("More")
        assert shown(await posts(office, handoff_id)) == [("contact", "Contact", "More")]

    async def test_what_was_being_put_there_is_looked_for_first(self, office: Office, asked: Accepted) -> None:
        await office.say("Second")
        handoff_id = await hand_off(office, asked)
        first, _ = await posts(office, handoff_id)
        await post(office, handoff_id, [first], ends=False)
        again = await posts(office, handoff_id)
        assert [each.is_uncertain for each in again] == [True, False]
        assert again[0].entry == first.entry

    async def test_what_was_written_in_the_thread_is_not_put_there_again(self, office: Office, asked: Accepted) -> None:
        handoff_id = await owned(office, asked)
        await post(office, handoff_id, await posts(office, handoff_id))
        origin = entries.Origin("slack", "C9:1.0")
        await write(office, handoff_id, "Hello\n// note", origin=origin)
        assert await posts(office, handoff_id) == []
        await write(office, handoff_id, "Hello\n// note")
        assert shown(await posts(office, handoff_id)) == [
            ("agent", GRACE.name, "Hello"),
            ("note", GRACE.name, "// note"),
        ]

    async def test_what_the_contact_is_told_is_shown_and_what_the_employee_is_told_is_not(
        self, office: Office, asked: Accepted
    ) -> None:
        handoff_id = await hand_off(office, asked)
        await advance(office, handoff_id)
        assert shown(await posts(office, handoff_id)) == [
            ("contact", "Contact", "I want a person"),
            ("system", "Konstruct", texts.told("asked")),
        ]

    async def test_what_was_refused_or_taken_back_is_not_shown(self, office: Office, asked: Accepted) -> None:
        await office.say("Over the limit", limiter=REFUSING_SILENTLY)
        handoff_id = await hand_off(office, asked)
        async with office.session() as session:
            message = await session.get_one(Message, (office.tenant_id, asked.message_id))
            message.state, message.sealed = "deleted", None
        assert await posts(office, handoff_id) == []

    async def test_notes_drafts_and_what_failed_are_shown_once(self, office: Office, asked: Accepted) -> None:
        handoff_id = await owned(office, asked)
        await post(office, handoff_id, await posts(office, handoff_id))
        await note(office, handoff_id, "Careful", LINUS)
        async with office.session() as session:
            wanted = [await entries.ask(session, handoff_id, GRACE, "draft", an_origin()) for _ in range(3)]
        async with office.session() as session:
            await entries.fill(session, office.vault, wanted[0], "Dear you")
            await entries.fill(session, office.vault, wanted[1], None)
            assert await attending.wanted(session, handoff_id) == [wanted[2]]
        these = await posts(office, handoff_id)
        assert shown(these) == [
            ("note", LINUS.name, "Careful"),
            ("draft", GRACE.name, "Dear you"),
            ("system", "Konstruct", "No model could write this just now."),
        ]
        await post(office, handoff_id, these[:1], ends=False)
        assert [each.is_uncertain for each in await posts(office, handoff_id)] == [True, False, False]
        await post(office, handoff_id, await posts(office, handoff_id))
        assert await posts(office, handoff_id) == []

    async def test_what_did_not_reach_the_contact_is_told_once(self, office: Office, asked: Accepted) -> None:
        handoff_id = await owned(office, asked)
        [message_id] = (await write(office, handoff_id, "Hello")).message_ids
        await post(office, handoff_id, await posts(office, handoff_id))
        await office.begin_send(asked, message_id)
        async with office.session() as session:
            refused = ChannelRefused("It is archived.", "is_archived")
            await outbox.settle_refused(session, asked.conversation_id, message_id, refused)
        [refusal] = await posts(office, handoff_id)
        assert (refusal.entry.kind, refusal.is_refusal, refusal.is_uncertain) == ("system", True, False)
        assert "has not reached the contact" in refusal.entry.text
        await post(office, handoff_id, [refusal], ends=False)
        [again] = await posts(office, handoff_id)
        assert (again.is_uncertain, again.entry.entry_id) == (True, refusal.entry.entry_id)
        await post(office, handoff_id, [again])
        assert await posts(office, handoff_id) == []

    async def test_what_is_said_after_the_end_is_not_shown(self, office: Office, asked: Accepted) -> None:
        handoff_id = await owned(office, asked)
        await office.say("Before the end")
        await hand_back(office, handoff_id)
        await office.say("After it")
        assert [text for _, _, text in shown(await posts(office, handoff_id))] == ["I want a person", "Before the end"]

    async def test_of_who_was_erased_nothing_is_shown(self, office: Office, asked: Accepted) -> None:
        handoff_id = await owned(office, asked)
        await note(office, handoff_id, "Canary")
        contact_id = (await handoff_row(office, handoff_id)).contact_id
        async with office.session() as session:
            await contacts.erase(session, office.tenant_id, contact_id, actor="test")
        assert await posts(office, handoff_id) == []

    async def test_more_than_is_shown_at_once_comes_in_order(self, office: Office, asked: Accepted) -> None:
        handoff_id = await hand_off(office, asked)
        for number in range(attending.LINES_AT_ONCE + 5):
            await office.say(str(number))
        seen: list[str] = []
        while these := await posts(office, handoff_id):
            assert len(these) <= attending.LINES_AT_ONCE
            await post(office, handoff_id, these)
            seen += [text for _, _, text in shown(these)]
        assert seen == ["I want a person", *map(str, range(attending.LINES_AT_ONCE + 5))]
