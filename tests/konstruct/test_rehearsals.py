"""Rehearsals are apart from all that contacts do: their limits, their lists, and for how long they are kept."""

from datetime import timedelta

import pytest
from sqlmodel import select

from konstruct.db import Database
from konstruct.designs import serving
from konstruct.errors import NotFound
from konstruct.handoffs import finding, owning
from konstruct.handoffs.owning import Wish
from konstruct.limits import LocalLimiter
from konstruct.rehearsals import rooms, showing
from konstruct.tables import Connection, Contact, Conversation, Handoff, Message, Rehearsal
from konstruct.vault import Vault
from tests.support.office import Office, open_office
from tests.support.rehearsals import Stage, room, stage

OLD = timedelta(days=rooms.KEPT_FOR_DAYS, minutes=1)


async def state_of(office: Office, text: str) -> str:
    [message] = [each for each in await office.messages("inbound") if each.body == text]
    return message.state


async def test_it_takes_nothing_from_what_contacts_may_send(database: Database, vault: Vault) -> None:
    office, limiter = await open_office(database, vault, limits={"tenant": "1/hour"}), LocalLimiter()
    on = await stage(office)
    await on.say("Tried out", limiter=limiter)
    await office.say("Asked", limiter=limiter)
    assert await state_of(office, "Asked") == "received"
    await on.say("Tried again", limiter=limiter)
    assert await state_of(office, "Tried again") == "refused"


async def test_its_connection_is_no_channel_of_the_tenants(office: Office) -> None:
    await stage(office)
    await stage(office)
    connection = await room(office)
    async with office.session() as session:
        assert [each.key for each in await serving.connections(session)] == ["slack"]
        assert connection.key not in " ".join(await serving.served_by(session, office.employee_id))


async def test_it_is_held_to_what_its_connection_is_for(office: Office) -> None:
    await functions(office, ["Bicycle repairs"])
    await stage(office)
    assert (await room(office)).functions == ["Bicycle repairs"]
    await functions(office, [])
    await stage(office)
    assert (await room(office)).functions == []


async def functions(office: Office, wanted: list[str]) -> None:
    async with office.session() as session:
        (await session.get_one(Connection, (office.tenant_id, office.connection_id))).functions = wanted


async def test_it_is_nobodys_to_take_over_whoever_asks(office: Office) -> None:
    on = await stage(office)
    asked = await on.say("A person, please.")
    wish = Wish("outside", "test", "They want a person.")
    async with office.session() as session:
        assert (await owning.hand_off(session, office.vault, asked.conversation_id, wish)).owner == "employee"
        assert await owning.tell(session, office.vault, asked.conversation_id, wish) is None
        with pytest.raises(NotFound):
            await finding.be_there(session, asked.conversation_id)
    assert await office.rows(Handoff) == []


async def test_that_nobody_takes_it_up_is_said_after_a_while(office: Office) -> None:
    on = await stage(office)
    await on.say("Hello?")
    assert (await on.shown()).trouble == ""
    async with office.session() as session:
        [message] = await session.scalars(select(Message).where(Message.direction == "inbound"))
        message.created_at -= 2 * showing.SLOW_AFTER
    shown = await on.shown()
    assert (shown.is_waiting, shown.trouble) == (True, showing.NOBODY_WORKS)


async def test_each_who_rehearses_is_a_contact_of_their_own(office: Office) -> None:
    first = await stage(office)
    again = await stage(office, user_id=first.user_id)
    other = await stage(office)
    assert first.rehearsal.contact_id == again.rehearsal.contact_id != other.rehearsal.contact_id
    async with office.session() as session:
        latest = await rooms.latest(session, office.employee_id, first.user_id)
        assert latest is not None
        assert latest.conversation_id == again.rehearsal.conversation_id
        with pytest.raises(NotFound):
            await rooms.get(session, first.rehearsal.conversation_id, other.user_id)


async def old(on: Stage) -> None:
    async with on.office.session() as session:
        where = (on.office.tenant_id, on.rehearsal.conversation_id)
        conversation = await session.get_one(Conversation, where)
        rehearsal = await session.get_one(Rehearsal, where)
        rehearsal.created_at -= OLD
        if conversation.contact_said_at is not None:
            conversation.contact_said_at -= OLD


async def is_there(on: Stage) -> bool:
    async with on.office.session() as session:
        contact = await session.get_one(Contact, (on.office.tenant_id, on.rehearsal.contact_id))
        return contact.erased_at is None


async def test_what_nobody_has_talked_in_for_a_week_is_forgotten(office: Office) -> None:
    gone, silent, kept = await stage(office), await stage(office), await stage(office)
    await gone.say("Canary of old")
    await kept.say("Yesterday's")
    for each in (gone, silent):
        await old(each)
    # A newer rehearsal of the same person keeps what was said in the older one.
    going_on = await stage(office)
    await old(going_on)
    await stage(office, user_id=going_on.user_id)

    await rooms.forget_old(office.database, 500)

    assert [await is_there(each) for each in (gone, silent, kept, going_on)] == [False, False, True, True]
    async with office.session() as session:
        emptied = await session.get_one(Rehearsal, (office.tenant_id, gone.rehearsal.conversation_id))
        assert emptied.content == {}
    assert "Canary of old" not in [each.body for each in await office.messages("inbound")]
    assert await rooms.forget_old(office.database, 500) == 0
