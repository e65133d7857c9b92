"""The labelled set is what the measures take it for: each answer in one place, and two halves that share nothing."""

from collections import Counter
from functools import cache

import pytest

from benchmarks.knowledge.labelled import DOCUMENTS, business, questions, unanswerable
from benchmarks.knowledge.quality import bare

QUESTIONS = questions()
LANGUAGES = {"ar", "de", "en", "es", "fr", "hi", "it", "ja", "pl", "pt", "tr", "zh"}
KINDS = {"paraphrase", "colloquial", "keyword", "code", "number", "multi_heading", "cross_language"}


@cache
def content(document: str) -> str:
    return (DOCUMENTS / document).read_text(encoding="utf-8")


def test_an_answer_stands_once_in_its_document() -> None:
    assert not [asked.id for asked in QUESTIONS if content(asked.document).count(asked.answer) != 1]
    assert not [asked.id for asked in QUESTIONS if bare(content(asked.document)).count(bare(asked.answer)) != 1]


def test_an_answer_is_within_what_reading_keeps_in_one_piece() -> None:
    assert not [asked.id for asked in QUESTIONS if set(asked.answer) & set("\n|<>&*`")]


def test_a_question_is_in_its_own_words() -> None:
    copied = [
        asked.id for asked in QUESTIONS if bare(asked.question).casefold() in bare(content(asked.document)).casefold()
    ]
    assert not copied


def test_a_question_crosses_languages_only_when_it_says_so() -> None:
    crossing = {asked.id for asked in QUESTIONS if asked.language != asked.document.split(".")[1]}
    assert crossing == {asked.id for asked in QUESTIONS if asked.kind == "cross_language"}


def test_nothing_is_asked_twice() -> None:
    everything = [*QUESTIONS, *unanswerable()]
    for counted in (Counter(each.id for each in everything), Counter(bare(each.question) for each in everything)):
        assert counted.most_common(1)[0][1] == 1
    passages = Counter((asked.document, asked.answer, asked.language) for asked in QUESTIONS)
    assert passages.most_common(1)[0][1] == 1


def test_the_halves_are_the_whole() -> None:
    assert {asked.split for asked in questions("tune")} == {each.split for each in unanswerable("tune")} == {"tune"}
    assert [*questions("tune"), *questions("test")] == QUESTIONS
    assert [*unanswerable("tune"), *unanswerable("test")] == sorted(
        unanswerable(), key=lambda each: each.split == "test"
    )


def test_no_business_is_in_both_halves() -> None:
    tuned = {business(each.id) for each in [*questions("tune"), *unanswerable("tune")]}
    tested = {business(each.id) for each in [*questions("test"), *unanswerable("test")]}
    assert not tuned & tested
    assert tuned | tested == {business(path.name) for path in DOCUMENTS.iterdir()}
    assert all(business(asked.id) == business(asked.document) for asked in QUESTIONS)


@pytest.mark.parametrize("split", ["tune", "test"])
def test_each_half_is_large_and_holds_every_language_and_kind(split: str) -> None:
    half = [asked for asked in QUESTIONS if asked.split == split]
    assert len(half) > 0.4 * len(QUESTIONS)
    languages = Counter(asked.language for asked in half)
    kinds = Counter(asked.kind for asked in half)
    assert set(languages) == LANGUAGES
    assert min(languages.values()) >= 8
    assert set(kinds) == KINDS
    assert min(kinds.values()) >= 12
    assert len([each for each in unanswerable() if each.split == split]) >= 20


def test_every_document_answers_something() -> None:
    assert {asked.document for asked in QUESTIONS} == {path.name for path in DOCUMENTS.iterdir()}
