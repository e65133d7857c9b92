"""The window: in its order, as a copy outside the database, and the same for a turn whether or not a copy is there."""

import base64
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlmodel import col, select

from konstruct import connections, contacts, conversations, memory, outbox, revising, window, withdrawing
from konstruct.conversations import HandedOff, Turn
from konstruct.db import Database
from konstruct.errors import ChannelRefused
from konstruct.identity import ConversationId, MessageId, new_id
from konstruct.inbox import Accepted
from konstruct.memory import due, work
from konstruct.messages import reply_under_way
from konstruct.said import Said
from konstruct.tables import Conversation, Message
from konstruct.vault import Vault
from konstruct.window import Line, Window
from tests.support.office import REFUSING, Office, open_office

ONE, TWO, THREE = uuid4(), uuid4(), uuid4()


def line(seq: int, author: str = "contact", turn_id: UUID | None = ONE, **other: object) -> Line:
    at = datetime(2026, 11, 24, 12, seq % 60, 30, 123456, tzinfo=UTC)
    return replace(Line(uuid4(), seq, turn_id, author, uuid4(), f"sealed {seq}".encode(), None, at), **other)  # type: ignore[arg-type]


def seqs(lines: Sequence[Line]) -> list[int]:
    return [each.seq for each in lines]


def test_each_question_stands_before_its_answer() -> None:
    lines = [line(1), line(2, turn_id=TWO), line(3, "employee"), line(4, "employee"), line(5, "employee", TWO)]
    assert seqs(window.in_order(lines)) == [1, 3, 4, 2, 5]


def test_questions_that_were_answered_together_stay_together() -> None:
    lines = [line(1), line(2, turn_id=TWO), line(3), line(4, "employee"), line(5, "employee", TWO)]
    assert seqs(window.in_order(lines)) == [1, 3, 4, 2, 5]


def test_what_is_to_be_answered_comes_last() -> None:
    lines = [line(1, turn_id=TWO), line(2, "employee", THREE), line(3, turn_id=TWO)]
    assert seqs(window.in_order(lines)) == [1, 2, 3]
    assert seqs(window.in_order(lines, TWO)) == [2, 1, 3]


def test_what_got_no_answer_and_what_a_person_said_stay_in_their_place() -> None:
    lines = [line(1, turn_id=TWO), line(2, "agent", None), line(3, turn_id=None), line(4, "agent", None)]
    assert seqs(window.in_order(lines)) == [1, 2, 3, 4]
    assert window.contacts_in([lines[0], line(9, contact_id=None)]) == {lines[0].contact_id}


def test_a_copy_is_what_was_copied_and_nothing_of_it_is_plain() -> None:
    copied = Window(uuid4(), 7, 3, (line(4), line(5, "agent", None), line(6, contact_id=None)))
    copy = window.dump(copied)
    assert copy is not None
    assert window.load(copy) == copied
    assert "sealed 4" not in copy
    assert base64.b64encode(b"sealed 4").decode() in copy
    assert copied.after(4) == replace(copied, after_seq=4, lines=copied.lines[1:])
    plain = replace(copied, lines=(*copied.lines, line(7, sealed=None, body="canary")))
    assert window.dump(plain) is None


def _changed(place: int, value: object, *, of_line: bool = False) -> str:
    # These name their tests, and each process has to name them the same.
    copy: list[Any] = json.loads(window.dump(Window(UUID(int=7), 7, 3, (line(4),))) or "")
    (copy[4][0] if of_line else copy)[place] = value
    return json.dumps(copy)


# By place: what may not stand there, in a copy and in a line of it.
WRONG: dict[int, list[object]] = {
    0: [0, 1, 3, "2", None],
    1: ["canary", 5, None],
    2: ["7", 7.5, None, float("inf"), float("nan")],
    3: ["3", 3.5, None],
    4: [[[]], {"a": 1}, ["canary"], None],
}
WRONG_IN_A_LINE: dict[int, list[object]] = {
    0: [7, "canary", None],
    1: ["4", None],
    3: [7, None],
    5: ["ü", "=", None],
    6: ["yesterday", None],
    7: [7, ["canary"]],
}


@pytest.mark.parametrize(
    "copy",
    [
        *("", "null", "{}", "[]", "[1", "[1, 2, 3]", "[7, 0, []]", '"canary"', "\ud800", "[" * 100_000),
        *(_changed(place, value) for place, values in WRONG.items() for value in values),
        *(_changed(place, value, of_line=True) for place, values in WRONG_IN_A_LINE.items() for value in values),
    ],
)
def test_what_this_version_did_not_write_is_no_copy(copy: str) -> None:
    assert window.load(copy) is None


@given(st.text() | st.recursive(st.none() | st.floats() | st.text(), st.lists).map(json.dumps))
def test_no_garbage_is_taken_for_a_copy(copy: str) -> None:
    assert window.load(copy) is None


class _NotKept(Exception):
    pass


async def looked_back(office: Office, asked: Accepted, cached: Window | None = None) -> Turn:
    """What a turn that begins now is shown; nothing of it is kept."""
    turn: Turn | HandedOff | list[UUID] = []
    try:
        async with office.session() as session:
            turn = await conversations.begin_turn(session, office.vault, asked.conversation_id, new_id(), cached)
            raise _NotKept
    except _NotKept:
        assert isinstance(turn, Turn)
        return turn


async def copied(office: Office, asked: Accepted) -> Window:
    read = (await looked_back(office, asked)).window
    assert read is not None
    loaded = window.load(window.dump(read) or "")
    assert loaded == read
    return loaded


async def test_a_good_copy_is_used_and_no_other(office: Office) -> None:
    await office.exchange("First", "Answer")
    asked = await office.say("Second")
    copy = await copied(office, asked)
    altered = replace(copy, lines=copy.lines[:1])
    # What the database has is not looked at, so the altered copy shows; with it comes nothing to be copied.
    turn = await looked_back(office, asked, altered)
    assert (turn.said, turn.window) == ((Said("contact", "First", 1), Said("contact", "Second", 3)), None)

    whole = await looked_back(office, asked)
    assert [said.text for said in whole.said] == ["First", "Answer", "Second"]
    for stale in (
        replace(altered, revision=copy.revision - 1),
        replace(altered, revision=copy.revision + 1),
        replace(altered, after_seq=1),
        replace(altered, conversation_id=uuid4()),
    ):
        turn = await looked_back(office, asked, stale)
        assert (turn.said, turn.window) == (whole.said, copy)


async def test_a_copy_of_another_conversation_is_not_shown_even_at_the_same_revision(office: Office) -> None:
    await office.exchange("Canary")
    other = await copied(office, await office.say("Canary, too"))
    await office.exchange("First", root="2.0")
    asked = await office.say("Second", root="2.0")
    assert other.revision == (await copied(office, asked)).revision
    assert (await looked_back(office, asked, other)).said == (await looked_back(office, asked)).said


async def test_a_copy_that_reaches_further_back_than_the_summary_is_cut(office: Office) -> None:
    for number in range(4):
        await office.exchange(f"Line {number}", f"Answer {number}")
    asked = await office.say("Last")
    copy = await copied(office, asked)
    async with office.session() as session:
        opened = await due.open_work(session, office.vault, asked.conversation_id)
        assert await work.write_summary(session, office.vault, opened, opened.unsummarised[:4], "Two lines.")
    turn = await looked_back(office, asked, copy)
    assert [said.text for said in turn.said] == ["Line 2", "Answer 2", "Line 3", "Answer 3", "Last"]
    assert (turn.summary, turn.after_seq, turn.window) == ("Two lines.", 4, None)


async def test_what_fails_since_its_connection_was_closed_makes_copies_stale(office: Office) -> None:
    asked = await office.say("First")
    copy = await copied(office, asked)
    [reply] = await office.answer(asked)
    async with office.session() as session:
        await connections.mark(session, office.connection_id, status="revoked", reason="test", actor="test")
    assert await office.begin_send(asked, reply) == "failed"
    await office.say("Second")
    turn = await looked_back(office, asked, copy)
    assert turn.said == (await looked_back(office, asked)).said
    assert "First" in [said.text for said in turn.said]


async def test_what_is_under_way_counts_as_said_and_what_only_waits_does_not(office: Office) -> None:
    asked = await office.say("First")
    sending, _ = await office.answer(asked, "Under way", "Waiting")
    await office.say("Second")
    # What was asked is taken up again with what came in since, as long as nobody has begun to answer it.
    assert [said.text for said in (await looked_back(office, asked)).said] == ["First", "Second"]
    await office.begin_send(asked, sending)
    async with office.session() as session:
        latest = await window.latest(session, asked.conversation_id)
    assert [line.message_id for line in latest.lines] == [sending]


async def test_where_somebody_was_erased_the_others_window_is_copied_all_the_same(office: Office) -> None:
    await office.exchange("Mine", "Yours", contact="U1")
    asked = await office.exchange("Theirs", "Canary", contact="U2")
    async with office.session() as session:
        found = await contacts.find(session, "U1")
        await contacts.erase(session, office.tenant_id, found.contact_id, actor="test")
    await office.say("More", contact="U2")
    assert [line.seq for line in (await copied(office, asked)).lines] == [3]


class History:
    """A conversation that anything may have happened to."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._said: list[str] = []

    async def say(self, contact: str = "U1", *, refused: bool = False) -> Accepted:
        self._said.append(f"C1:{new_id()}")
        text, external_id = f"Line {len(self._said)}", self._said[-1]
        limiter = REFUSING if refused else None
        return await self._office.say(text, contact=contact, external_id=external_id, limiter=limiter)

    async def exchange(self, _: int) -> None:
        await self._come_to_an_end()
        await self._office.exchange(f"Question {len(self._said)}", "Answer", "in parts")

    async def another_speaks(self, number: int) -> None:
        await self.say(f"U{2 + number % 2}")

    async def is_refused(self, _: int) -> None:
        await self.say(refused=True)

    async def think(self, _: int) -> None:
        await self._come_to_an_end()
        await self._office.answer(await self.say(), "Thought", "in parts")

    async def begin_send(self, _: int) -> None:
        for message in await self._in_state("pending"):
            await self._office.begin_send(self._asked(message), message.id)

    async def settle_sent(self, number: int) -> None:
        for message in (await self._in_state("sending"))[: 1 + number % 2]:
            await self._office.settle_sent(self._asked(message), message.id)

    async def settle_unsent(self, _: int) -> None:
        for message in await self._in_state("sending"):
            async with self._office.session() as session:
                await outbox.settle_unsent(session, message.conversation_id, message.id)

    async def settle_refused(self, _: int) -> None:
        for message in await self._in_state("sending"):
            async with self._office.session() as session:
                error = ChannelRefused("It is archived.", "is_archived")
                await outbox.settle_refused(session, message.conversation_id, message.id, error)

    async def edit(self, number: int) -> None:
        external_id = self._said[number % len(self._said)]
        async with self._office.session() as session:
            await revising.edit(session, self._office.vault, self._office.ref, external_id, f"Edited {number}")

    async def remove(self, number: int) -> None:
        async with self._office.session() as session:
            await revising.remove(session, self._office.vault, self._office.ref, self._said[number % len(self._said)])

    async def stop(self, _: int) -> None:
        asked = await self.say()
        await self._office.begin(asked, new_id())
        taken = [message.id for message in await self._in_state("taken")]
        async with self._office.session() as session:
            await withdrawing.abandon(session, asked.conversation_id, taken, "stopped")

    async def forget(self, number: int) -> None:
        messages = await self._office.rows(Message)
        message = messages[number % len(messages)]
        if message.contact_id is not None:
            async with self._office.session() as session:
                await memory.forget(session, message.contact_id, message_ids=[message.id])

    async def summarise(self, _: int) -> None:
        conversation_id = (await self._office.rows(Message))[0].conversation_id
        async with self._office.session() as session:
            opened = await due.open_work(session, self._office.vault, conversation_id)
            if said := work.to_summarise(opened.unsummarised, 0):
                await work.write_summary(session, self._office.vault, opened, said, "Notes")

    async def _come_to_an_end(self) -> None:
        """No turn begins before."""
        for message in [*await self._in_state("sending"), *await self._in_state("pending")]:
            await self._office.begin_send(self._asked(message), message.id)
            await self._office.settle_sent(self._asked(message), message.id)

    async def is_under_way(self) -> bool:
        conversation = (await self._office.rows(Conversation))[0]
        async with self._office.session() as session:
            return bool(await reply_under_way(session, conversation.turn_id))

    async def _in_state(self, state: str) -> list[Message]:
        async with self._office.session() as session:
            found = await session.scalars(select(Message).where(col(Message.state) == state).order_by(col(Message.seq)))
            return list(found)

    def _asked(self, message: Message) -> Accepted:
        return Accepted(ConversationId(message.conversation_id), MessageId(message.id), is_new=True)


STEPS: list[Callable[[History, int], Awaitable[None]]] = [
    *(History.exchange, History.another_speaks, History.is_refused, History.think, History.begin_send),
    *(History.settle_sent, History.settle_unsent, History.settle_refused, History.edit, History.remove),
    *(History.stop, History.forget, History.summarise),
]


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 20)), min_size=3, max_size=10))
@example([(History.exchange, 0), (History.think, 0), (History.begin_send, 0)])
@example([(History.exchange, 0), (History.exchange, 0), (History.edit, 0), (History.summarise, 0), (History.edit, 0)])
async def test_whatever_happened_a_turn_sees_the_same_with_a_copy_as_without(
    database: Database, vault: Vault, steps: list[tuple[Callable[[History, int], Awaitable[None]], int]]
) -> None:
    office = await open_office(database, vault)
    history = History(office)
    asked = await history.say()
    copies = [await copied(office, asked)]
    for step, number in steps:
        await step(history, number)
        # Something has to wait, or no turn begins.
        await history.say()
        if await history.is_under_way():
            continue
        truth = await looked_back(office, asked)
        for copy in copies:
            turn = await looked_back(office, asked, copy)
            assert (turn.said, turn.summary, turn.after_seq) == (truth.said, truth.summary, truth.after_seq)
        copies = [await copied(office, asked), *copies[:2]]
