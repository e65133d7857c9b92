"""What is counted was committed: messages, turns, handoffs; and what waits is read from the database as it is."""

from contextlib import suppress
from datetime import timedelta
from uuid import uuid4

from pydantic import SecretStr

from konstruct import outbox
from konstruct.db import Database
from konstruct.errors import ChannelRefused
from konstruct.handoffs import owning
from konstruct.handoffs.owning import Wish
from konstruct.observing.metrics import REGISTRY
from konstruct.open_work import OpenWork
from konstruct.vault import Vault
from tests.support.numbers import Counted
from tests.support.office import Office


async def test_a_message_is_counted_once_however_often_it_comes(office: Office) -> None:
    counted = Counted()
    await office.say("Hello", external_id="m1")
    await office.say("Hello", external_id="m1")
    assert counted.of("konstruct_messages_received_total") == 1


async def test_a_turn_is_counted_when_its_last_part_is_with_the_channel(office: Office) -> None:
    counted = Counted()
    asked = await office.say("Hello")
    first, second = await office.answer(asked, "Good", "day!")
    for part in (first, second):
        assert counted.of("konstruct_turns_total") == 0
        await office.begin_send(asked, part)
        await office.settle_sent(asked, part)
    assert counted.of("konstruct_turns_total", outcome="answered") == 1
    assert counted.of("konstruct_turn_seconds_count") == 1


async def test_a_turn_whose_answer_the_channel_refuses_has_failed(office: Office) -> None:
    counted = Counted()
    asked = await office.say("Hello")
    [part] = await office.answer(asked, "Good day!")
    await office.begin_send(asked, part)
    async with office.session() as session:
        await outbox.settle_refused(session, asked.conversation_id, part, ChannelRefused("No.", "archived"))
    assert counted.of("konstruct_turns_total", outcome="failed") == 1
    assert counted.of("konstruct_turn_seconds_count") == 0


async def test_what_is_rolled_back_was_not(office: Office, vault: Vault) -> None:
    counted = Counted()
    asked = await office.say("Hello")
    wish = Wish("employee", "employee", "They want a person.")
    with suppress(RuntimeError):
        async with office.session() as session:
            await owning.hand_off(session, vault, asked.conversation_id, wish)
            raise RuntimeError
    assert counted.of("konstruct_handoffs_total") == 0
    async with office.session() as session:
        await owning.hand_off(session, vault, asked.conversation_id, wish)
    assert counted.of("konstruct_handoffs_total", reason="employee") == 1


def waiting(kind: str) -> float:
    return REGISTRY.get_sample_value("konstruct_waiting", {"kind": kind}) or 0


async def test_what_waits_is_counted_over_all_tenants_and_nobody_is_named(
    office: Office, database: Database, vault: Vault
) -> None:
    await OpenWork(database).look()
    before = {kind: waiting(kind) for kind in ("messages", "handoffs", "outbox", "quarantined")}
    asked = await office.say("Hello")
    await office.say("Nobody answers this.", root="2.0")
    aside = await office.say("This is poison.", root="3.0")
    await office.set_aside(aside)
    async with office.session() as session:
        await owning.hand_off(session, vault, asked.conversation_id, Wish("agent", "anna", "Anna took over."))
    await OpenWork(database).look()
    assert waiting("messages") == before["messages"] + 1
    assert waiting("handoffs") >= before["handoffs"] + 1
    assert waiting("quarantined") == before["quarantined"] + 1
    assert (REGISTRY.get_sample_value("konstruct_waiting_oldest_seconds", {"kind": "messages"}) or 0) > 0


async def test_however_often_somebody_looks_the_database_is_asked_once_in_a_while(
    office: Office, database: Database
) -> None:
    patient, curious = OpenWork(database, looked_at=timedelta(hours=1)), OpenWork(database, looked_at=timedelta(0))
    await patient.look()
    before = waiting("messages")
    await office.say(f"Hello {uuid4()}")
    await patient.look()
    assert waiting("messages") == before
    await curious.look()
    assert waiting("messages") == before + 1


async def test_without_the_database_nothing_is_said_of_what_waits(database: Database) -> None:
    await OpenWork(database).look()
    assert REGISTRY.get_sample_value("konstruct_waiting", {"kind": "messages"}) is not None
    nowhere = Database(SecretStr("postgresql://nobody@127.0.0.1:1/nothing"))
    await OpenWork(nowhere).look()
    await nowhere.close()
    assert REGISTRY.get_sample_value("konstruct_waiting", {"kind": "messages"}) is None
