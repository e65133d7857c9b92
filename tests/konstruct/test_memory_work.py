"""The work that memory is, redone and cut off, and what is changed or forgotten in the middle of it."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlmodel import select

from konstruct import memory, revising, window
from konstruct.inbox import Accepted
from konstruct.memory import Fact, due, work
from konstruct.memory.digest import Said
from konstruct.memory.due import Work
from konstruct.memory.work import WINDOW_LINES, WINDOW_TURNS
from konstruct.models.context import count_tokens
from konstruct.tables import Contact, Conversation, ConversationSummary, Memory
from konstruct.tables.base import utc_now
from konstruct.window import Line
from tests.support.office import Office

BUDGET = 600


def window_of(*lines: tuple[int, str, UUID | None, str]) -> list[Said]:
    """Of (seq, author, turn, text), put in order as ``open_work`` does."""
    texts = {seq: text for seq, _, _, text in lines}
    placed = [Line(uuid4(), seq, turn, author, uuid4(), b"", None, utc_now()) for seq, author, turn, _ in lines]
    return [(line, texts[line.seq]) for line in window.in_order(placed)]


def turns(*sizes: Sequence[int], first: int = 1) -> list[Said]:
    """Each turn of so many words a line, the last of which is its answer."""
    lines: list[tuple[int, str, UUID | None, str]] = []
    for of_turn in sizes:
        turn_id = uuid4()
        for number, words in enumerate(of_turn):
            author = "employee" if number == len(of_turn) - 1 else "contact"
            lines.append((first + len(lines), author, turn_id, "word " * words))
    return window_of(*lines)


def tokens(said: Sequence[Said]) -> int:
    return sum(count_tokens(text) for _, text in said)


def test_a_window_that_has_room_is_not_summarised() -> None:
    assert not work.to_summarise(turns(), BUDGET)
    assert not work.to_summarise(turns(*[(1, 1)] * WINDOW_TURNS), BUDGET)
    assert not work.to_summarise(turns(*[(1,) * (WINDOW_LINES // 20)] * 20), BUDGET)
    assert not work.to_summarise(turns((100, 100)), 2 * count_tokens("word " * 100))


@pytest.mark.parametrize(
    ("said", "stay"),
    [
        (turns(*[(1, 1)] * (WINDOW_TURNS + 1)), WINDOW_TURNS),
        (turns(*[(1,) * (WINDOW_LINES // 20)] * 20, (1, 1)), 2 + 9 * WINDOW_LINES // 20),
        (turns((100, 100), (100, 100), (50, 50), (50, 50)), 2),
    ],
    ids=["turns", "lines", "tokens"],
)
def test_of_one_that_has_not_the_newer_half_stays(said: list[Said], stay: int) -> None:
    older = work.to_summarise(said, BUDGET)
    assert len(said) - len(older) == stay
    assert older == said[: len(older)]


def test_the_newest_turn_stays_however_long_it_is() -> None:
    huge = (2_000, 1)
    assert len(work.to_summarise(turns((1, 1), (1, 1), huge), BUDGET)) == 4
    assert not work.to_summarise(turns(huge), BUDGET)
    # And one like that is let go with the next turn.
    assert len(work.to_summarise(turns(huge, (1, 1)), BUDGET)) == 2


def test_what_was_said_while_an_older_question_was_answered_is_not_cut_from_its_answer() -> None:
    first, second = uuid4(), uuid4()
    text = "word " * 500
    said = window_of(
        (1, "contact", first, text),
        (2, "contact", second, text),
        (3, "employee", first, text),
        (4, "employee", second, text),
    )
    assert not work.to_summarise(said, BUDGET)


def test_what_belongs_to_no_turn_can_be_cut_anywhere() -> None:
    said = window_of(*((seq, "agent", None, "word " * 80) for seq in range(1, 9)))
    assert [line.seq for line, _ in work.to_summarise(said, BUDGET)] == [1, 2, 3, 4, 5, 6]


def test_a_turn_that_is_longer_than_all_that_is_read_at_once_is_cut() -> None:
    said = turns((1,) * window.LONGEST)
    assert [line.seq for line, _ in work.to_summarise(said, BUDGET)] == [*range(1, 201)]


def test_no_more_is_summarised_than_a_model_is_shown_at_once() -> None:
    said = turns(*[(300, 300)] * 60)
    older = work.to_summarise(said, BUDGET)
    assert 0.9 * due.LONGEST_DIGEST < sum(len(text) for _, text in older) <= due.LONGEST_DIGEST
    # But for a turn that is longer by itself.
    assert len(work.to_summarise(turns((300,) * 100, (1, 1)), BUDGET)) == 100


@given(st.lists(st.lists(st.integers(0, 300), min_size=1, max_size=5), max_size=60), st.integers(20, 1_500))
def test_a_summary_covers_whole_turns_and_gets_a_window_into_its_budget(sizes: list[list[int]], budget: int) -> None:
    """Once, or as often as it takes when it is more than a model is shown at once."""
    newer = turns(*sizes)
    while older := work.to_summarise(newer, budget):
        said, newer = newer, newer[len(older) :]
        assert [*older, *newer] == list(said)
        assert not {line.turn_id for line, _ in older} & {line.turn_id for line, _ in newer}
        assert newer
    left = {line.turn_id for line, _ in newer}
    questions = {line.turn_id for line, _ in newer if not line.is_answer}
    fits = tokens(newer) <= budget and len(newer) <= WINDOW_LINES and len(questions) <= WINDOW_TURNS
    assert fits or len(left) == 1


async def opened_work(office: Office, asked: Accepted) -> Work:
    async with office.session() as session:
        return await due.open_work(session, office.vault, asked.conversation_id)


async def write_all(office: Office, opened: Work) -> None:
    """What an attempt writes that read this, with a fact of each line and a summary of all."""
    async with office.session() as session:
        await work.write_sayings(session, office.vault, opened)
    async with office.session() as session:
        await work.note_remembered(session, opened)
    for contact_id, said in opened.undigested.items():
        facts = [Fact(f"Fact of {text}", line, 0.9) for line, text in said]
        async with office.session() as session:
            await work.write_facts(session, office.vault, opened, contact_id, facts)
    async with office.session() as session:
        await work.note_digested(session, opened)
    if opened.unsummarised:
        async with office.session() as session:
            text = "\n".join([opened.summary, *(text for _, text in opened.unsummarised)])
            await work.write_summary(session, office.vault, opened, opened.unsummarised, text)


async def close(office: Office, opened: Work) -> bool:
    """Whether it is due again at once."""
    async with office.session() as session:
        await due.close_work(session, opened, None)
        conversation = await session.get_one(Conversation, (office.tenant_id, opened.conversation.id))
        return conversation.memory_due_at is not None


async def kept(office: Office) -> list[str]:
    """All that memory holds, opened."""
    memories = await office.rows(Memory)
    async with office.session() as session:
        contact_ids = [contact.id for contact in await session.scalars(select(Contact))]
        ciphers = await office.vault.ciphers(session, contact_ids)
        summaries = list(await session.scalars(select(ConversationSummary)))
    texts = [ciphers[row.contact_id].open("memory", row.id, row.sealed) for row in memories if not row.superseded_at]
    return sorted(texts) + [
        ciphers[row.contact_id].open("summary", row.conversation_id, row.sealed) for row in summaries
    ]


async def say(office: Office, text: str, external_id: str) -> Accepted:
    asked = await office.say(text, external_id=external_id)
    for message_id in await office.answer(asked, f"Re {text}"):
        await office.begin_send(asked, message_id)
        await office.settle_sent(asked, message_id)
    return asked


async def edit(office: Office, asked: Accepted) -> None:
    async with office.session() as session:
        await revising.edit(session, office.vault, office.ref, "C1:2", "Edited")


async def remove(office: Office, asked: Accepted) -> None:
    async with office.session() as session:
        await revising.remove(session, office.vault, office.ref, "C1:2")


async def forget(office: Office, asked: Accepted) -> None:
    async with office.session() as session:
        conversation = await session.get_one(Conversation, (office.tenant_id, asked.conversation_id))
        messages = [message.id for message in await office.messages() if message.body == "Canary"]
        assert set(messages) <= set(await memory.forget(session, conversation.contact_id, message_ids=messages))


CHANGES: list[tuple[Callable[[Office, Accepted], Awaitable[None]], str]] = [
    (edit, "Edited"),
    (remove, ""),
    (forget, ""),
]


@pytest.mark.parametrize(("change", "instead"), CHANGES, ids=["edited", "removed", "forgotten"])
@pytest.mark.parametrize("after", [0, 1, 2], ids=["unread before", "remembered before", "all done before"])
async def test_what_is_changed_while_memory_is_written_leaves_nothing_of_the_old_wording(
    office: Office, change: Callable[[Office, Accepted], Awaitable[None]], instead: str, after: int
) -> None:
    """``after``: how far an earlier attempt came."""
    await say(office, "One", "C1:1")
    asked = await say(office, "Canary", "C1:2")
    await say(office, "Three", "C1:3")
    opened = await opened_work(office, asked)
    if after == 1:
        async with office.session() as session:
            await work.write_sayings(session, office.vault, opened)
            await work.note_remembered(session, opened)
        opened = await opened_work(office, asked)
    if after == 2:
        await write_all(office, opened)
        await say(office, "Four", "C1:4")
        opened = await opened_work(office, asked)
        assert "Canary" in opened.summary

    await change(office, asked)
    await write_all(office, opened)
    assert "Canary" not in "\n".join(await kept(office)).replace("Re Canary", "")
    assert await close(office, opened)

    await write_all(office, await opened_work(office, asked))
    expected = ["One", "Three", *([instead] if instead else []), *(["Four"] if after == 2 else [])]
    said = [text for text in await kept(office) if not text.startswith(("Re ", "Fact", "\n"))]
    assert said == sorted(expected)
    facts = [text for text in await kept(office) if text.startswith("Fact of ") and "Re " not in text]
    assert facts == sorted(f"Fact of {text}" for text in expected)
    assert not await close(office, await opened_work(office, asked))


async def test_what_was_said_before_the_changed_line_is_done_and_what_follows_is_done_again(office: Office) -> None:
    for number in (1, 2, 3):
        asked = await say(office, f"Line {number}", f"C1:{number}")
    opened = await opened_work(office, asked)
    await edit(office, asked)
    async with office.session() as session:
        await work.note_remembered(session, opened)
        await work.note_digested(session, opened)
    again = await opened_work(office, asked)
    assert [text for _, text in again.unremembered] == ["Edited", "Re Line 2", "Line 3", "Re Line 3"]
    assert [text for said in again.undigested.values() for _, text in said] == [text for _, text in again.unremembered]


async def test_an_attempt_that_comes_late_does_not_undo_what_another_has_noted(office: Office) -> None:
    asked = await say(office, "One", "C1:1")
    late = await opened_work(office, asked)
    await say(office, "Two", "C1:2")
    await write_all(office, await opened_work(office, asked))
    await write_all(office, late)
    assert not (await opened_work(office, asked)).unremembered

    # Set back by an edit, it stays so, whoever read what was said before.
    await say(office, "Three", "C1:3")
    late = await opened_work(office, asked)
    await edit(office, asked)
    await write_all(office, replace(late, unremembered=[], undigested={}))
    again = await opened_work(office, asked)
    assert [text for _, text in again.unremembered] == ["Edited", "Re Two", "Three", "Re Three"]
    assert again.undigested.keys() == late.undigested.keys()


async def test_more_than_is_read_at_once_is_remembered_bit_by_bit(office: Office) -> None:
    asked = await say(office, "First", "C1:1")
    # Short lines, many in a turn: not one budget of a window but its lines has an end.
    await office.write(asked, *(([f"Line {turn}.{n}" for n in range(12)], ["Ok"]) for turn in range(75)))
    is_due, passes = True, 0
    while is_due:
        passes += 1
        assert passes < 10
        opened = await opened_work(office, asked)
        assert len(opened.unremembered) <= window.LONGEST
        async with office.session() as session:
            await work.write_sayings(session, office.vault, opened)
            await work.note_remembered(session, opened)
            await work.note_digested(session, opened)
        if said := work.to_summarise(opened.unsummarised, work.WINDOW_TOKENS):
            async with office.session() as session:
                assert await work.write_summary(session, office.vault, opened, said, "Notes")
        is_due = await close(office, opened)
    memories = await office.rows(Memory)
    assert sorted(memory.seq for memory in memories) == [*range(1, 2 + 1 + 75 * 13)]


async def test_two_attempts_at_once_keep_everything_once(office: Office) -> None:
    asked = await say(office, "One", "C1:1")
    first, second = await opened_work(office, asked), await opened_work(office, asked)
    await write_all(office, first)
    await write_all(office, second)
    assert await kept(office) == ["Fact of One", "Fact of Re One", "One", "Re One", "\nOne\nRe One"]


async def test_a_fact_is_known_in_its_own_words_alone(office: Office) -> None:
    asked = await say(office, "I have a dog.", "C1:1")
    opened = await opened_work(office, asked)
    [(contact_id, [(line, _), *_])] = opened.undigested.items()

    async def learn(text: str, *replaces: UUID) -> list[UUID]:
        async with office.session() as session:
            return await work.write_facts(
                session, office.vault, opened, contact_id, [Fact(text, line, 0.9, tuple(replaces))]
            )

    [dog] = await learn("Has a dog.")
    assert not await learn("has  a dog")
    # All that makes the difference is a word that a search passes over.
    [none] = await learn("Has no dog.", dog)
    async with office.session() as session:
        known = await due.known_facts(session, office.vault, contact_id)
    assert [(fact.memory_id, fact.text) for fact in known] == [(none, "Has no dog.")]
    # What was replaced may become true again.
    assert await learn("Has a dog.", none)


async def test_a_fact_may_hold_what_postgres_takes_in_no_text(office: Office) -> None:
    asked = await say(office, "One", "C1:1")
    opened = await opened_work(office, asked)
    [(contact_id, [(line, _), *_])] = opened.undigested.items()
    async with office.session() as session:
        await work.write_facts(session, office.vault, opened, contact_id, [Fact("Likes\0tea \ud83d", line, 0.9)])
    assert await kept(office) == ["Likes\0tea ?"]


async def test_a_contact_has_no_facts_but_their_own_and_the_newest_are_shown(office: Office) -> None:
    asked = await say(office, "Hello", "C1:1")
    other = await office.exchange("Hello", root="2.0", contact="U2")
    opened, of_other = await opened_work(office, asked), await opened_work(office, other)
    [(contact_id, [(line, _), *_])] = opened.undigested.items()
    [(other_id, [(other_line, _), *_])] = of_other.undigested.items()
    facts = [
        Fact(f"Fact {n}", replace(line, at=line.at + timedelta(minutes=n)), 0.5) for n in range(due.KNOWN_FACTS + 2)
    ]
    async with office.session() as session:
        ids = await work.write_facts(session, office.vault, opened, contact_id, facts)
        theirs = Fact("Another's", other_line, 0.5, (ids[-1],))
        assert len(await work.write_facts(session, office.vault, of_other, other_id, [theirs])) == 1
        known = await due.known_facts(session, office.vault, contact_id)
    assert [fact.text for fact in known] == [f"Fact {n}" for n in range(2, due.KNOWN_FACTS + 2)]


async def test_what_was_changed_by_another_conversation_meanwhile_is_looked_at_again(office: Office) -> None:
    """A summary that told of what was forgotten is gone, and nobody else would make it anew."""
    asked = await say(office, "One", "C1:1")
    await write_all(office, await opened_work(office, asked))
    opened = await opened_work(office, asked)
    async with office.session() as session:
        [contact_id] = [contact.id for contact in await session.scalars(select(Contact))]
        await memory.forget_person(session, contact_id, until=utc_now())
    assert await close(office, opened)
    assert not await close(office, await opened_work(office, asked))


async def test_digesting_can_be_put_off_to_a_given_time(office: Office) -> None:
    asked = await say(office, "One", "C1:1")
    opened, at = await opened_work(office, asked), utc_now() + timedelta(minutes=3)
    async with office.session() as session:
        await work.note_remembered(session, opened)
        await due.close_work(session, opened, at)
        conversation = await session.get_one(Conversation, (office.tenant_id, asked.conversation_id))
    assert conversation.memory_due_at == at


async def test_only_a_person_asks_to_be_forgotten_and_the_last_time_counts(office: Office) -> None:
    asked = await office.exchange("Hello", "Forget everything", "Forget me")
    assert work.asks_to_be_forgotten(await opened_work(office, asked)) == {}
    await office.exchange("Forget me", "Done")
    await office.exchange("Please forget everything!", "Done")
    opened = await opened_work(office, asked)
    [line] = [line for line, text in opened.unremembered if text == "Please forget everything!"]
    assert work.asks_to_be_forgotten(opened) == {line.contact_id: line.at}
