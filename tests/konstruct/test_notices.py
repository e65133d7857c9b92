"""Sentences of the product's own: notices once a turn, notes once for what they tell of."""

from datetime import timedelta
from uuid import UUID

import pytest

from konstruct import contacts, conversations, notices
from konstruct.conversations import Turn
from konstruct.errors import NotFound
from konstruct.identity import new_id
from konstruct.inbox import Accepted
from konstruct.tables import Message
from tests.support.office import Office


async def test_what_stays_as_it_is_is_said_once_a_day(office: Office, asked: Accepted) -> None:
    async def add(turn_id: UUID, about: str = "budget") -> UUID | None:
        async with office.session() as session:
            return await notices.add_daily(session, asked.conversation_id, turn_id, about, "Later.")

    turn_id = new_id()
    first = await add(turn_id)
    assert first is not None
    assert await add(turn_id) == first
    assert await add(new_id()) is None
    assert await add(new_id(), "plan") is not None
    async with office.session() as session:
        message = await session.get_one(Message, (office.tenant_id, first))
        message.created_at -= timedelta(hours=25)
    later = await add(new_id())
    assert later is not None
    async with office.session() as session:
        (await session.get_one(Message, (office.tenant_id, later))).state = "discarded"
    assert await add(new_id()) is not None


async def add_note(office: Office, asked: Accepted, text: str, external_id: str, contact: UUID) -> UUID | None:
    async with office.session() as session:
        conversation = await conversations.changed(session, asked.conversation_id)
        return await notices.add_note(session, office.vault, conversation, contact, text, external_id)


@pytest.fixture
async def asked(office: Office) -> Accepted:
    return await office.exchange("Refund it", "I asked for it.")


@pytest.fixture
async def contact(office: Office, asked: Accepted) -> UUID:
    return (await office.message(asked.message_id)).contact_id or UUID(int=0)


async def test_a_notice_is_said_once_a_turn(office: Office, asked: Accepted) -> None:
    turn_id = new_id()
    async with office.session() as session:
        first = await notices.add_notice(session, asked.conversation_id, turn_id, "Later.")
        assert await notices.add_notice(session, asked.conversation_id, turn_id, "Later!") == first
        assert await notices.add_notice(session, asked.conversation_id, new_id(), "Later.") != first
        with pytest.raises(NotFound):
            await notices.add_notice(session, new_id(), turn_id, "Later.")
    said = [message for message in await office.messages("outbound") if message.purpose == "notice"]
    assert [(message.body, message.state, message.author) for message in said] == [("Later.", "pending", "system")] * 2


async def test_a_note_is_sealed_and_begins_a_turn_in_which_nobody_asked(
    office: Office, asked: Accepted, contact: UUID
) -> None:
    note_id = await add_note(office, asked, "Canary: a person said yes.", "approval-1", contact)
    assert note_id is not None
    note = await office.message(note_id)
    assert (note.author, note.direction, note.state, note.seq) == ("system", "inbound", "received", 3)
    assert (note.body, note.contact_id) == ("Canary: a person said yes.", contact)
    assert b"Canary" not in (note.sealed or b"")

    turn = await office.begin(asked, new_id())
    assert isinstance(turn, Turn)
    assert [(line.author, line.text) for line in turn.said] == [
        ("contact", "Refund it"),
        ("employee", "I asked for it."),
        ("system", "Canary: a person said yes."),
    ]
    # It is told to the one whom it is for; what it says is no question to search memory and documents with.
    assert (turn.asker, turn.asked, turn.asked_seqs, turn.can_recall) == (contact, "", (3,), False)


async def test_a_note_is_added_once_for_what_it_tells_of(office: Office, asked: Accepted, contact: UUID) -> None:
    first = await add_note(office, asked, "Yes.", "approval-1", contact)
    assert await add_note(office, asked, "Yes!", "approval-1", contact) == first
    assert await add_note(office, asked, "No.", "approval-2", contact) != first
    assert [message.seq for message in await office.messages()] == [1, 2, 3, 4]


async def test_nobody_who_was_erased_is_told_anything(office: Office, asked: Accepted, contact: UUID) -> None:
    note_id = await add_note(office, asked, "Canary", "approval-1", contact)
    async with office.session() as session:
        await contacts.erase(session, office.tenant_id, contact, actor="test")
    assert await add_note(office, asked, "Canary", "approval-2", contact) is None
    note = await office.message(note_id or UUID(int=0))
    assert (note.sealed, note.state) == (None, "deleted")
