"""What is due of memory: who claims it, and how far a conversation is settled."""

import asyncio
from collections import Counter
from datetime import timedelta
from uuid import UUID

from sqlalchemy import update

from konstruct import contacts, conversations, notices, revising
from konstruct.identity import new_id
from konstruct.inbox import Accepted
from konstruct.memory import due
from konstruct.memory.due import Work
from konstruct.tables import Conversation, Message
from konstruct.tables.base import utc_now
from konstruct.window import Line
from tests.support.office import Office


async def opened_work(office: Office, asked: Accepted) -> Work:
    async with office.session() as session:
        return await due.open_work(session, office.vault, asked.conversation_id)


async def change(office: Office, **values: object) -> None:
    """Of all conversations of the office."""
    async with office.session() as session:
        await session.execute(update(Conversation).values(**values))


async def claimed(office: Office) -> list[UUID]:
    claims = await due.claim(office.database, 10_000)
    return [each.conversation_id for each in claims if each.tenant_id == office.tenant_id]


async def test_a_conversation_is_claimed_when_it_is_due_and_until_it_is_closed(office: Office) -> None:
    asked = await office.exchange("One")
    await change(office, memory_due_at=utc_now() + timedelta(minutes=1))
    assert await claimed(office) == []
    await change(office, memory_due_at=utc_now())
    assert await claimed(office) == [asked.conversation_id]
    assert await claimed(office) == []
    [conversation] = await office.rows(Conversation)
    assert conversation.memory_claimed_until is not None
    claimed_for = conversation.memory_claimed_until - utc_now()
    assert due.CLAIMED_FOR - timedelta(minutes=1) < claimed_for <= due.CLAIMED_FOR

    # Whoever had it may be dead.
    await change(office, memory_claimed_until=utc_now())
    assert await claimed(office) == [asked.conversation_id]
    opened = await opened_work(office, asked)
    async with office.session() as session:
        await due.close_work(session, opened, None)
    [conversation] = await office.rows(Conversation)
    # Nothing was remembered yet, so that it is due again at once.
    assert conversation.memory_claimed_until is None
    assert await claimed(office) == [asked.conversation_id]


async def test_of_many_who_claim_at_once_each_gets_their_own(office: Office) -> None:
    wanted = {(await office.exchange("One", root=str(number))).conversation_id for number in range(12)}
    await change(office, memory_due_at=utc_now())
    claims = await asyncio.gather(*(claimed(office) for _ in range(8)))
    counts = Counter(each for of_one in claims for each in of_one)
    assert set(counts.values()) == {1}
    # What somebody else held just then is left for the next claim.
    assert set(counts) | set(await claimed(office)) == wanted


async def settled(office: Office, asked: Accepted) -> int:
    return (await opened_work(office, asked)).settled_seq


async def test_a_conversation_is_settled_up_to_what_still_waits(office: Office) -> None:
    asked, turn_id = await office.exchange("One"), new_id()
    assert await settled(office, asked) == 2
    await office.say("Waits", external_id="C1:3")
    assert await settled(office, asked) == 2
    await office.begin(asked, turn_id)
    assert await settled(office, asked) == 2
    [reply] = (await office.finish(asked, turn_id, "Answer")).reply_ids
    # What was asked is taken back, and its answer is on its way all the same.
    async with office.session() as session:
        await revising.remove(session, office.vault, office.ref, "C1:3")
    assert await settled(office, asked) == 3
    await office.begin_send(asked, reply)
    assert await settled(office, asked) == 3
    await office.settle_sent(asked, reply)
    assert await settled(office, asked) == 4


async def test_what_was_on_its_way_for_an_hour_stays_so_and_counts_as_said(office: Office) -> None:
    asked, turn_id = await office.say("One", external_id="C1:1"), new_id()
    await office.begin(asked, turn_id)
    [reply] = (await office.finish(asked, turn_id, "Answer")).reply_ids
    await office.begin_send(asked, reply)
    async with office.session() as session:
        await revising.remove(session, office.vault, office.ref, "C1:1")
        message = await session.get_one(Message, (office.tenant_id, reply))
        assert message.sending_at
        message.sending_at -= timedelta(minutes=59)
    assert await settled(office, asked) == 1
    async with office.session() as session:
        message = await session.get_one(Message, (office.tenant_id, reply))
        assert message.sending_at
        message.sending_at -= timedelta(minutes=2)
    opened = await opened_work(office, asked)
    assert (opened.settled_seq, [text for _, text in opened.unremembered]) == (2, ["Answer"])


async def test_a_sentence_of_the_products_own_is_neither_waited_for_nor_remembered(office: Office) -> None:
    asked = await office.exchange("One")
    async with office.session() as session:
        await notices.add_notice(session, asked.conversation_id, new_id(), "Canary")
    opened = await opened_work(office, asked)
    assert (opened.settled_seq, len(opened.unremembered), len(opened.unsummarised)) == (3, 2, 2)


async def test_where_one_person_writes_as_two_contacts_what_is_answered_is_theirs(office: Office) -> None:
    await office.exchange("One", "Answer", contact="U1")
    asked = await office.exchange("Two", "Answer", contact="U2")
    assert [text for _, text in (await opened_work(office, asked)).unremembered] == ["One", "Two"]
    async with office.session() as session:
        one, two = await contacts.find(session, "U1"), await contacts.find(session, "U2")
        await contacts.join(session, office.tenant_id, one.contact_id, two.contact_id, actor="test")
    opened = await opened_work(office, asked)
    assert [text for _, text in opened.unremembered] == ["One", "Answer", "Two", "Answer"]
    assert {contact: len(said) for contact, said in opened.undigested.items()} == {
        one.contact_id: 2,
        two.contact_id: 2,
    }


async def test_what_a_model_is_not_shown_at_once_is_for_the_next_time(office: Office) -> None:
    asked = await office.exchange("One", "Re One")
    await office.write(asked, *((["x" * 2_000], ["y" * 2_000]) for _ in range(20)))
    seen, passes = 0, 0
    while True:
        opened = await opened_work(office, asked)
        [said] = opened.undigested.values()
        seen, passes = seen + len(said), passes + 1
        assert sum(min(len(text), 1_500) for _, text in said) <= due.LONGEST_DIGEST
        async with office.session() as session:
            conversation = await conversations.lock(session, asked.conversation_id)
            conversation.digested_seq = opened.digest_seq
        if opened.is_all:
            break
    assert (seen, passes, opened.digest_seq) == (42, 2, 42)


def test_one_line_is_shown_however_long_it_is() -> None:
    assert due.at_once([], 10) == []
    line = Line(new_id(), 1, None, "contact", None, b"", None, utc_now())
    assert due.at_once([(line, "x" * 50)], 10) == [(line, "x" * 50)]
    assert len(due.at_once([(line, "x" * 5)] * 3, 10)) == 2


async def test_it_is_due_again_as_long_as_there_is_more(office: Office) -> None:
    asked = await office.exchange("One")
    opened = await opened_work(office, asked)

    async def due_at(**options: bool) -> object:
        async with office.session() as session:
            conversation = await conversations.lock(session, asked.conversation_id)
            conversation.remembered_seq = 2
            await due.close_work(session, opened, None, **options)
            return conversation.memory_due_at

    assert await due_at() is None
    assert await due_at(is_all=False) is not None
    assert await due_at(is_all=True) is None
    # Something was said meanwhile.
    await office.exchange("Two")
    assert await due_at() is not None
