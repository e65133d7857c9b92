"""The measures of knowledge search, on rankings small enough to be counted by hand."""

import pytest

from benchmarks.knowledge.labelled import Asked
from benchmarks.knowledge.quality import Found, Measured, Scores, bare, measure, place, threshold

PRICES = ("prices.md", "A gold service costs\n£185  in all.")
OLD_PRICES = ("prices-old.md", "A gold service costs £185 in all.")
HOURS = ("hours.md", "We open at nine.")


def asked(question: str = "gold?", *, kind: str = "number", language: str = "en") -> Asked:
    return Asked(question, "tune", language, question, kind, PRICES[0], "costs £185 in")  # type: ignore[arg-type] # Any kind.


def test_the_place_is_that_of_the_first_passage_with_the_answer() -> None:
    assert place([HOURS, PRICES, PRICES], asked()) == 2


def test_the_same_words_in_another_document_are_no_answer() -> None:
    assert place([OLD_PRICES, HOURS], asked()) is None


def test_another_passage_of_the_right_document_is_no_answer() -> None:
    assert place([("prices.md", "A silver service costs £105.")], asked()) is None


def test_an_answer_is_known_again_however_it_was_broken_and_written() -> None:
    assert bare("costs\n  £185") == bare("costs £185")
    assert bare("\N{LATIN SMALL LETTER E WITH ACUTE}") == bare("e\N{COMBINING ACUTE ACCENT}")
    assert bare("Ｔ１２") == bare("T12")


def test_recall_and_reciprocal_place() -> None:
    scores = Scores([1, 3, 6, None])
    assert [scores.recall(cut) for cut in (1, 5, 10)] == [0.25, 0.5, 0.75]
    assert scores.reciprocal == pytest.approx((1 + 1 / 3 + 1 / 6) / 4)
    assert scores.row() == {"asked": 4, "R@1": 0.25, "R@5": 0.5, "R@10": 0.75, "MRR": 0.375}


async def test_questions_are_put_one_by_one_and_counted_by_language_and_kind() -> None:
    answers: dict[str, list[Found]] = {
        "first": [PRICES],
        "second": [HOURS, PRICES],
        "tenth": [HOURS] * 9 + [PRICES],
        "eleventh": [HOURS] * 10 + [PRICES],
        "never": [HOURS],
    }
    questions = [
        asked("first", language="en"),
        asked("second", language="de", kind="code"),
        asked("tenth", language="en"),
        asked("eleventh", language="ja", kind="cross_language"),
        asked("never", language="de", kind="code"),
    ]

    async def search(question: str) -> list[Found]:
        return answers[question]

    measured = await measure(search, questions)
    assert measured.overall.places == [1, 2, 10, 11, None]
    assert {name: scores.places for name, scores in measured.by_language.items()} == {"en": [1, 10], "de": [2, None]}
    assert measured.by_kind["cross_language"].places == [11]
    assert measured.missed == ["eleventh", "never"]
    rows = measured.rows()
    assert list(rows) == ["all", "de", "en", "code", "cross_language", "number"]
    assert rows["en"] == {"asked": 2, "R@1": 0.5, "R@5": 0.5, "R@10": 1.0, "MRR": 0.55}


def test_what_was_found_for_nothing_is_a_miss() -> None:
    measured = Measured()
    measured.add(asked(), [])
    assert measured.rows()["all"]["MRR"] == 0


def test_a_threshold_keeps_what_it_has_to_and_refuses_what_it_can() -> None:
    assert threshold([0.9, 0.8, 0.7, 0.2], [0.75, 0.6, 0.1, 0.7], kept=0.75) == (0.7, 0.5)
    assert threshold([0.9, 0.8, 0.7, 0.2], [0.75, 0.6, 0.1, 0.7], kept=1) == (0.2, 0.25)
