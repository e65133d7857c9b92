"""Contacts: found, joined, and erased without a trace of what was said."""

import asyncio
from typing import Any

import pytest
from pydantic import SecretStr
from sqlmodel import select

from konstruct import connections, contacts, conversations, memory
from konstruct.contacts import Erased
from konstruct.db import Database
from konstruct.errors import BadInput, NotFound, Unavailable
from konstruct.identity import new_id
from konstruct.memory import due, work
from konstruct.tables import Contact, ContactKey, Conversation, Memory
from konstruct.tables.base import utc_now
from konstruct.vault import Vault
from tests.support.office import Office, furnish
from tests.support.processes import until


async def erase(office: Office, external_id: str = "U1") -> Erased:
    async with office.session() as session:
        found = await contacts.find(session, external_id)
        return await contacts.erase(session, office.tenant_id, found.contact_id, actor="test")


async def bodies(office: Office) -> list[str]:
    return [message.body or "" for message in await office.messages()]


async def test_a_contact_is_found_by_either_id(office: Office) -> None:
    await office.say(contact="U77")
    async with office.session() as session:
        found = await contacts.find(session, "U77")
        assert await contacts.find(session, str(found.contact_id)) == found
        assert (found.connection, found.kind, found.person_id) == ("slack", "slack", found.contact_id)
        assert await contacts.of_person(session, found.person_id) == [found]
        with pytest.raises(NotFound, match="no contact 'U78'"):
            await contacts.find(session, "U78")
        with pytest.raises(NotFound):
            await contacts.find(session, "U77", "other")


async def test_an_id_that_two_connections_know_is_asked_back(office: Office) -> None:
    await office.say(contact="U77")
    async with office.session() as session:
        other = await connections.install(
            session,
            office.vault,
            office.tenant_id,
            key="second",
            kind="slack",
            account=f"-/{new_id()}",
            external={},
            secrets={"bot_token": SecretStr("xoxb-other")},
            employee_key="ada",
            actor="test",
        )
        await session.flush()
        contact_id = new_id()
        session.add(
            Contact(
                tenant_id=office.tenant_id,
                id=contact_id,
                connection_id=other,
                external_id="U77",
                person_id=contact_id,
            )
        )
    async with office.session() as session:
        with pytest.raises(BadInput, match="--connection"):
            await contacts.find(session, "U77")
        assert (await contacts.find(session, "U77", "second")).contact_id == contact_id


async def test_nothing_of_an_erased_contact_is_left_but_that_it_was(office: Office) -> None:
    furnished = await furnish(office)
    erased = await erase(office)
    assert (erased.contacts, len(erased.conversation_ids), erased.external_ids) == (1, 3, [("slack", "U1")])
    assert set(await bodies(office)) == {""}
    assert await office.rows(Memory) == []
    [contact] = await office.rows(Contact)
    assert contact.external_id == f"erased:{contact.id}"
    async with office.session() as session:
        assert list(await session.scalars(select(ContactKey))) == []
        with pytest.raises(NotFound):
            await contacts.find(session, "U1")
        with pytest.raises(NotFound):
            await contacts.erase(session, office.tenant_id, furnished.contact_id, actor="test")
    assert {row.channel == row.root == f"erased:{row.id}" for row in await office.rows(Conversation)} == {True}
    [event] = await office.events("contact.erased")
    assert (event.subject_id, event.detail["messages"]) == (contact.id, erased.messages)


async def test_whoever_writes_again_after_being_erased_is_somebody_new(office: Office) -> None:
    await office.exchange("Canary")
    await erase(office)
    asked = await office.say("Do you know me?")
    assert len(await office.rows(Contact)) == 2
    assert (await office.message(asked.message_id)).body == "Do you know me?"


async def test_in_a_shared_thread_the_others_keep_their_words(office: Office) -> None:
    await office.exchange("Mine is a Falcon.", "A Falcon, nice.", contact="U2")
    await office.exchange("Mine is canary.", "Canary, nice.", contact="U1")
    await office.exchange("Falcons are better.", "Better than canary.", contact="U2")
    await erase(office, "U1")
    # An answer that was given after they had spoken may repeat them.
    assert await bodies(office) == ["Mine is a Falcon.", "A Falcon, nice.", "", "", "Falcons are better.", ""]
    [conversation] = await office.rows(Conversation)
    assert not conversation.root.startswith("erased")


async def test_joined_contacts_are_erased_together(office: Office) -> None:
    await office.exchange("One", contact="U1")
    await office.exchange("Two", root="2.0", contact="U2")
    await office.exchange("Three", root="3.0", contact="U3")
    async with office.session() as session:
        first, second = await contacts.find(session, "U1"), await contacts.find(session, "U2")
        await contacts.join(session, office.tenant_id, first.contact_id, second.contact_id, actor="test")
    erased = await erase(office, "U2")
    assert erased.contacts == 2
    assert sorted(await bodies(office)) == ["", "", "", "", "Hello!", "Three"]


async def test_whoever_said_more_than_a_statement_has_parameters_is_forgotten_and_erased(office: Office) -> None:
    asked = await office.say("Canary")
    await office.write(asked, *((["Canary"], ["Canary"]) for _ in range(16_400)))
    async with office.session() as session:
        found = await contacts.find(session, "U1")
        assert len(await memory.forget_person(session, found.contact_id, until=utc_now())) == 32_801
    assert (await erase(office)).messages == 32_801


async def test_what_is_thought_or_sent_while_somebody_is_erased_ends_there(office: Office) -> None:
    turn_id = new_id()
    asked = await office.say("Canary?")
    await office.begin(asked, turn_id)
    other = await office.say("Canary!", root="2.0")
    [reply] = await office.answer(other)
    await office.begin_send(other, reply)
    await erase(office)
    assert (await office.finish(asked, turn_id, "Canary")).outcome == "superseded"
    assert await office.begin_send(other, reply) == "failed"
    assert await office.begin(asked, new_id()) == []
    assert set(await bodies(office)) == {""}


async def test_what_memory_was_about_to_write_is_not_written_after_all(office: Office) -> None:
    asked = await office.exchange("Canary")
    async with office.session() as session:
        opened = await due.open_work(session, office.vault, asked.conversation_id)
    await erase(office)
    async with office.session() as session:
        await work.write_sayings(session, office.vault, opened)
        assert not await work.write_summary(session, office.vault, opened, opened.unsummarised, "Canary")
        # Nor is there a key again.
        assert list(await session.scalars(select(ContactKey))) == []
    assert await office.rows(Memory) == []


async def test_a_message_that_comes_in_the_middle_is_to_come_again(office: Office, administrator: Any) -> None:
    await office.exchange("Canary")
    async with office.session() as session:
        found = await contacts.find(session, "U1")
        [conversation] = list(await session.scalars(select(Conversation)))
        await conversations.lock(session, conversation.id)
        saying = asyncio.create_task(office.say("And another"))
        # It knows its contact already, and waits for the conversation.
        waiting = "select exists (select from pg_stat_activity where wait_event_type = 'Lock')"
        await until(lambda: administrator.fetchval(waiting))
        await contacts.erase(session, office.tenant_id, found.contact_id, actor="test")
    with pytest.raises(Unavailable):
        await saying


async def test_what_an_older_version_wrote_in_plain_is_sealed(
    database: Database, vault: Vault, administrator: Any, office: Office
) -> None:
    asked = await office.say("Old words")
    await administrator.execute("update messages set body = 'Old words', sealed = null where id = $1", asked.message_id)
    await administrator.execute("delete from contact_keys where tenant_id = $1", office.tenant_id)
    told: list[str] = []
    await contacts.seal_all_plain(database, vault, told.append)
    row = await administrator.fetchrow("select body, sealed from messages where id = $1", asked.message_id)
    assert row["body"] is None
    assert b"Old" not in row["sealed"]
    assert (await office.message(asked.message_id)).body == "Old words"
    assert told[-1].endswith("older messages sealed …")
    told.clear()
    await contacts.seal_all_plain(database, vault, told.append)
    assert told == []
