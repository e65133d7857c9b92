"""Cutting documents into chunks: nothing is lost, nothing is too long, and what belongs together stays so."""

import re
from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from konstruct.knowledge.chunking import LONGEST, TARGET, Chunk, chunks, embeddable, size
from konstruct.source_ports import ReadDocument, Section

SENTENCE = "This is sentence number {} of a long and quiet paragraph."


def document(*sections: Section) -> ReadDocument:
    return ReadDocument("Handbook", "text/plain", sections)


def of(text: str, *headings: str) -> ReadDocument:
    return document(Section(headings, text))


WORDS = st.sampled_from(
    [
        "word",
        "größer",
        "¿cuánto?",
        "免费送货服务。",
        "الشحن",
        "end.",
        "12,50",
        "👩‍👩‍👧",
        "|",
        "```",
        "- item",
        "a: b",
        "x" * 2_000,
        "e\u0301",
    ]
)
TEXTS = st.lists(st.tuples(WORDS, st.sampled_from([" ", " ", "\n", "\n\n", "\n| "])), max_size=150).map(
    lambda parts: "".join(word + gap for word, gap in parts)
)
HEADINGS = st.lists(st.sampled_from(["One", "Two", "Drei", "四"]), max_size=3).map(tuple)
SECTIONS = st.builds(Section, HEADINGS, TEXTS | st.text(max_size=3_000), st.none() | st.integers(1, 9))
DOCUMENTS = st.lists(SECTIONS, max_size=8).map(lambda sections: document(*sections))


def letters(*texts: str) -> Iterator[str]:
    return (character for text in texts for character in text if not character.isspace())


@given(DOCUMENTS)
@settings(max_examples=150, deadline=None)
def test_nothing_is_lost_and_nothing_too_long(read: ReadDocument) -> None:
    cut = chunks(read)
    said = letters(*(text for chunk in cut for text in (*chunk.headings, chunk.text)))
    for section in read.sections:
        missing = [character for character in letters(section.text) if character not in said]
        assert not missing
    for position, chunk in enumerate(cut):
        assert chunk.position == position
        assert chunk.text.strip()
        assert len(chunk.text) <= size(chunk.text) <= LONGEST
    assert chunks(read) == cut


@pytest.mark.parametrize(
    "text",
    [
        "x" * 1_000_000,
        "a\n" * 100_000,
        "```a\n" * 60_000,
        "免费" * 200_000,
        "a" + " " * 300_000 + "b",
        ".\"'" * 150_000,
        "|-" * 150_000,
        "e" + "\u0301" * 50_000,
    ],
    ids=["no blank", "short lines", "open fences", "chinese", "blanks", "quotes", "pipes", "accents"],
)
def test_texts_that_nobody_writes_are_cut_too(text: str) -> None:
    cut = chunks(of(text))
    assert max(size(chunk.text) for chunk in cut) <= LONGEST
    assert sum(len("".join(chunk.text.split())) for chunk in cut) >= len("".join(text.split()))


def test_a_section_is_not_mixed_with_the_next_one() -> None:
    long = " ".join(SENTENCE.format(number) for number in range(30))
    cut = chunks(document(Section(("Returns",), long), Section(("Shipping",), long.replace("quiet", "loud"))))
    assert {chunk.headings for chunk in cut} == {("Returns",), ("Shipping",)}
    assert all(("loud" in chunk.text) == (chunk.headings == ("Shipping",)) for chunk in cut)
    assert all("quiet" not in chunk.text or "loud" not in chunk.text for chunk in cut)


def test_prose_is_cut_between_sentences_and_repeats_the_last_one() -> None:
    cut = chunks(of(" ".join(SENTENCE.format(number) for number in range(60)), "Tale"))
    assert len(cut) > 2
    for before, after in pairwise(cut):
        last = re.findall(r"This is .*?\.", before.text)[-1]
        assert before.text.endswith(last)
        assert after.text.startswith(last)
        assert after.text.count(last) == 1
    assert all(size(chunk.text) <= TARGET + 2 * len(SENTENCE) for chunk in cut)


def test_paragraphs_stay_whole_where_they_can() -> None:
    paragraphs = [f"Paragraph {number}: " + "many words of it " * 24 + "end" for number in range(6)]
    cut = chunks(of("\n\n".join(paragraphs)))
    assert [chunk.text.split("\n\n") for chunk in cut] == [paragraphs[at : at + 2] for at in (0, 2, 4)]


def test_each_part_of_a_table_has_its_header() -> None:
    rows = [f"| article {number} | {number},90 |" for number in range(120)]
    cut = chunks(of("Our prices:\n" + "\n".join(["| Article | Price |", "| --- | --- |", *rows])))
    assert len(cut) > 3
    assert all("| Article | Price |\n| --- | --- |\n| article" in chunk.text for chunk in cut)
    assert [line for chunk in cut for line in chunk.text.split("\n") if line.startswith("| article")] == rows


def test_rows_of_fields_are_not_torn_and_nothing_of_another_row_is_repeated() -> None:
    rows = [f"Article: Shoe {number}. Red.\nPrice: {number} euros. Net." for number in range(60)]
    cut = chunks(of("\n\n".join(rows)))
    assert [row for chunk in cut for row in chunk.text.split("\n\n")] == rows


def test_code_is_kept_whole_or_fenced_in_each_part() -> None:
    short = "```py\n" + "\n".join(f"print('line {number}')" for number in range(30)) + "\n```"
    before = "Some words on what it does. " * 20
    cut = chunks(of(f"{before.strip()}\n\n{short}\n\nDone."))
    assert [short in chunk.text for chunk in cut] == [False, True]
    code = [f"print('line {number}')" for number in range(200)]
    cut = chunks(of("```py\n" + "\n\n".join(code) + "\n```"))
    assert len(cut) > 3
    assert all(chunk.text.startswith("```py\n") and chunk.text.endswith("\n```") for chunk in cut)
    assert [line for chunk in cut for line in chunk.text.split("\n") if line.startswith("print")] == code


def test_small_neighbours_are_joined_under_their_parent() -> None:
    cut = chunks(
        document(
            Section(("FAQ",), "Asked often."),
            Section(("FAQ", "Can I return it?"), "Yes."),
            Section(("FAQ", "Where are you?"), "In Porto.", page=2),
            Section(("FAQ", "Where are you?", "And by bus?"), "Line 5."),
            Section(("Prices",), ""),
            Section(("Prices", "Shoes"), "Six euros."),
            Section(("Contact",), ""),
        )
    )
    assert [(chunk.headings, chunk.text) for chunk in cut] == [
        (("FAQ",), "Asked often.\n\n## Can I return it?\n\nYes.\n\n## Where are you?\n\nIn Porto."),
        (("FAQ", "Where are you?", "And by bus?"), "Line 5."),
        (("Prices", "Shoes"), "Six euros."),
        ((), "Contact"),
    ]


def test_a_chapter_flows_over_its_pages_and_a_chunk_says_where_it_begins() -> None:
    pages = [Section(("Chapter",), " ".join(SENTENCE.format(n) for n in range(10)), page) for page in (4, 5, 6)]
    assert [chunk.page for chunk in chunks(document(*pages))] == [4, 5, 6]
    short = [Section(("Chapter",), SENTENCE.format(page), page) for page in (4, 5, 6)]
    (chunk,) = chunks(document(*short))
    assert (chunk.page, chunk.text.count("sentence")) == (4, 3)


def test_no_text_is_no_chunk() -> None:
    assert chunks(document()) == []
    assert chunks(of(" \n\n ")) == []


def test_a_digest_tells_what_is_said_and_not_where() -> None:
    one = Chunk(0, ("A", "B"), "text", 1)
    assert one.digest == Chunk(7, ("A", "B"), "text", None).digest
    others = [Chunk(0, ("A",), "B\ntext", 1), Chunk(0, ("A", "B"), "Text", 1), Chunk(0, ("AB",), "text", 1)]
    assert len({one.digest, *(chunk.digest for chunk in others)}) == 4
    assert re.fullmatch("[0-9a-f]{64}", one.digest)


def test_what_is_embedded_says_where_the_text_stands() -> None:
    assert embeddable(Chunk(0, ("Returns", "By post"), "Send it.", None), "Handbook") == (
        "Handbook > Returns > By post\n\nSend it."
    )
    assert embeddable(Chunk(0, ("Handbook",), "Hello.", None), "Handbook") == "Handbook\n\nHello."
    long = embeddable(Chunk(0, ("x" * 150, "y" * 150, "Own"), "Text.", None), "Title")
    assert long == "y" * 150 + " > Own\n\nText."
    assert len(embeddable(Chunk(0, ("z" * 500,), "Text.", None), "Title")) < 220
