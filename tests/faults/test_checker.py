"""The checker itself: it finds each kind of breach in a history that is made by hand, and nothing in right ones."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.faults.checker import Record, Verdict, check
from tests.faults.history import Happened, History, Seen, Takeover, Word
from tests.faults.people import ANSWER


@dataclass
class Told:
    """A history in the making; its clock goes on with each thing that happens."""

    history: History = field(default_factory=lambda: History(seed=1))
    record: Record = field(default_factory=Record)
    clock: float = 0.0
    marks: int = 0

    def now(self) -> float:
        self.clock += 1.0
        return self.clock

    def word(self, thread: str = "D1", *, taken: bool = True, number: int | None = None, kept: int = 1) -> Word:
        place = sum(word.thread == thread for word in self.history.words) if number is None else number
        word = Word(self._mark("m"), f"tenant of {thread}", thread, place, self.now(), tries=1)
        word.taken_at = self.now() if taken else None
        self.record.kept_as[word.mark] = [f"{word.mark} {number}" for number in range(kept)]
        self.record.ended[word.mark] = "answered"
        self.history.words.append(word)
        return word

    def answer(self, *words: Word, thread: str = "", carried: str = "", tenant: str = "") -> Seen:
        where = thread or words[0].thread
        seen = self._seen(where, ANSWER, words, carried or f"answer {self.clock}", tenant)
        self.history.seen.append(seen)
        return seen

    def reply(self, thread: str = "D1", *, shown: int = 1) -> Word:
        """An agent's, as often as it stands there."""
        reply = Word(self._mark("r"), f"tenant of {thread}", thread, 0, self.now(), self.now())
        self.history.replies.append(reply)
        for number in range(shown):
            self.history.seen.append(self._seen(thread, "Mine: ", [reply], f"{reply.mark} {number}", is_notice=True))
        return reply

    def notice(self, thread: str = "D1") -> None:
        self.history.seen.append(self._seen(thread, "It takes a while.", [], f"notice {self.clock}", is_notice=True))

    def takeover(self, thread: str = "D1") -> Takeover:
        takeover = Takeover(thread, self.now())
        self.history.takeovers.append(takeover)
        return takeover

    def checked(self) -> Verdict:
        return check(self.history, self.record)

    def _mark(self, kind: str) -> str:
        self.marks += 1
        return f"{kind}{self.marks:012x}"

    def _seen(
        self,
        thread: str,
        begins: str,
        words: "list[Word] | tuple[Word, ...]",
        carried: str,
        tenant: str = "",
        *,
        is_notice: bool = False,
    ) -> Seen:
        marks = tuple(word.mark for word in words)
        text = begins + " ".join(marks)
        return Seen(self.now(), tenant or f"tenant of {thread}", thread, text, marks, carried, is_notice)


def a_word_that_nobody_answered(told: Told) -> None:
    told.record.ended[told.word().mark] = "taken"


def a_word_that_is_said_to_be_answered(told: Told) -> None:
    told.word()


def a_word_that_was_not_even_kept(told: Told) -> None:
    word = told.word(kept=0)
    del told.record.ended[word.mark]


def a_reply_of_an_agent_that_nobody_sees(told: Told) -> None:
    told.reply(shown=0)


def two_answers(told: Told) -> None:
    word = told.word()
    told.answer(word)
    told.answer(word)


def two_answers_to_what_was_never_acknowledged(told: Told) -> None:
    word = told.word(taken=False)
    told.answer(word)
    told.answer(word)


def a_copy_without_a_flag(told: Told) -> None:
    word = told.word()
    told.answer(word, carried="one")
    told.answer(word, carried="one")


def a_word_that_is_kept_twice(told: Told) -> None:
    told.answer(told.word(kept=2))


def a_reply_of_an_agent_that_stands_there_twice(told: Told) -> None:
    told.reply(shown=2)


def answers_in_the_wrong_order(told: Told) -> None:
    first, second = told.word(), told.word()
    told.answer(second)
    told.answer(first)


def an_answer_in_another_tenant(told: Told) -> None:
    word = told.word()
    told.answer(word)
    told.answer(word, thread="D2", carried="elsewhere")


def a_notice_with_a_word_of_another_thread(told: Told) -> None:
    word = told.word()
    told.answer(word)
    told.answer(word, thread="D2", tenant=word.tenant).is_notice = True


def a_reply_of_an_agent_in_another_thread(told: Told) -> None:
    reply = told.reply()
    told.answer(reply, thread="D2").is_notice = True


def an_answer_after_a_takeover(told: Told) -> None:
    word = told.word()
    told.takeover()
    told.answer(word)


def an_answer_between_takeover_and_hand_back(told: Told) -> None:
    word = told.word()
    takeover = told.takeover()
    told.answer(word)
    takeover.over_at = told.now()


def an_answer_that_goes_on_after_a_takeover(told: Told) -> None:
    seen = told.answer(told.word())
    told.takeover()
    seen.added_at = (told.now(),)


def a_gap_in_the_trail(told: Told) -> None:
    told.answer(told.word())
    told.record.audit_gaps.append("sent, and not in the trail: 1")


def a_secret_in_the_open(told: Told) -> None:
    told.answer(told.word())
    told.record.secrets_found.append("logs/worker-0.log: a token")


BREACHES: tuple[tuple[str, Callable[[Told], None]], ...] = (
    ("lost", a_word_that_nobody_answered),
    ("lost", a_word_that_is_said_to_be_answered),
    ("lost", a_word_that_was_not_even_kept),
    ("lost", a_reply_of_an_agent_that_nobody_sees),
    ("doubled", two_answers),
    ("doubled", two_answers_to_what_was_never_acknowledged),
    ("doubled", a_copy_without_a_flag),
    ("doubled", a_word_that_is_kept_twice),
    ("doubled", a_reply_of_an_agent_that_stands_there_twice),
    ("out_of_order", answers_in_the_wrong_order),
    ("wrong_tenant", an_answer_in_another_tenant),
    ("wrong_tenant", a_notice_with_a_word_of_another_thread),
    ("wrong_tenant", a_reply_of_an_agent_in_another_thread),
    ("after_takeover", an_answer_after_a_takeover),
    ("after_takeover", an_answer_between_takeover_and_hand_back),
    ("after_takeover", an_answer_that_goes_on_after_a_takeover),
    ("audit_gaps", a_gap_in_the_trail),
    ("secrets_found", a_secret_in_the_open),
)


@pytest.mark.parametrize(("kind", "breach"), BREACHES, ids=[breach.__name__ for _, breach in BREACHES])
def test_each_breach_is_found(kind: str, breach: Callable[[Told], None]) -> None:
    told = Told()
    breach(told)
    found = set(told.checked().amiss)
    # What is in another tenant, too, is there twice.
    assert found - {"doubled"} == {kind} if kind == "wrong_tenant" else found == {kind}


@st.composite
def right_histories(draw: st.DrawFn) -> Told:
    """Of some threads: bursts that are answered together, words for people, copies that say so, and silence where
    nothing was acknowledged."""
    told = Told()
    for thread in draw(st.lists(st.sampled_from(("D1", "D2", "D3", "D4")), max_size=12)):
        number = sum(word.thread == thread for word in told.history.words)
        match draw(st.sampled_from(("turn", "at once", "unheard", "people", "notice", "copy"))):
            case "turn":
                told.answer(*(told.word(thread) for _ in range(draw(st.integers(1, 3)))))
            case "at once":
                first, second = told.word(thread, number=number), told.word(thread, number=number)
                told.answer(second)
                told.answer(first)
            case "unheard":
                told.word(thread, taken=False, kept=draw(st.integers(0, 1)))
            case "people":
                takeover = told.takeover(thread)
                told.record.ended[told.word(thread).mark] = "passed"
                told.reply(thread)
                takeover.over_at = told.now()
                told.answer(told.word(thread))
            case "notice":
                told.record.ended[told.word(thread).mark] = draw(st.sampled_from(("refused", "stopped", "failed")))
                told.notice(thread)
            case "copy":
                word, carried = told.word(thread), f"copy {told.clock}"
                told.answer(word, carried=carried)
                told.answer(word, carried=carried)
                told.record.flagged.add(carried)
    return told


@given(right_histories())
def test_nothing_is_found_in_what_is_right(told: Told) -> None:
    verdict = told.checked()
    assert verdict.amiss == {}
    assert verdict.taken == verdict.answered + verdict.told


@given(right_histories(), st.sampled_from(BREACHES))
def test_a_breach_is_found_among_much_that_is_right(told: Told, found: tuple[str, Callable[[Told], None]]) -> None:
    kind, breach = found
    other = Told()
    # Of threads and marks that the right part does not have.
    other.clock, other.marks = told.clock, told.marks + 1_000
    breach(other)
    for word in (*other.history.words, *other.history.replies):
        word.tenant, word.thread = f"other {word.tenant}", f"other {word.thread}"
    for seen in other.history.seen:
        seen.tenant, seen.thread = f"other {seen.tenant}", f"other {seen.thread}"
    for takeover in other.history.takeovers:
        takeover.thread = f"other {takeover.thread}"
    for name in ("words", "replies", "seen", "takeovers"):
        getattr(told.history, name).extend(getattr(other.history, name))
    told.record.ended |= other.record.ended
    told.record.kept_as |= other.record.kept_as
    told.record.audit_gaps += other.record.audit_gaps
    told.record.secrets_found += other.record.secrets_found
    assert kind in told.checked().amiss


def test_a_flagged_copy_is_counted_and_not_held_against_it() -> None:
    told = Told()
    word = told.word()
    told.answer(word, carried="one")
    told.answer(word, carried="one")
    told.record.flagged.add("one")
    verdict = told.checked()
    assert (verdict.amiss, verdict.flagged_copies) == ({}, 1)


def test_an_answer_that_may_have_arrived_and_the_next_one_to_the_same_words_are_not_held_against_it() -> None:
    told = Told()
    words = [told.word() for _ in range(3)]
    told.answer(*words, carried="perhaps")
    told.answer(*words, told.word(), carried="surely")
    told.record.flagged.add("perhaps")
    verdict = told.checked()
    assert (verdict.amiss, verdict.flagged_copies) == ({}, 1)


def test_counts_are_numbers_and_a_history_is_kept(tmp_path: Path) -> None:
    told = Told()
    two_answers(told)
    told.reply()
    told.takeover()
    told.history.faults.append(Happened(told.now(), "a gateway is killed"))
    counts = told.checked().counts()
    assert (counts["doubled"], counts["lost"], counts["faults"], counts["answered"]) == (1, 0, 1, 1)
    told.history.save(tmp_path / "history.ndjson")
    assert len((tmp_path / "history.ndjson").read_text().splitlines()) == 1 + 1 + 1 + 3 + 1 + 1
