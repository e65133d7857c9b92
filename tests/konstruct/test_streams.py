"""What is shown of an answer while it is thought: who may add to it, who takes it over, and what is left of it."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from konstruct import contacts, conversations, outbox, streams, window, withdrawing
from konstruct.errors import ChannelRefused
from konstruct.handoffs import owning
from konstruct.handoffs.owning import Agent
from konstruct.identity import new_id
from konstruct.inbox import Accepted
from konstruct.outgoing import Send
from konstruct.streams import Stream
from konstruct.tables import Message
from tests.support.office import Office

ANNA = Agent("anna", "Anna Berg")


@pytest.fixture
async def asked(office: Office) -> Accepted:
    return await office.say("Hello?")


async def begin(office: Office, asked: Accepted, turn_id: UUID, text: str = "Once", *, step: int = 0) -> Stream | None:
    async with office.session() as session:
        return await streams.begin(
            session, office.vault, asked.conversation_id, turn_id, step=step, through_seq=1, text=text
        )


async def begun(office: Office, asked: Accepted, text: str = "Once") -> Stream:
    """What the channel shows, of a turn of its own."""
    turn_id = new_id()
    await office.begin(asked, turn_id)
    stream = await begin(office, asked, turn_id, text)
    assert stream is not None
    async with office.session() as session:
        assert await streams.started(session, stream, "17.5")
    return replace(stream, external_id="17.5")


async def lease(office: Office, stream: Stream, text: str) -> bool:
    async with office.session() as session:
        return await streams.lease(session, stream, text)


async def is_sending(office: Office, asked: Accepted) -> bool:
    async with office.session() as session:
        return await outbox.is_sending(session, asked.conversation_id)


async def take_over(office: Office, asked: Accepted) -> None:
    async with office.session() as session:
        await owning.take_over(session, office.vault, asked.conversation_id, ANNA)


async def answer(office: Office, asked: Accepted, stream: Stream, text: str, shown: str | None = None) -> UUID:
    """An answer of the stream's turn, which takes over what is shown."""
    finished = await office.finish(asked, stream.turn_id, text)
    async with office.session() as session:
        await conversations.lock(session, asked.conversation_id)
        await streams.take_over(session, asked.conversation_id, finished.reply_ids[0], text, shown)
    return finished.reply_ids[0]


async def said(office: Office) -> list[tuple[str, str]]:
    return [(row.state, row.body or "") for row in await office.messages("outbound")]


async def test_what_is_shown_is_kept_sealed_before_it_is_shown(office: Office, asked: Accepted) -> None:
    stream = await begun(office, asked)
    assert await lease(office, stream, "Once upon")
    assert await said(office) == [("streaming", "Once upon")]
    row = await office.message(stream.message_id)
    assert (row.external_id, row.turn_id, row.epoch, row.author) == ("17.5", None, 0, "employee")
    assert b"Once" not in (row.sealed or b"")


async def test_while_a_lease_is_young_a_change_of_owner_waits(office: Office, asked: Accepted) -> None:
    stream = await begun(office, asked)
    assert not await is_sending(office, asked)
    await lease(office, stream, "Once upon")
    assert await is_sending(office, asked)
    await take_over(office, asked)
    assert await is_sending(office, asked)
    async with office.session() as session:
        await streams.gave_back(session, stream)
    assert not await is_sending(office, asked)


async def test_a_beginning_is_waited_for_until_it_is_known(office: Office, asked: Accepted) -> None:
    turn_id = new_id()
    await office.begin(asked, turn_id)
    stream = await begin(office, asked, turn_id)
    assert stream is not None
    assert await is_sending(office, asked)
    await take_over(office, asked)
    assert await is_sending(office, asked)
    async with office.session() as session:
        # It is to be ended by whoever began it.
        assert not await streams.started(session, stream, "17.5")
    assert not await is_sending(office, asked)
    async with office.session() as session:
        [shown] = await streams.cut_lately(session, asked.conversation_id)
    assert shown.external_id == "17.5"


async def test_a_takeover_ends_it_and_what_was_shown_was_said(office: Office, asked: Accepted) -> None:
    stream = await begun(office, asked)
    await take_over(office, asked)
    assert not await lease(office, stream, "Once upon")
    assert await said(office) == [("sent", "Once")]
    async with office.session() as session:
        latest = await window.latest(session, asked.conversation_id)
        ciphers = await office.vault.ciphers(session, [stream.cipher.contact_id])
    assert "Once" in [line.text(ciphers) for line in latest.lines]
    assert len(await office.events("message.cut")) == 1


async def test_handed_back_it_does_not_go_on(office: Office, asked: Accepted) -> None:
    stream = await begun(office, asked)
    for owner in ("agent", "employee"):
        await office.change_owner(asked.conversation_id, owner)
    assert not await lease(office, stream, "Once upon")


async def test_another_turn_ends_its_leases(office: Office, asked: Accepted) -> None:
    stream = await begun(office, asked)
    await office.say("And another thing.")
    await office.begin(asked, new_id())
    assert not await lease(office, stream, "Once upon")
    assert await said(office) == [("streaming", "Once")]


async def test_a_stop_ends_it(office: Office, asked: Accepted) -> None:
    stream = await begun(office, asked)
    async with office.session() as session:
        await withdrawing.abandon(session, asked.conversation_id, [asked.message_id], "stopped")
    assert not await lease(office, stream, "Once upon")
    assert await office.states() == ["stopped", "sent"]


async def test_where_only_cards_were_shown_nothing_was_said(office: Office, asked: Accepted) -> None:
    shown = await begun(office, asked, "")
    await take_over(office, asked)
    assert (await office.message(shown.message_id)).state == "discarded"


@pytest.mark.parametrize("owner", ["agent", "queue"])
async def test_nothing_begins_for_a_conversation_of_peoples(office: Office, asked: Accepted, owner: str) -> None:
    turn_id = new_id()
    await office.begin(asked, turn_id)
    await office.change_owner(asked.conversation_id, owner)
    assert await begin(office, asked, turn_id) is None


async def test_nothing_begins_of_a_turn_that_is_over_or_has_an_answer(office: Office, asked: Accepted) -> None:
    turn_id = new_id()
    await office.begin(asked, turn_id)
    assert await begin(office, asked, new_id()) is None
    await office.finish(asked, turn_id, "Hello!")
    assert await begin(office, asked, turn_id) is None
    assert await said(office) == [("pending", "Hello!")]


async def test_a_second_attempt_shows_nothing_beside_the_first(office: Office, asked: Accepted) -> None:
    stream = await begun(office, asked)
    assert await begin(office, asked, stream.turn_id) is None
    assert len(await said(office)) == 1


async def test_the_next_step_goes_on_once_with_what_was_parked_for_it(office: Office, asked: Accepted) -> None:
    stream = await begun(office, asked)

    async def resume(step: int) -> Stream | None:
        async with office.session() as session:
            return await streams.resume(session, office.vault, asked.conversation_id, stream.turn_id, step=step)

    assert await resume(1) is None
    async with office.session() as session:
        await streams.park(session, stream, 1)
    assert await resume(2) is None
    resumed = await resume(1)
    assert resumed is not None
    assert (resumed.shown, resumed.external_id) == ("Once", "17.5")
    # The one before has no hold on it any more, and after a crash nobody has.
    assert not await lease(office, stream, "Twice")
    assert await lease(office, resumed, "Once upon")
    assert await resume(1) is None


@pytest.mark.parametrize(("shown", "is_whole"), [("Once upon a time.", True), ("Once", False), (None, False)])
async def test_an_answer_takes_the_place_of_what_is_shown(
    office: Office, asked: Accepted, shown: str | None, is_whole: bool
) -> None:
    stream = await begun(office, asked)
    reply = await answer(office, asked, stream, "Once upon a time.", shown)
    send = await office.begin_send(asked, reply)
    assert isinstance(send, Send)
    assert send.stream is not None
    assert (send.stream.external_id, send.stream.is_whole) == ("17.5", is_whole)
    async with office.session() as session:
        await outbox.settle_sent(session, asked.conversation_id, reply, "17.5", was_resent=False, stream=send.stream)
    assert await said(office) == [("discarded", "Once"), ("sent", "Once upon a time.")]
    assert (await office.message(reply)).external_id == "17.5"


async def test_an_answer_that_is_discarded_leaves_what_is_shown_for_the_next_one(
    office: Office, asked: Accepted
) -> None:
    stream = await begun(office, asked)
    await answer(office, asked, stream, "Once upon a time.", "Once upon a time.")
    second, turn_id = await office.say("Shorter, please."), new_id()
    await office.begin(second, turn_id)
    assert await said(office) == [("streaming", "Once"), ("discarded", "Once upon a time.")]
    reply = await answer(office, second, replace(stream, turn_id=turn_id), "Once.")
    send = await office.begin_send(second, reply)
    assert isinstance(send, Send)
    assert send.stream is not None
    assert (send.stream.message_id, send.stream.is_whole) == (stream.message_id, False)


async def test_a_takeover_before_the_answer_is_sent_leaves_what_was_shown(office: Office, asked: Accepted) -> None:
    stream = await begun(office, asked)
    reply = await answer(office, asked, stream, "Once upon a time.")
    await take_over(office, asked)
    assert await said(office) == [("sent", "Once"), ("discarded", "Once upon a time.")]
    assert await office.begin_send(asked, reply) == "superseded"


async def test_an_answer_that_the_channel_refuses_leaves_what_was_shown(office: Office, asked: Accepted) -> None:
    stream = await begun(office, asked)
    reply = await answer(office, asked, stream, "Once upon a time.")
    await office.begin_send(asked, reply)
    async with office.session() as session:
        await outbox.settle_refused(session, asked.conversation_id, reply, ChannelRefused("No.", "is_archived"))
    assert await said(office) == [("sent", "Once"), ("failed", "Once upon a time.")]


async def test_what_never_began_is_nobodys(office: Office, asked: Accepted) -> None:
    stream = await begun(office, asked)
    async with office.session() as session:
        await streams.never_began(session, stream)
    assert await said(office) == [("discarded", "Once")]
    async with office.session() as session:
        assert not await streams.is_open(session, stream)


async def test_an_erased_contacts_stream_is_shredded_and_takes_no_more(office: Office, asked: Accepted) -> None:
    stream = await begun(office, asked)
    async with office.session() as session:
        await contacts.erase(session, office.tenant_id, stream.cipher.contact_id, actor="test")
    assert not await lease(office, stream, "Once upon")
    assert await said(office) == [("failed", "")]


async def test_what_ended_long_ago_is_not_ended_again(office: Office, asked: Accepted) -> None:
    stream = await begun(office, asked)
    await take_over(office, asked)
    async with office.session() as session:
        row = await session.get_one(Message, (office.tenant_id, stream.message_id))
        assert row.settled_at
        row.settled_at -= timedelta(hours=1)
    async with office.session() as session:
        assert await streams.cut_lately(session, asked.conversation_id) == []
