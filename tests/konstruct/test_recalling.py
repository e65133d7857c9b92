"""Recall over the real database: whose memories come up, by their words and by vectors that are put in directly."""

import math
import random
from collections.abc import Mapping, Sequence
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text as sql
from sqlmodel import col, select

from konstruct import contacts, memory, searching
from konstruct.inbox import Accepted
from konstruct.memory import Fact, Question, Recalled, due, recalling, work
from konstruct.tables import Memory, MemoryVector
from tests.support.office import Office


async def remember(office: Office, text: str, answer: str = "Ok", *, root: str, contact: str = "U1") -> Accepted:
    """One exchange of this conversation, which is remembered with all before."""
    asked = await office.exchange(text, answer, root=root, contact=contact)
    async with office.session() as session:
        opened = await due.open_work(session, office.vault, asked.conversation_id)
        await work.write_sayings(session, office.vault, opened)
    return asked


async def learn(
    office: Office, asked: Accepted, *texts: str, replaces: Sequence[UUID] = (), line_number: int = 0
) -> list[UUID]:
    """Facts of one line of a conversation."""
    async with office.session() as session:
        opened = await due.open_work(session, office.vault, asked.conversation_id)
        line, _ = opened.unsummarised[line_number]
        assert line.contact_id
        facts = [Fact(text, line, 0.9, tuple(replaces)) for text in texts]
        return await work.write_facts(session, office.vault, opened, line.contact_id, facts)


async def contact_id(office: Office, named: str = "U1") -> UUID:
    async with office.session() as session:
        return (await contacts.find(session, named)).contact_id


async def place(office: Office, model: str, vectors: Mapping[UUID, Sequence[float]]) -> None:
    async with office.session() as session:
        await memory.keep_vectors(session, office.tenant_id, model, vectors)


async def ask(
    office: Office,
    text: str,
    vectors: Mapping[str, Sequence[float]] | None = None,
    *,
    contact: str = "U1",
    at_most: int = 10,
    hand: tuple[UUID, int] | None = None,
    exact_up_to: int = searching.EXACT_UP_TO,
) -> list[Recalled]:
    """``hand``: the conversation at hand, and after which message it is."""
    question = Question(await contact_id(office, contact), text, vectors or {}, *(hand or (None, 0)))
    async with office.session() as session:
        return await memory.recall(
            session, office.vault, office.tenant_id, question, at_most=at_most, exact_up_to=exact_up_to
        )


def texts(found: Sequence[Recalled]) -> list[str]:
    return [each.text for each in found]


async def ids(office: Office) -> dict[str, UUID]:
    return {text: row.id for text, row in (await memories(office)).items()}


async def memories(office: Office) -> dict[str, Memory]:
    """By what they say."""
    rows = await office.rows(Memory)
    async with office.session() as session:
        ciphers = await office.vault.ciphers(session, {row.contact_id for row in rows})
    return {ciphers[row.contact_id].open("memory", row.id, row.sealed): row for row in rows}


async def test_a_rare_word_outweighs_common_ones_and_stems_are_one_word(office: Office) -> None:
    for number in range(8):
        await remember(office, f"The weather is fine on day {number}.", root=str(number))
    await remember(office, "My bicycles are squeaking.", root="9")
    found = await ask(office, "Weather on a day with a squeaky bicycle, fine day?")
    assert found[0].text == "My bicycles are squeaking."
    assert len(found) == 9 + 1  # Its neighbour, the answer, comes along.
    found = await ask(office, "BICYCLE!")
    assert texts(found) == ["My bicycles are squeaking.", "Ok"]
    assert found[1].score == pytest.approx(recalling.NEIGHBOUR * found[0].score)
    assert found[0].score == pytest.approx(recalling.WORDS)
    assert (found[0].kind, found[0].speaker, found[1].speaker) == ("said", "contact", "employee")


async def test_a_short_text_and_a_word_said_often_count_for_more(office: Office) -> None:
    asked = await remember(office, "Hello", root="1")
    much = "Tea, and many other things that one may want to drink before breakfast, at work, in bed and on holidays."
    await learn(office, asked, much, "Likes tea.", "Tea or green tea.", "Coffee")
    assert texts(await ask(office, "tea")) == ["Tea or green tea.", "Likes tea.", much]
    # How often the question has a word does not matter, but how many of its words are there does.
    assert texts(await ask(office, "tea tea tea breakfast", at_most=1)) == [much]


async def test_what_is_rare_or_long_is_so_among_the_contacts_own(office: Office) -> None:
    asked = await remember(office, "Hello", root="1")
    await learn(office, asked, "Tea, tea and more tea", "Likes coffee and tea.", "Has a dog and a cat.")
    rows = {text: row.length for text, row in (await memories(office)).items()}
    assert (rows["Tea, tea and more tea"], rows["Has a dog and a cat."]) == (3, 2)
    before = await ask(office, "tea or a dog")
    other = await remember(office, "Hello", root="2", contact="U2")
    await learn(office, other, *(f"A dog named {number}" for number in range(40)))
    assert await ask(office, "tea or a dog") == before


@pytest.mark.parametrize("question", ["", " ", "the", "What is it that you have?", "?!…", "🚲", "zebra", "' \\ : | &"])
async def test_a_question_without_a_word_that_was_said_finds_nothing(office: Office, question: str) -> None:
    await remember(office, "My bicycle is what I have.", root="1")
    assert await ask(office, question) == []


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.text(max_size=60) | st.text(alphabet="'\\:|&!()<->*\" \tabc123äß日🚲"))
async def test_nothing_that_is_said_or_asked_breaks_the_search(office: Office, text: str) -> None:
    text = text.replace("\0", "").encode("utf-8", "replace").decode()
    asked = await remember(office, f"Zebra {text}", root=str(uuid4()))
    found = await ask(office, f"{text} zebra", at_most=1_000)
    assert (asked.message_id, f"Zebra {text}") in [(each.message_id, each.text) for each in found]


async def test_what_nobody_can_type_is_looked_for_all_the_same(office: Office) -> None:
    await remember(office, "A zebra", root="1")
    assert texts(await ask(office, "zebra\0 \ud800 " + "x" * 3_000 + " word" * 20_000))[0] == "A zebra"


async def test_meaning_and_words_count_alike_and_both_together_most(office: Office) -> None:
    asked = await remember(office, "Hello", root="1")
    both, near, named, neither = await learn(office, asked, "Red bicycle", "Blue velocipede", "Old bicycle", "Tea")
    await place(office, "m", {both: [1, 0], near: [1, 0.1], named: [0, 1], neither: [-1, 0]})
    found = await ask(office, "bicycle", {"m": [1.0, 0.0]})
    assert texts(found[:3]) == ["Red bicycle", "Old bicycle", "Blue velocipede"]
    scores = {each.text: each.score for each in found}
    assert scores["Red bicycle"] == pytest.approx(1.0)
    assert scores["Old bicycle"] == pytest.approx(recalling.WORDS + recalling.MEANING * 0.5, abs=0.01)
    assert scores["Tea"] == pytest.approx(0.0)
    assert texts(await ask(office, "the", {"m": [0.0, 1.0]}, at_most=1)) == ["Old bicycle"]
    assert await ask(office, "the") == []


async def test_what_replaced_or_unlearned_facts_said_does_not_come_up(office: Office) -> None:
    asked = await remember(office, "Hello", root="1")
    [old] = await learn(office, asked, "Lives in Bremen.")
    await place(office, "m", {old: [1.0, 0.0]})
    [new] = await learn(office, asked, "Lives in Hamburg.", replaces=[old])
    await place(office, "m", {old: [1.0, 0.0], new: [0.0, 1.0]})
    assert texts(await ask(office, "Bremen? Where one lives", {"m": [1.0, 0.0]})) == ["Lives in Hamburg."]
    async with office.session() as session:
        assert [row.memory_id for row in await session.scalars(select(MemoryVector))] == [new]
        assert await memory.to_embed(session, office.vault, "other", [old]) == []
        assert [each.memory_id for each in await memory.to_embed(session, office.vault, "other", [new])] == [new]
        assert await memory.to_embed(session, office.vault, "m", [new]) == []


async def test_nothing_of_another_contact_comes_up(office: Office) -> None:
    mine = await remember(office, "My bicycle is red.", root="1")
    theirs = await remember(office, "My bicycle is blue.", root="2", contact="U2")
    # In one thread, too.
    await remember(office, "And their bicycle is green.", root="1", contact="U2")
    for asked, fact in ((mine, "A red bicycle"), (theirs, "A blue bicycle")):
        await learn(office, asked, fact)
    known = await ids(office)
    await place(office, "m", {memory_id: [1.0, 0.0] for memory_id in known.values()})
    found = set(texts(await ask(office, "bicycle", {"m": [1.0, 0.0]}, at_most=100)))
    assert found == {"My bicycle is red.", "A red bicycle", "Ok"}
    found = set(texts(await ask(office, "bicycle", {"m": [1.0, 0.0]}, at_most=100, contact="U2")))
    assert found == {"My bicycle is blue.", "And their bicycle is green.", "A blue bicycle", "Ok"}
    async with office.session() as session:
        assert await memory.count_sayings(session, await contact_id(office, "U2")) == 3


async def test_contacts_that_are_one_person_share_all(office: Office) -> None:
    mine = await remember(office, "My bicycle is red.", root="1")
    theirs = await remember(office, "My bicycle is blue.", root="2", contact="U2")
    await remember(office, "My bicycle is a secret.", root="3", contact="U3")
    [fact], [other] = await learn(office, mine, "A red one"), await learn(office, theirs, "A blue one")
    await place(office, "m", {fact: [1.0, 0.0]})
    await place(office, "n", {other: [1.0, 0.0]})
    one, two = await contact_id(office, "U1"), await contact_id(office, "U2")
    async with office.session() as session:
        assert await memory.known_models(session, office.tenant_id, one) == ["m"]
        await contacts.join(session, office.tenant_id, one, two, actor="test")
    for contact in ("U1", "U2"):
        found = await ask(office, "bicycle", {"m": [1.0, 0.0], "n": [1.0, 0.0]}, contact=contact, at_most=100)
        assert set(texts(found)) == {"My bicycle is red.", "My bicycle is blue.", "A red one", "A blue one", "Ok"}
        async with office.session() as session:
            models = await memory.known_models(session, office.tenant_id, await contact_id(office, contact))
        assert models == ["m", "n"]


@pytest.mark.parametrize("exact_up_to", [searching.EXACT_UP_TO, 0])
@pytest.mark.parametrize("dimensions", [2, 384])
async def test_what_is_at_hand_is_left_out_and_takes_nobodys_place(
    office: Office, dimensions: int, exact_up_to: int
) -> None:
    """A long conversation is near to nothing but itself."""
    older = await remember(office, "My bicycle is an old Peregrine.", "An old one!", root="1")
    [elsewhere] = await learn(office, older, "Has an old bicycle.")
    at_hand = await office.exchange("My bicycle is early.", "It is early.", root="2")
    turns = [([f"My bicycle {n}"], [f"Bicycle {n}"]) for n in range(2 * recalling.CANDIDATES)]
    await office.write(at_hand, *turns)
    async with office.session() as session:
        opened = await due.open_work(session, office.vault, at_hand.conversation_id)
        await work.write_sayings(session, office.vault, opened)
    rest = [0.0] * (dimensions - 2)
    chance = random.Random(5)
    known = await ids(office)
    near = {memory_id: [1.0, chance.random() / 10, *rest] for memory_id in known.values()}
    await place(office, "m", {**near, elsewhere: [1.0, 1.0, *rest]})

    question = {"m": [1.0, 0.0, *rest]}
    found = await ask(
        office, "bicycle", question, hand=(at_hand.conversation_id, 2), at_most=400, exact_up_to=exact_up_to
    )
    assert set(texts(found)) == {
        *("My bicycle is an old Peregrine.", "An old one!", "Has an old bicycle."),
        *("My bicycle is early.", "It is early."),
    }
    found = await ask(office, "the", question, hand=(at_hand.conversation_id, 2), exact_up_to=exact_up_to)
    assert len(found) == 5
    assert len(await ask(office, "bicycle", question, at_most=400)) >= recalling.CANDIDATES


async def test_the_best_bring_what_was_said_just_before_and_after(office: Office) -> None:
    for text, answer in [("Nothing", "Which?"), ("It is a Peregrine.", "Nice."), ("Indeed.", "Bye.")]:
        asked = await remember(office, text, answer, root="1")
    found = await ask(office, "Peregrine")
    assert texts(found)[0] == "It is a Peregrine."
    scores = {each.text: each.score for each in found}
    share = pytest.approx(recalling.NEIGHBOUR * recalling.WORDS)
    assert scores == {"Which?": share, "It is a Peregrine.": pytest.approx(recalling.WORDS), "Nice.": share}
    # Not from what is at hand anyway.
    assert set(texts(await ask(office, "Peregrine", hand=(asked.conversation_id, 3)))) == {
        "Which?",
        "It is a Peregrine.",
    }
    # A fact is no neighbour and has none, though it has its message's place.
    await learn(office, asked, "A fact of the answer", line_number=3)
    assert "A fact of the answer" not in texts(await ask(office, "Peregrine"))
    async with office.session() as session:
        await session.execute(sql("delete from memories where seq = 3 and kind = 'said'"))
    await learn(office, asked, "Falcon")
    assert texts(await ask(office, "Falcon")) == ["Falcon"]


async def test_a_neighbour_that_was_found_itself_rises(office: Office) -> None:
    await remember(office, "Is the bicycle a Peregrine?", "Peregrine it is.", root="1")
    await remember(office, "Peregrine it was, then.", root="2")
    found = await ask(office, "Peregrine")
    scores = {each.text: each.score for each in found}
    assert scores["Peregrine it is."] > scores["Peregrine it was, then."]
    assert len({each.memory_id for each in found}) == len(found)


async def test_between_two_that_were_found_a_saying_has_the_better_ones_share(office: Office) -> None:
    await remember(office, "Zebra", "Ok", root="1")
    await remember(office, "Zebra", "Fine", root="1")
    scores = {each.text: each.score for each in await ask(office, "Zebra")}
    assert scores["Ok"] == pytest.approx(recalling.NEIGHBOUR * recalling.WORDS)


async def test_only_so_many_bring_neighbours(office: Office) -> None:
    asked = await office.exchange("Hello", "Ok", root="1")
    await office.write(asked, *((["Well", "Zebra"], ["Hm"]) for _ in range(recalling.NEIGHBOURLY + 4)))
    async with office.session() as session:
        opened = await due.open_work(session, office.vault, asked.conversation_id)
        await work.write_sayings(session, office.vault, opened)
    await remember(office, "Zebras, zebras", "Stripes", root="2")
    said = texts(await ask(office, "Zebra", at_most=1_000))
    counts = [said.count(text) for text in ("Zebra", "Well", "Hm", "Stripes", "Ok")]
    assert counts == [recalling.NEIGHBOURLY + 4, recalling.NEIGHBOURLY - 1, recalling.NEIGHBOURLY - 1, 1, 0]


async def test_models_side_by_side_each_measure_on_their_own_scale(office: Office) -> None:
    asked = await remember(office, "Hello", root="1")
    names = [f"Fact {number}" for number in range(6)]
    of = dict(zip(names, await learn(office, asked, *names), strict=True))
    # One model finds all alike, another nothing; both know what is nearest.
    await place(office, "narrow", {of["Fact 0"]: [1.0, 0.0], of["Fact 1"]: [1.0, 0.02], of["Fact 2"]: [1.0, 0.04]})
    await place(
        office, "wide", {of["Fact 3"]: [1.0, 0.0, 0.0], of["Fact 4"]: [0.0, 1.0, 0.0], of["Fact 5"]: [-1, 0, 0]}
    )
    question = {"narrow": [1.0, 0.0], "wide": [1.0, 0.0, 0.0]}
    found = await ask(office, "the", question)
    assert set(texts(found[:2])) == {"Fact 0", "Fact 3"}
    assert [each.score for each in found[:2]] == [pytest.approx(recalling.MEANING)] * 2
    assert [each.score for each in found[-2:]] == [pytest.approx(0.0)] * 2
    assert set(texts(await ask(office, "the", {"wide": [1.0, 0.0, 0.0]}))) == {"Fact 3", "Fact 4", "Fact 5"}
    # The same length, and yet another space.
    await place(office, "third", {of["Fact 5"]: [1.0, 0.0]})
    assert set(texts(await ask(office, "the", {"narrow": [1.0, 0.0]}))) == {"Fact 0", "Fact 1", "Fact 2"}
    async with office.session() as session:
        models = await memory.known_models(session, office.tenant_id, await contact_id(office))
    assert models == ["narrow", "third", "wide"]


async def test_a_vector_of_another_length_than_is_stored_is_passed_over(office: Office) -> None:
    asked = await remember(office, "Hello", root="1")
    one, two, three = await learn(office, asked, "First zebra", "Second zebra", "Lion")
    await place(office, "m", {one: [1.0, 0.0]})
    assert texts(await ask(office, "lion", {"m": [1.0, 0.0, 0.0], "unknown": [1.0]})) == ["Lion"]
    # As when a model gives longer ones since it was updated, and has not embedded all anew.
    await place(office, "m", {two: [1.0, 0.0, 0.0], three: [0.0, 1.0, 0.0]})
    assert set(texts(await ask(office, "the", {"m": [1.0, 0.0, 0.0]}))) == {"Second zebra", "Lion"}
    assert texts(await ask(office, "the", {"m": [1.0, 0.0]})) == ["First zebra"]


@pytest.mark.parametrize("exact_up_to", [searching.EXACT_UP_TO, 0])
async def test_a_vector_of_zeros_is_near_to_nothing(office: Office, exact_up_to: int) -> None:
    asked = await remember(office, "Hello", root="1")
    rest = [0.0] * 382
    zero, near, far = await learn(office, asked, "Zero", "Near", "Far")
    await place(office, "m", {zero: [0.0, 0.0, *rest], near: [1.0, 0.0, *rest], far: [0.0, 1.0, *rest]})
    found = await ask(office, "the", {"m": [1.0, 0.1, *rest]}, exact_up_to=exact_up_to)
    assert texts(found) == ["Near", "Far"]
    assert not any(math.isnan(each.score) for each in found)
    assert await ask(office, "the", {"m": [0.0, 0.0, *rest]}, exact_up_to=exact_up_to) == []


async def test_a_vector_is_kept_once_and_another_models_takes_its_place(office: Office) -> None:
    asked = await remember(office, "Hello", root="1")
    [fact] = await learn(office, asked, "A fact")
    await place(office, "m", {fact: [1.0, 0.0], uuid4(): [1.0, 0.0]})
    await place(office, "n", {fact: [0.5, 0.25, 1e-7]})
    async with office.session() as session:
        [row] = await session.scalars(select(MemoryVector))
        [embedded_with] = await session.scalars(select(col(Memory.embedded_with)).where(col(Memory.id) == fact))
    assert (row.model, row.dimensions, embedded_with, row.contact_id) == ("n", 3, "n", await contact_id(office))
    assert row.vector == pytest.approx([0.5, 0.25, 1e-7], abs=1e-7)


async def test_memories_without_a_vector_come_before_those_of_another_model(office: Office) -> None:
    asked = await remember(office, "Hello", root="1")
    older, newer, bare = await learn(office, asked, "Of an older model", "Of a newer one", "Of none")
    await place(office, "a", {older: [1.0]})
    await place(office, "z", {newer: [1.0]})
    waiting = [
        each
        for tenant, each in await memory.without_vector(office.database, "m", 100_000)
        if tenant == office.tenant_id
    ]
    known = await ids(office)
    assert set(waiting) == set(known.values())
    assert set(waiting[-2:]) == {older, newer}
    assert bare in waiting[:3]
    waiting = [
        each
        for tenant, each in await memory.without_vector(office.database, "z", 100_000)
        if tenant == office.tenant_id
    ]
    assert newer not in waiting
    assert len(await memory.without_vector(office.database, "m", 2)) == 2


async def test_a_memory_that_cannot_be_opened_is_passed_over_for_good(office: Office) -> None:
    """Else it would come first again and again, and hold up all others of all tenants."""
    asked = await remember(office, "Hello", root="1")
    broken, whole = await learn(office, asked, "Broken", "Whole")
    async with office.session() as session:
        await session.execute(sql("update memories set sealed = 'canary' where id = :id"), {"id": broken})
    async with office.session() as session:
        waiting = await memory.to_embed(session, office.vault, "m", [broken, whole])
        assert [(each.memory_id, each.text) for each in waiting] == [(whole, "Whole")]
    left = {each for tenant, each in await memory.without_vector(office.database, "m", 100_000)}
    assert whole in left
    assert broken not in left
