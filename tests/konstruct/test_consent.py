"""Who asked to be left alone is written to by nobody, until they write themselves."""

from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from konstruct import consent, contacts
from konstruct.errors import Conflict, NotFound
from konstruct.handoffs import entries, owning
from konstruct.handoffs.entries import Origin, Written
from konstruct.handoffs.notes import MARK
from konstruct.handoffs.owning import Agent, Ownership
from konstruct.identity import new_id
from konstruct.outgoing import Send
from konstruct.scope.sentences import SENTENCES
from konstruct.tables import Connection, Contact
from tests.support.office import REFUSING, Office

ANNA = Agent("anna", "Anna Berg")


@pytest.fixture
async def bounded(office: Office) -> Office:
    async with office.session() as session:
        connection = await session.get_one(Connection, (office.tenant_id, office.connection_id))
        connection.functions = ["bicycles"]
    return office


async def has_opted_out(office: Office) -> bool:
    [contact] = await office.rows(Contact)
    return contact.opted_out_at is not None


async def write(office: Office, session: AsyncSession, owned: Ownership, text: str) -> Written:
    assert owned.handoff_id is not None
    return await entries.write(
        session, office.vault, owned.handoff_id, ANNA, text, Origin("api", text[:5]), lambda each: [each]
    )


async def why_failed(office: Office, message_id: UUID) -> tuple[str, object]:
    message = await office.message(message_id)
    return message.state, message.detail.get("error")


@pytest.mark.parametrize(("word", "language"), [("STOP", "en"), ("Bitte abmelden!", "de"), ("退订", "zh")])
async def test_a_stop_word_is_confirmed_once_and_begins_no_turn(bounded: Office, word: str, language: str) -> None:
    stopped = await bounded.say(word)

    assert await has_opted_out(bounded)
    assert (stopped.is_new, stopped.is_refused, stopped.handoff_id) == (True, True, None)
    assert stopped.notice_id is not None
    begun = await bounded.begin_send(stopped, stopped.notice_id)
    assert isinstance(begun, Send)
    assert begun.message.text == SENTENCES[language].opted_out
    await bounded.settle_sent(stopped, stopped.notice_id)
    assert await bounded.begin(stopped, new_id()) == []
    assert (await bounded.say(word)).notice_id is None
    assert [event.actor for event in await bounded.events("contact.opted_out")] == ["contact"]
    assert await bounded.states() == ["answered", "sent", "answered"]


async def test_an_answer_that_was_under_way_is_not_sent_any_more(bounded: Office) -> None:
    asked = await bounded.say("Hello?")
    [reply_id] = await bounded.answer(asked)
    await bounded.say("stop")

    assert await bounded.begin_send(asked, reply_id) == "failed"
    assert await why_failed(bounded, reply_id) == ("failed", "opted_out")


async def test_notices_are_not_sent_either(bounded: Office) -> None:
    await bounded.say("stop")
    refused = await bounded.say("stop", limiter=REFUSING)
    assert refused.notice_id is None
    over = await bounded.say("Hello?", limiter=REFUSING)
    assert over.notice_id is not None
    await bounded.say("stop")
    assert await bounded.begin_send(over, over.notice_id) == "failed"


async def test_a_stop_word_is_heard_over_any_limit(bounded: Office) -> None:
    stopped = await bounded.say("STOP", limiter=REFUSING)
    assert await has_opted_out(bounded)
    assert await bounded.states() == ["answered", "pending"]
    assert stopped.notice_id is not None


async def test_whoever_writes_again_is_answered_again(bounded: Office) -> None:
    await bounded.say("STOP")
    asked = await bounded.say("Is my bike ready?")

    assert not await has_opted_out(bounded)
    [reply_id] = await bounded.answer(asked, "It is.")
    assert isinstance(await bounded.begin_send(asked, reply_id), Send)
    assert [event.actor for event in await bounded.events("contact.opted_in")] == ["contact"]


async def test_agents_see_the_stop_word_and_are_told_why_they_cannot_write(bounded: Office) -> None:
    asked = await bounded.say("Hello?")
    async with bounded.session() as session:
        owned = await owning.take_over(session, bounded.vault, asked.conversation_id, ANNA)
    stopped = await bounded.say("STOP")

    assert (stopped.handoff_id, await bounded.states()) == (owned.handoff_id, ["passed", "passed", "passed", "pending"])
    assert stopped.notice_id is not None
    assert isinstance(await bounded.begin_send(stopped, stopped.notice_id), Send)
    async with bounded.session() as session:
        with pytest.raises(Conflict, match="asked not to be written to"):
            await write(bounded, session, owned, "I am here.")
    async with bounded.session() as session:
        assert (await write(bounded, session, owned, f"{MARK} they left")).message_ids == []


async def test_what_an_agent_wrote_before_is_not_sent_any_more(bounded: Office) -> None:
    asked = await bounded.say("Hello?")
    async with bounded.session() as session:
        owned = await owning.take_over(session, bounded.vault, asked.conversation_id, ANNA)
        written = await write(bounded, session, owned, "I am here.")
    await bounded.say("STOP")
    [reply_id] = written.message_ids
    assert await bounded.begin_send(asked, reply_id) == "failed"
    assert await why_failed(bounded, reply_id) == ("failed", "opted_out")


async def test_where_a_connection_names_nothing_stop_is_a_word_like_any_other(office: Office) -> None:
    said = await office.say("STOP")
    assert not await has_opted_out(office)
    assert (said.is_refused, said.notice_id, await office.states()) == (False, None, ["received"])


async def test_others_may_say_so_for_a_contact(bounded: Office) -> None:
    asked = await bounded.say("Hello?")
    [contact] = await bounded.rows(Contact)
    async with bounded.session() as session:
        assert await consent.opt_out(session, contact.id, by="whatsapp")
        assert not await consent.opt_out(session, contact.id, by="whatsapp")
        assert await consent.has_opted_out(session, contact.id)
    [reply_id] = await bounded.answer(asked)
    assert await bounded.begin_send(asked, reply_id) == "failed"
    async with bounded.session() as session:
        assert await consent.opt_in(session, contact.id, by="whatsapp")
        assert not await consent.opt_in(session, contact.id, by="whatsapp")
    assert [event.actor for event in await bounded.events("contact.opted_out")] == ["whatsapp"]


async def test_nobody_can_be_opted_out_who_is_not_there(bounded: Office) -> None:
    with pytest.raises(NotFound):
        async with bounded.session() as session:
            await consent.opt_out(session, new_id(), by="test")


async def test_an_erased_contact_has_no_wish_on_record_any_more(bounded: Office) -> None:
    await bounded.say("STOP")
    [contact] = await bounded.rows(Contact)
    async with bounded.session() as session:
        await contacts.erase(session, bounded.tenant_id, contact.id, actor="test")
    assert not await has_opted_out(bounded)
