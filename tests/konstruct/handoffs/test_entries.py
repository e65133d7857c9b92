"""What agents write: taken once, to the contact only from who has the conversation, and sealed."""

import asyncio

import pytest

from konstruct import contacts
from konstruct.errors import BadInput, Conflict, NotFound
from konstruct.handoffs import entries
from konstruct.handoffs.entries import Origin, Written
from konstruct.identity import new_id
from konstruct.inbox import Accepted
from konstruct.messages import MAX_BODY
from konstruct.tables import HandoffEntry, Message
from konstruct.vault import Vault
from tests.support.handoffs import (
    GRACE,
    LINUS,
    an_origin,
    claim,
    entry_row,
    hand_back,
    hand_off,
    handoff_row,
    note,
    owned,
    write,
)
from tests.support.office import Office


async def words(office: Office) -> list[Message]:
    """What agents said to the contact, in order."""
    return [message for message in await office.messages("outbound") if message.author == "agent"]


async def kept(office: Office) -> list[tuple[str, str]]:
    """Kind and text of all entries that are no message."""
    rows = [row for row in await office.rows(HandoffEntry) if row.kind != "reply"]
    async with office.session() as session:
        return [(row.kind, await entries.text(session, office.vault, row.id)) for row in rows]


async def ask(office: Office, handoff_id: object, origin: Origin | None = None, kind: str = "draft") -> HandoffEntry:
    async with office.session() as session:
        entry_id = await entries.ask(session, handoff_id, GRACE, kind, origin or an_origin())  # type: ignore[arg-type]
    return await entry_row(office, entry_id)


async def fill(office: Office, entry: HandoffEntry, text: str | None) -> HandoffEntry:
    async with office.session() as session:
        await entries.fill(session, office.vault, entry.id, text)
    return await entry_row(office, entry.id)


class TestReplies:
    async def test_what_is_no_note_waits_to_be_sent_in_the_agents_name(self, office: Office, asked: Accepted) -> None:
        handoff_id = await owned(office, asked)
        written = await write(office, handoff_id, "Hello, I am Grace.")

        [said] = await words(office)
        assert (written.message_ids, written.is_new) == ([said.id], True)
        assert (said.body, said.state, said.signed, said.purpose) == (
            "Hello, I am Grace.",
            "pending",
            GRACE.name,
            "reply",
        )
        assert said.turn_id is None
        handoff = await handoff_row(office, handoff_id)
        assert (said.contact_id, said.conversation_id) == (handoff.contact_id, asked.conversation_id)
        assert handoff.replied_at is not None
        [entry] = await office.rows(HandoffEntry)
        assert (entry.kind, entry.agent, entry.message_id, entry.sealed) == ("reply", GRACE.key, said.id, None)
        [event] = await office.events("handoff.replied")
        assert (event.actor, event.subject_id) == (GRACE.key, handoff.contact_id)
        assert event.detail == {"handoff_id": str(handoff_id), "messages": [str(said.id)]}

    async def test_what_was_said_is_sealed(self, office: Office, asked: Accepted) -> None:
        written = await write(office, await owned(office, asked), "Canary\n// Canary note")
        async with office.session() as session:
            for message_id in written.message_ids:
                message = await session.get_one(Message, (office.tenant_id, message_id))
                assert message.body is None
                assert b"Canary" not in (message.sealed or b"")
        for entry_id in written.entry_ids:
            assert b"Canary" not in ((await entry_row(office, entry_id)).sealed or b"")

    async def test_lines_with_the_mark_stay_among_people(self, office: Office, asked: Accepted) -> None:
        handoff_id = await owned(office, asked)
        written = await write(office, handoff_id, "I look into it.\n// He is angry.\nOne moment.\n> // Careful.")
        [said] = await words(office)
        assert said.body == "I look into it.\nOne moment."
        assert await kept(office) == [("note", "// He is angry.\n> // Careful.")]
        assert len(written.entry_ids) == 2
        assert len(await office.events("handoff.noted")) == 1

    async def test_when_the_agent_wrote_first_is_kept(self, office: Office, asked: Accepted) -> None:
        handoff_id = await owned(office, asked)
        await write(office, handoff_id, "// only a note")
        assert (await handoff_row(office, handoff_id)).replied_at is None
        await write(office, handoff_id, "First")
        first = (await handoff_row(office, handoff_id)).replied_at
        await write(office, handoff_id, "Second")
        assert (await handoff_row(office, handoff_id)).replied_at == first is not None

    async def test_a_long_one_goes_out_in_parts_in_their_order(self, office: Office, asked: Accepted) -> None:
        written = await write(office, await owned(office, asked), "One Two Three", parts=["One", "Two", "Three"])
        said = await words(office)
        assert [message.body for message in said] == ["One", "Two", "Three"]
        assert written.message_ids == [message.id for message in said]
        assert [message.seq for message in said] == sorted(message.seq for message in said)

    async def test_what_the_channel_cannot_show_is_refused(self, office: Office, asked: Accepted) -> None:
        handoff_id = await owned(office, asked)

        def nothing(_: str) -> list[str]:
            raise ValueError

        async with office.session() as session:
            with pytest.raises(BadInput, match="nothing in it that anybody could see"):
                await entries.write(session, office.vault, handoff_id, GRACE, "\u200b", an_origin(), nothing)
        assert await words(office) == []

    @pytest.mark.parametrize("text", ["", " \n\t ", "x" * (MAX_BODY + 1)])
    async def test_nothing_and_too_much_are_refused(self, office: Office, asked: Accepted, text: str) -> None:
        handoff_id = await owned(office, asked)
        with pytest.raises(BadInput):
            await write(office, handoff_id, text)
        with pytest.raises(BadInput):
            await note(office, handoff_id, text)
        assert await office.rows(HandoffEntry) == []


class TestWhoMayReply:
    async def test_while_nobody_has_it_nothing_goes_out(self, office: Office, asked: Accepted) -> None:
        handoff_id = await hand_off(office, asked)
        with pytest.raises(Conflict, match="Nobody has the conversation"):
            await write(office, handoff_id, "Hello\n// and a note")
        assert (await words(office), await office.rows(HandoffEntry)) == ([], [])

    async def test_what_somebody_else_writes_does_not_go_out(self, office: Office, asked: Accepted) -> None:
        handoff_id = await owned(office, asked)
        with pytest.raises(Conflict, match=rf"{GRACE.name} has the conversation"):
            await write(office, handoff_id, "Let me", LINUS)
        assert await words(office) == []

    async def test_what_is_written_once_it_is_over_does_not_go_out(self, office: Office, asked: Accepted) -> None:
        handoff_id = await owned(office, asked)
        await hand_back(office, handoff_id)
        with pytest.raises(Conflict, match="This is over"):
            await write(office, handoff_id, "One more thing")
        assert await words(office) == []

    async def test_what_is_written_as_it_is_handed_back_goes_out_or_is_refused(
        self, office: Office, asked: Accepted
    ) -> None:
        handoff_id = await owned(office, asked)
        outcome, _ = await asyncio.gather(
            write(office, handoff_id, "Just in time"), hand_back(office, handoff_id), return_exceptions=True
        )
        said = await words(office)
        if isinstance(outcome, Written):
            [system] = [each for each in await office.messages() if each.external_id == f"handback-{handoff_id}"]
            # Before the line that says where the part of the team ends.
            assert said[0].seq < system.seq
        else:
            assert isinstance(outcome, Conflict)
            assert said == []

    async def test_a_note_anybody_may_write_at_any_time(self, office: Office, asked: Accepted) -> None:
        handoff_id = await hand_off(office, asked)
        await note(office, handoff_id, "Waiting", LINUS)
        await claim(office, handoff_id)
        await write(office, handoff_id, "// Not mine", LINUS)
        await hand_back(office, handoff_id)
        await note(office, handoff_id, "Afterwards", LINUS)
        assert await kept(office) == [("note", "Waiting"), ("note", "// Not mine"), ("note", "Afterwards")]
        assert await words(office) == []
        assert {event.actor for event in await office.events("handoff.noted")} == {LINUS.key}


class TestRepetitions:
    async def test_the_same_again_says_nothing_again(self, office: Office, asked: Accepted) -> None:
        handoff_id, origin = await owned(office, asked), an_origin()
        first = await write(office, handoff_id, "Hello\n// note", origin=origin)
        again = await write(office, handoff_id, "Hello\n// note", origin=origin)
        assert (again.is_new, again.message_ids, again.entry_ids) == (False, first.message_ids, first.entry_ids)
        assert len(await words(office)) == 1
        assert len(await office.events("handoff.replied")) == 1

    async def test_of_many_at_once_one_counts(self, office: Office, asked: Accepted) -> None:
        handoff_id, origin = await owned(office, asked), an_origin()
        written = await asyncio.gather(*(write(office, handoff_id, "Hello", origin=origin) for _ in range(5)))
        assert sorted(each.is_new for each in written) == [False] * 4 + [True]
        assert len(await words(office)) == 1

    async def test_a_repetition_in_parts_is_known_by_all_of_them(self, office: Office, asked: Accepted) -> None:
        handoff_id, origin = await owned(office, asked), an_origin()
        first = await write(office, handoff_id, "One Two", origin=origin, parts=["One", "Two"])
        again = await write(office, handoff_id, "One Two", origin=origin, parts=["One", "Two"])
        assert (again.is_new, again.message_ids) == (False, first.message_ids)

    async def test_what_was_said_and_is_repeated_later_is_still_the_same(self, office: Office, asked: Accepted) -> None:
        handoff_id, origin = await owned(office, asked), an_origin()
        await write(office, handoff_id, "Hello", origin=origin)
        await hand_back(office, handoff_id)
        assert not (await write(office, handoff_id, "Hello", origin=origin)).is_new

    async def test_what_was_refused_may_be_said_later(self, office: Office, asked: Accepted) -> None:
        handoff_id, origin = await hand_off(office, asked), an_origin()
        with pytest.raises(Conflict):
            await write(office, handoff_id, "Hello", origin=origin)
        await claim(office, handoff_id)
        assert (await write(office, handoff_id, "Hello", origin=origin)).is_new

    @pytest.mark.parametrize(("one", "other"), [("a", "a%"), ("a_", "ab"), ("a", "b#1"), ("a", "A")])
    async def test_names_that_look_alike_are_not_the_same(
        self, office: Office, asked: Accepted, one: str, other: str
    ) -> None:
        handoff_id = await owned(office, asked)
        await write(office, handoff_id, "One", origin=an_origin(one), parts=["O", "ne"])
        assert (await write(office, handoff_id, "Other", origin=an_origin(other))).is_new

    async def test_what_a_program_calls_like_the_part_of_another_is_no_repetition_of_it(
        self, office: Office, asked: Accepted
    ) -> None:
        handoff_id = await owned(office, asked)
        await write(office, handoff_id, "Two parts", origin=an_origin("k"), parts=["Two", "parts"])
        other = await write(office, handoff_id, "Another", origin=an_origin("k#1"))
        assert other.is_new
        assert [message.body for message in await words(office)] == ["Two", "parts", "Another"]

    async def test_the_same_name_for_another_handoff_is_refused_and_tells_nothing_of_it(
        self, office: Office, asked: Accepted
    ) -> None:
        origin = an_origin()
        await write(office, await owned(office, asked), "Hello", origin=origin)
        other = await owned(office, await office.say("Me too", root="2.0", contact="U2"))
        with pytest.raises(Conflict, match="was used before"):
            await write(office, other, "Hello", origin=origin)

    async def test_something_else_under_the_same_name_is_refused(self, office: Office, asked: Accepted) -> None:
        handoff_id, origin = await owned(office, asked), an_origin()
        await write(office, handoff_id, "Hello", origin=origin)
        with pytest.raises(Conflict, match="was used before"):
            await ask(office, handoff_id, origin)

    @pytest.mark.parametrize("changed", ["Hello!", "Hello\n// another note", "// note", "Hello", "Hello // note"])
    async def test_what_was_changed_meanwhile_is_not_taken_for_what_was_said(
        self, office: Office, asked: Accepted, changed: str
    ) -> None:
        handoff_id, origin = await owned(office, asked), an_origin()
        await write(office, handoff_id, "Hello\n// note", origin=origin)
        with pytest.raises(Conflict, match="This one was not"):
            await write(office, handoff_id, changed, origin=origin)
        assert [message.body for message in await words(office)] == ["Hello"]
        assert await kept(office) == [("note", "// note")]

    async def test_a_note_that_was_changed_meanwhile_is_not_taken_for_the_one_that_is_kept(
        self, office: Office, asked: Accepted
    ) -> None:
        handoff_id, origin = await owned(office, asked), an_origin()
        await note(office, handoff_id, "Kind", origin=origin)
        assert not (await note(office, handoff_id, "Kind", origin=origin)).is_new
        for again in (note, write):
            with pytest.raises(Conflict, match="This one was not"):
                await again(office, handoff_id, "Kind and patient", origin=origin)
        assert await kept(office) == [("note", "Kind")]

    async def test_what_cannot_be_stored_as_it_came_is_the_same_again(self, office: Office, asked: Accepted) -> None:
        handoff_id, origin = await owned(office, asked), an_origin()
        await write(office, handoff_id, "He\0llo \ud800", origin=origin)
        assert not (await write(office, handoff_id, "He\0llo \ud800", origin=origin)).is_new


class TestWhatAModelIsToWrite:
    @pytest.mark.parametrize("kind", ["draft", "summary"])
    async def test_it_is_wanted_until_it_is_written(self, office: Office, asked: Accepted, kind: str) -> None:
        handoff_id, origin = await owned(office, asked), an_origin()
        entry = await ask(office, handoff_id, origin, kind)
        assert (entry.kind, entry.state, entry.sealed, entry.posted_at) == (kind, "wanted", None, None)
        assert (await ask(office, handoff_id, origin, kind)).id == entry.id
        assert len(await office.events(f"handoff.{kind}_asked")) == 1

        filled = await fill(office, entry, "Canary")
        assert filled.state == "kept"
        assert b"Canary" not in (filled.sealed or b"")
        assert await kept(office) == [(kind, "Canary")]
        # A twin of the activity that was slower.
        await fill(office, entry, "Another")
        assert await kept(office) == [(kind, "Canary")]

    async def test_where_none_could_it_failed(self, office: Office, asked: Accepted) -> None:
        entry = await ask(office, await owned(office, asked))
        assert (await fill(office, entry, None)).state == "failed"
        assert (await fill(office, entry, "Too late")).state == "failed"

    async def test_nothing_is_written_for_what_is_over(self, office: Office, asked: Accepted) -> None:
        handoff_id = await owned(office, asked)
        await hand_back(office, handoff_id)
        with pytest.raises(Conflict, match="over"):
            await ask(office, handoff_id)


class TestErasure:
    async def test_of_who_was_erased_nothing_is_read_or_written_any_more(
        self, office: Office, asked: Accepted, vault: Vault
    ) -> None:
        handoff_id = await owned(office, asked)
        [note_id] = (await note(office, handoff_id, "Canary")).entry_ids
        entry = await ask(office, handoff_id)
        contact_id = (await handoff_row(office, handoff_id)).contact_id
        async with office.session() as session:
            await contacts.erase(session, office.tenant_id, contact_id, actor="test")

        async with office.session() as session:
            with pytest.raises(NotFound, match="erased"):
                await entries.text(session, vault, note_id)
        with pytest.raises(NotFound, match="erased"):
            await note(office, handoff_id, "More")
        await fill(office, entry, "Canary")
        assert (await entry_row(office, entry.id)).sealed is None


async def test_what_does_not_exist_is_not_written_to(office: Office) -> None:
    with pytest.raises(NotFound):
        await write(office, new_id(), "Hello")
    with pytest.raises(NotFound):
        await note(office, new_id(), "Hello")
    async with office.session() as session:
        with pytest.raises(NotFound):
            await entries.get(session, new_id())


async def test_entries_are_listed_as_they_were_written(office: Office, asked: Accepted) -> None:
    handoff_id = await owned(office, asked)
    for number in range(3):
        await note(office, handoff_id, str(number))
    async with office.session() as session:
        listed = await entries.of_handoff(session, handoff_id)
        assert [await entries.text(session, office.vault, entry.id) for entry in listed] == ["0", "1", "2"]
