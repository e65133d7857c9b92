"""Citations: references numbered anew, one number a document, and documents below that people can look up."""

import pytest

from konstruct.knowledge.citing import Source, cite

RETURNS = Source(1, "Returns", "https://shop.example.com/returns", "Goods can be returned within thirty days.")
RETURNS_TOO = Source(2, "Returns", "https://shop.example.com/returns", "The customer pays the postage.")
HOURS = Source(3, "Opening hours", None, "Monday to Saturday, nine to eighteen.")
ALL = [RETURNS, RETURNS_TOO, HOURS]


def test_references_are_numbered_anew_in_the_order_of_the_answer() -> None:
    assert cite("Nine to six [3], thirty days [1], you pay [2].", ALL) == (
        "Nine to six [1], thirty days [2], you pay [2].\n\n"
        "[1] Opening hours\n"
        "[2] [Returns](https://shop.example.com/returns)"
    )


@pytest.mark.parametrize(
    "reference", ["[1, 3]", "[1,3]", "[1; 3]", "[1][3]", "[1, 2, 3, 1]", "[1] [2] [3]", "[2][1] [3,9]"]
)
def test_several_at_once_stand_one_by_one(reference: str) -> None:
    assert cite(f"So it is {reference}.", ALL).startswith("So it is [1][2].\n\n[1] [Returns]")


def test_what_was_never_shown_goes_without_a_trace() -> None:
    assert cite("Thirty days [1] [7], surely [8].", ALL) == (
        "Thirty days [1], surely.\n\n[1] [Returns](https://shop.example.com/returns)"
    )
    assert cite("Thirty days [7, 1].", ALL).startswith("Thirty days [1].\n")
    assert cite("Nobody knows [9].", ALL) == "Nobody knows."


def test_without_sources_nothing_is_a_reference() -> None:
    assert cite("Take item [1] of the list.", []) == "Take item [1] of the list."


def test_links_of_the_answer_stay() -> None:
    assert cite("See [1](https://other.example) here.", ALL) == "See [1](https://other.example) here."


def test_an_answer_that_plainly_repeats_a_document_names_it() -> None:
    assert cite("Goods can be returned within thirty days.", ALL) == (
        "Goods can be returned within thirty days.\n\n[1] [Returns](https://shop.example.com/returns)"
    )


@pytest.mark.parametrize(
    "answer",
    [
        "Hello! How are you today, and what would you like to know?",
        "Thirty days.",
        "Our bicycles are returned home after a long journey through mountains, rivers, forests and thirty villages.",
    ],
)
def test_an_answer_of_its_own_names_none(answer: str) -> None:
    assert cite(answer, ALL) == answer


def test_numbers_count_as_words_and_small_words_do_not() -> None:
    source = Source(1, "Prices", None, "A tube costs 15 dollars, a tire 42.")
    assert cite("It is 15 and 42 for the tire.", [source]).endswith("[1] Prices")
    assert cite("A to the of and it is a of to.", [source]) == "A to the of and it is a of to."


@pytest.mark.parametrize(
    ("title", "told"),
    [
        ("A [b](http://evil) <c> `d`", "A b http://evil c d"),
        ("One\n\nTwo\x00\u2028Three", "One Two Three"),
        ("*_~|", "Document"),
        ("a" * 200, "a" * 120),
    ],
)
def test_a_title_cannot_become_anything_else(title: str, told: str) -> None:
    assert cite("So [1].", [Source(1, title, None)]).endswith(f"\n[1] {told}")


@pytest.mark.parametrize(
    ("link", "told"),
    [
        ("https://a.example/x(1) y>", "[T](https://a.example/x%281%29%20y%3E)"),
        ("https://a.example/%C3%A9?a=b&c=[d]#e", "[T](https://a.example/%C3%A9?a=b&c=%5Bd%5D#e)"),
        ("javascript:alert(1)", "T"),
        ("file:///etc/passwd", "T"),
        ("http://[broken", "[T](http://%5Bbroken)"),
        ("HTTPS://a.example", "[T](HTTPS://a.example)"),
        (None, "T"),
    ],
)
def test_a_link_leads_to_the_web_or_nowhere(link: str | None, told: str) -> None:
    assert cite("So [1].", [Source(1, "T", link)]).endswith(f"\n[1] {told}")
