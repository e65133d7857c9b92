"""What contacts edit and take back, in whatever order it comes."""

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from sqlalchemy import text as sql
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct import contacts, inbox, revising
from konstruct.identity import new_id
from konstruct.inbox import Inbound
from konstruct.tables import Connection, Contact, EarlyChange, Message
from konstruct.window import MESSAGE
from tests.konstruct.test_repeating import erase
from tests.support.office import REFUSING, Allowing, Office

FIRST = datetime(2026, 11, 30, 9, tzinfo=UTC)
THEN = FIRST + timedelta(seconds=1)
ID = "C1:1.0"


async def edit(office: Office, text: str, at: datetime | None = None, *, author: str | None = "U1") -> None:
    async with office.session() as session:
        await revising.edit(session, office.vault, office.ref, ID, text, edited_at=at, author=author)


async def remove(office: Office) -> None:
    async with office.session() as session:
        await revising.remove(session, office.vault, office.ref, ID)


async def test_an_edited_message_keeps_its_place_and_state(office: Office) -> None:
    first = await office.say("Helo?", external_id="C1:1.0")
    await office.say("More", external_id="C1:2.0")
    async with office.session() as session:
        await revising.edit(session, office.vault, office.ref, "C1:1.0", "Hello?")
    message = await office.message(first.message_id)
    assert (message.body, message.seq, message.state) == ("Hello?", 1, "received")
    assert sorted(message.body or "" for message in await office.messages()) == ["Hello?", "More"]


async def test_an_answer_cannot_be_edited_or_removed_as_if_it_were_a_contacts(office: Office) -> None:
    asked = await office.say()
    [reply] = await office.answer(asked, "Hello!")
    await office.begin_send(asked, reply)
    await office.settle_sent(asked, reply)
    async with office.session() as session:
        await revising.edit(session, office.vault, office.ref, f"sent-{reply}", "Changed")
        await revising.remove(session, office.vault, office.ref, f"sent-{reply}")
    assert ((await office.message(reply)).body, (await office.message(reply)).state) == ("Hello!", "sent")
    assert await office.rows(EarlyChange) == []


async def test_a_removed_message_is_forgotten_and_never_answered(office: Office) -> None:
    asked = await office.say("My password is canary", external_id="C1:1.0")
    async with office.session() as session:
        await revising.remove(session, office.vault, office.ref, "C1:1.0")
    message = await office.message(asked.message_id)
    assert (message.body, message.state) == ("", "deleted")
    assert message.settled_at
    assert await office.begin(asked, new_id()) == []


async def test_a_removed_message_cannot_be_edited_back(office: Office) -> None:
    asked = await office.say("My password is canary", external_id="C1:1.0")
    async with office.session() as session:
        await revising.remove(session, office.vault, office.ref, "C1:1.0")
        await revising.edit(session, office.vault, office.ref, "C1:1.0", "My password is canary")
    assert ((await office.message(asked.message_id)).body, await office.states()) == ("", ["deleted"])


async def test_a_removed_message_that_comes_again_stays_removed(office: Office) -> None:
    await office.say("My password is canary", external_id="C1:1.0")
    async with office.session() as session:
        await revising.remove(session, office.vault, office.ref, "C1:1.0")
    assert not (await office.say("My password is canary", external_id="C1:1.0")).is_new
    assert [message.body for message in await office.messages()] == [""]


async def test_an_edit_that_comes_after_a_newer_one_changes_nothing(office: Office) -> None:
    asked = await office.say("I want one", external_id=ID)
    await edit(office, "I want three", THEN)
    await edit(office, "I want two", FIRST)

    assert (await office.message(asked.message_id)).body == "I want three"
    assert len(await office.events("message.edited")) == 1


async def test_of_two_edits_in_one_second_the_one_that_comes_later_counts(office: Office) -> None:
    asked = await office.say("I want one", external_id=ID)
    await edit(office, "I want two", FIRST)
    await edit(office, "I want three", FIRST)

    assert (await office.message(asked.message_id)).body == "I want three"


async def test_an_edit_that_comes_again_is_one_edit(office: Office) -> None:
    await office.say("I want one", external_id=ID)
    for _ in range(3):
        await edit(office, "I want two", FIRST)

    assert len(await office.events("message.edited")) == 1


async def test_a_message_comes_with_the_wording_that_it_was_edited_to_before(office: Office) -> None:
    await edit(office, "I want two", FIRST)
    assert await office.messages() == []

    asked = await office.say("I want one", external_id=ID)

    assert (asked.is_new, asked.is_refused) == (True, False)
    message = await office.message(asked.message_id)
    assert (message.body, message.state, message.edited_at) == ("I want two", "received", FIRST)
    assert await office.rows(EarlyChange) == []
    [event] = await office.events("message.edited")
    async with office.session() as session:
        [cipher] = (await office.vault.ciphers(session, [message.contact_id or new_id()])).values()
    assert event.content is not None
    assert cipher.open(MESSAGE, message.id, event.content) == "I want one"


@pytest.mark.parametrize("order", list(permutations(["said", "first", "then"])))
async def test_the_newest_wording_is_kept_whatever_order_it_comes_in(office: Office, order: tuple[str, ...]) -> None:
    for what in order * 2:
        if what == "said":
            await office.say("I want one", external_id=ID)
        else:
            await edit(office, "I want two" if what == "first" else "I want three", FIRST if what == "first" else THEN)

    assert [(message.body, message.state) for message in await office.messages()] == [("I want three", "received")]
    assert len(await office.rows(Contact)) == 1
    assert await office.rows(EarlyChange) == []


@pytest.mark.parametrize("order", list(permutations(["said", "edited", "removed"])))
async def test_a_message_that_was_taken_back_is_forgotten_whatever_order_it_comes_in(
    office: Office, order: tuple[str, ...]
) -> None:
    for what in order * 2:
        if what == "said":
            asked = await office.say("My password is canary", external_id=ID)
        elif what == "edited":
            await edit(office, "My password is Canary", FIRST)
        else:
            await remove(office)

    [message] = await office.rows(Message)
    assert (message.body, message.sealed, message.state) == (None, None, "deleted")
    assert message.settled_at
    assert await office.begin(asked, new_id()) == []
    assert await office.rows(EarlyChange) == []
    assert len(await office.events("message.deleted")) >= 1


async def test_nobody_is_told_anything_of_what_was_taken_back_before_it_came(office: Office) -> None:
    await remove(office)
    asked = await office.say("My password is canary", external_id=ID, limiter=REFUSING)

    assert (asked.is_new, asked.is_refused, asked.notice_id, asked.handoff_id) == (True, True, None, None)
    assert await office.states() == ["deleted"]
    assert not (await office.say("My password is canary", external_id=ID)).is_new


async def test_a_wording_that_comes_along_and_is_newer_stays(office: Office) -> None:
    await edit(office, "I want two", FIRST)
    inbound = Inbound("C1", "1.0", ID, "U1", "I want three", edited_at=THEN)
    asked = await inbox.accept(office.database, office.vault, Allowing(), office.ref, inbound)

    message = await office.message(asked.message_id)
    assert (message.body, message.edited_at) == ("I want three", THEN)
    assert await office.rows(EarlyChange) == []


async def test_an_edit_of_what_is_nobodys_is_not_kept(office: Office) -> None:
    await edit(office, "Lunch?", FIRST, author=None)

    assert await office.rows(EarlyChange) == []
    assert await office.rows(Contact) == []


async def test_a_wording_is_sealed_before_its_message_comes(office: Office) -> None:
    await edit(office, "My password is canary", FIRST)

    [early] = await office.rows(EarlyChange)
    assert early.sealed
    assert b"canary" not in early.sealed
    assert ID not in early.erased_id


async def test_an_erased_contact_leaves_no_edit_that_waits(office: Office) -> None:
    await edit(office, "Canary", FIRST)
    async with office.session() as session:
        found = await contacts.find(session, "U1")
        await contacts.erase(session, office.tenant_id, found.contact_id, actor="test")

    assert await office.rows(EarlyChange) == []


async def test_nothing_is_kept_of_what_an_erased_contact_had_said(office: Office) -> None:
    await office.say("Canary", external_id=ID)
    await erase(office)
    await edit(office, "Canary!", FIRST)
    await remove(office)

    assert await office.rows(EarlyChange) == []
    assert len(await office.rows(Contact)) == 1


async def test_a_message_that_is_taken_back_while_it_is_written_is_forgotten(office: Office) -> None:
    """It is looked at and not committed yet when it is taken back: neither sees the other."""
    await office.say("Hello")
    async with office.session() as session:
        # What a message refers to, so that writing it has to wait.
        await session.execute(select(Connection.id).where(col(Connection.id) == office.connection_id).with_for_update())
        coming = asyncio.create_task(office.say("My password is canary", external_id=ID))
        await _so_many_wait(session, 1)
        going = asyncio.create_task(remove(office))
        await _so_many_wait(session, 2)
    await asyncio.gather(coming, going)

    assert await office.states() == ["received", "deleted"]
    assert await office.rows(EarlyChange) == []


async def _so_many_wait(session: AsyncSession, many: int) -> None:
    waiting = sql("select count(distinct pid) from pg_locks where not granted")
    while (await session.execute(waiting)).scalar_one() < many:
        pass


async def test_what_never_came_is_not_waited_for_for_ever(office: Office) -> None:
    await remove(office)
    async with office.session() as session:
        [early] = await session.scalars(select(EarlyChange))
        early.created_at -= revising.KEPT_FOR
        await revising.remove(session, office.vault, office.ref, "C1:2.0")

    await revising.forget_old(office.database, 10_000)

    [left] = await office.rows(EarlyChange)
    assert left.created_at > early.created_at
