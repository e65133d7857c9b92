"""The business answers from its own phone: the employee falls silent, and whoever is at the desk can give it back."""

import secrets
from datetime import timedelta
from uuid import UUID

import pytest

from konstruct.db import Database
from konstruct.errors import Conflict
from konstruct.handoffs import echoes, owning
from konstruct.handoffs.echoes import Echo
from konstruct.handoffs.owning import Agent
from konstruct.inbox import Accepted
from konstruct.tables.base import utc_now
from konstruct.vault import Vault
from tests.support.office import Office, open_office

KIM, LEE = Agent("kim", "Kim"), Agent("lee", "Lee")


@pytest.fixture
async def number(database: Database, vault: Vault) -> Office:
    return await open_office(database, vault, kind="whatsapp", account=secrets.token_hex(8))


async def echo(
    office: Office, asked: Accepted, text: str, wamid: str = "", ago: timedelta = timedelta(0)
) -> UUID | None:
    message = await office.message(asked.message_id)
    assert message.contact_id
    said = Echo(wamid or secrets.token_hex(8), text, sent_at=utc_now() - ago)
    async with office.session() as session:
        return await echoes.take(session, office.vault, asked.conversation_id, message.contact_id, said)


async def test_words_from_the_phone_are_kept_and_the_employee_falls_silent(number: Office) -> None:
    asked = await number.say("Hello?")
    [reply] = await number.answer(asked)
    handoff_id = await echo(number, asked, "I am on it.", "wamid.1")

    assert handoff_id
    assert await number.begin_send(asked, reply) == "superseded"
    [conversation] = await number.conversations()
    assert (conversation.owner, conversation.agent, conversation.handoff_id) == ("agent", "Phone", handoff_id)
    [said] = [message for message in await number.messages("outbound") if message.author == "agent"]
    assert (said.body, said.signed, said.state, said.external_id) == ("I am on it.", "Phone", "sent", "wamid.1")
    assert (await number.say("Thanks!")).handoff_id == handoff_id


async def test_a_repetition_changes_nothing(number: Office) -> None:
    asked = await number.say("Hello?")
    await echo(number, asked, "I am on it.", "wamid.1")
    [before] = await number.conversations()

    assert await echo(number, asked, "I am on it.", "wamid.1") is None
    [after] = await number.conversations()
    assert after.epoch == before.epoch
    assert len([message for message in await number.messages() if message.author == "agent"]) == 1


@pytest.mark.parametrize("act", ["hand_back", "resolve"])
async def test_whoever_is_at_the_desk_gives_it_back(number: Office, act: str) -> None:
    asked = await number.say("Hello?")
    handoff_id = await echo(number, asked, "I am on it.")
    assert handoff_id
    async with number.session() as session:
        await getattr(owning, act)(session, number.vault, handoff_id, KIM)

    [conversation] = await number.conversations()
    assert conversation.owner == "employee"


async def test_somebody_at_the_desk_can_take_it_from_the_phone_and_then_it_is_theirs(number: Office) -> None:
    asked = await number.say("Hello?")
    handoff_id = await echo(number, asked, "I am on it.")
    assert handoff_id
    async with number.session() as session:
        await owning.claim(session, number.vault, handoff_id, KIM)
    async with number.session() as session:
        with pytest.raises(Conflict):
            await owning.claim(session, number.vault, handoff_id, LEE)
    # What is still written on the phone is kept, and takes it from nobody.
    await echo(number, asked, "And another thing.")
    [conversation] = await number.conversations()
    assert conversation.agent == "kim"


async def test_what_was_written_before_it_was_handed_back_takes_it_over_no_more(number: Office) -> None:
    asked = await number.say("Hello?")
    handoff_id = await echo(number, asked, "I am on it.")
    assert handoff_id
    async with number.session() as session:
        await owning.hand_back(session, number.vault, handoff_id, KIM)

    assert await echo(number, asked, "It came late.", ago=timedelta(hours=1)) is None
    [conversation] = await number.conversations()
    assert conversation.owner == "employee"
    assert "It came late." in {message.body for message in await number.messages("outbound")}
    assert await echo(number, asked, "Me again.")
