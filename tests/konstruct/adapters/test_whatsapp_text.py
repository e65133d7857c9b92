"""WhatsApp's text rules: nothing is lost, nothing is too long, and nothing formats but what was meant to."""

import re
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from konstruct.adapters.cutting import utf16_length
from konstruct.adapters.whatsapp_text import plain, split
from konstruct.channels import WHATSAPP
from tests.konstruct.adapters.test_slack_text import CODE, DOCUMENT, fences, words

LIMIT = WHATSAPP.longest_text
MARKS = [
    "*", "**", "_", "__", "~", "~~", "`", "```", "\n", "\n\n", " ", "- ", "1. ", "> ", "# ", "[", "](", ")", "![", "<",
    ">", "| a | b |\n|--|--|\n| ", "https://e.example/_a_", "&#42;", "&#10;", "&#96;&#96;&#96;", "\\", "\u202e", "\x85",
]  # fmt: skip
ANYTHING = st.lists(st.one_of(st.sampled_from(MARKS), st.text(max_size=6)), max_size=50).map("".join)

# As WhatsApp reads it: a mark at a word's outer edge, one like it at the end of the same line.
FORMATTED = re.compile(r"(?<![^\W_])([*_~])(?=\S)([^\n]*?\S)\1(?![^\W_])")


def formatted(text: str) -> list[str]:
    return [found[0] for found in FORMATTED.finditer(re.sub(r"https?://\S+", "address", text))]


def escaped(text: str) -> str:
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", text)


@settings(deadline=None)
@given(DOCUMENT)
def test_no_word_is_lost_or_moved(document: str) -> None:
    without_fences = re.compile(r"(?m)^(```|~~~~).*$")
    assert words("\n".join(split(document)).replace("```", "")) == words(without_fences.sub("", document))


@settings(deadline=None)
@given(DOCUMENT)
def test_every_part_fits_and_shows_something_and_its_code_is_closed(document: str) -> None:
    for part in split(document):
        assert 0 < utf16_length(part) <= LIMIT
        assert part.strip()
        assert len(fences(part)) % 2 == 0


@settings(deadline=None)
@given(DOCUMENT)
def test_an_answer_is_as_few_messages_as_it_can_be(document: str) -> None:
    parts = split(document)
    assert all(utf16_length(one + other) > LIMIT // 2 for one, other in pairwise(parts))


@settings(deadline=None)
@given(CODE)
def test_code_that_fits_is_never_cut(code: str) -> None:
    body = "\n".join(code.splitlines()[1:-1])
    assert len(code) > LIMIT or not body.strip() or body in split(code)[0]


@settings(deadline=None)
@given(ANYTHING.filter(lambda text: any(char.isalpha() for char in text)))
def test_any_text_becomes_parts_in_bounds(text: str) -> None:
    for part in split(text * 60):
        assert 0 < utf16_length(part) <= LIMIT
        assert not re.search("[\u202a-\u202e\x00-\x08\x85\r]", part)
        assert part.count("```") % 2 == 0
        assert "`" not in re.sub("```", "", re.sub(r"(?s)```.*?```", "", part))


@settings(deadline=None)
@given(st.text(alphabet="ab *_~`.\n", min_size=1, max_size=80).map(lambda text: f"x{text}"))
def test_what_is_not_meant_to_format_does_not(text: str) -> None:
    shown = "\n".join(split(escaped(text)))
    assert formatted(shown) == []
    assert "`" not in shown


@pytest.mark.parametrize(
    ("markdown", "shown"),
    [
        ("Hi **Ada** and *you*, ~~no~~ __yes__ _so_", "Hi *Ada* and _you_, ~no~ *yes* _so_"),
        ("***all of it***", "_*all of it*_"),
        ("**bold _both_ bold**", "*bold* *_both_* *bold*"),
        ("un**frigging**believable", "unfriggingbelievable"),
        ("**two\nlines**", "*two*\n*lines*"),
        ("a ** not bold ** b", "a ** not bold ** b"),
        ("5 * 3 and snake_case and ~5 minutes", "5 * 3 and snake_case and ∼5 minutes"),
        ("price\\* and \\*excluded\\*", "price∗ and ∗excluded∗"),
        ("`a*b*` and ``x ` y``", "```a*b*``` and ```x ˋ y```"),
        ("# A *title*\n\nText", "*A* *_title_*\n\nText"),
        ("- one\n- two\n  - deep\n    more\n- three", "- one\n- two\n  - deep\n    more\n- three"),
        ("3. a\n4. b", "3. a\n4. b"),
        ("0. a", "0. a"),
        ("> said\n> more", "> said\n> more"),
        ("| Day | Open |\n|---|---|\n| Mon | 9–17 |\n| **Tue** | |", "- Day: Mon; Open: 9–17\n- Day: *Tue*"),
        ("| Day | Open |\n|---|---|", "Day; Open"),
        ("```python\nx = 1\n```\nAfter", "```\nx = 1\n```\n\nAfter"),
        ("```\na ```` b\n```", "```\na ˋˋˋˋ b\n```"),
        ("```\nleft open", "```\nleft open\n```"),
        ("- code:\n\n  ```\n  z\n  ```\n\n  after", "- code:\n```\nz\n```\n  after"),
        ("a\n\n---\n\nb", "a\n\n———\n\nb"),
        ("See [our page](https://e.example/a).", "See our page (https://e.example/a)."),
        ("**see [it](https://e.example) now**", "*see it* (https://e.example) *now*"),
        ("[https://e.example](https://e.example/) <https://e.example/b>", "https://e.example https://e.example/b"),
        ("[e.example](https://e.example)", "e.example"),
        ("[https://bank.example](https://evil.example)", "https://bank.example (https://evil.example)"),
        ("[write](mailto:a@e.example) [a@e.example](mailto:a@e.example)", "write (a@e.example) a@e.example"),
        ("[here](#there) [x](page.html)", "here x"),
        ("<https://e.example/_a_/~b>", "https://e.example/%5Fa%5F/%7Eb"),
        ("![a chart](https://e.example/c.png) ![](https://e.example/d.png)",
         "a chart (https://e.example/c.png) [image] (https://e.example/d.png)"),
        ("<b>hi</b> &lt;3 &#8238;x", "<b>hi</b> <3 x"),
        ("[text][1]\n\n[1]: https://e.example", "[text][1]\n\n[1]: https://e.example"),
    ],
)  # fmt: skip
def test_markdown_becomes_whatsapps_own(markdown: str, shown: str) -> None:
    assert split(markdown) == [shown]


def test_a_line_that_has_to_be_cut_has_no_marks_left_open() -> None:
    parts = split(f"**{'word ' * 2000}**")
    assert len(parts) == 3
    assert all("*" not in part for part in parts)


def test_a_row_that_is_too_long_for_a_line_has_one_for_each_column() -> None:
    long = " ".join(["word"] * 500)
    [first, second] = split(f"| A | B |\n|---|---|\n| **{long}** | *{long}* |")
    assert first.startswith("- A: *word")
    assert second.startswith("B: _word")


def test_a_long_answer_is_cut_between_paragraphs_and_never_in_a_word() -> None:
    paragraph = "Sentence after sentence. " * 60
    parts = split("\n\n".join([paragraph] * 5))
    assert [part.count("Sentence") for part in parts] == [120, 120, 60]
    assert all(part.rstrip().endswith("sentence.") for part in split("Sentence after sentence. " * 1000))
    assert {word for part in split("supercalifragilistic " * 1000) for word in part.split()} == {"supercalifragilistic"}


def test_long_code_is_closed_and_opened_again() -> None:
    lines = [f"line = {number}" for number in range(2000)]
    parts = split("Look:\n\n```python\n" + "\n".join(lines) + "\n```\n\nThat is all.")
    assert len(parts) > 2
    assert [line for part in parts for line in part.splitlines() if line.startswith("line")] == lines


@pytest.mark.parametrize("cluster", ["👨‍👩‍👧‍👦", "🇩🇪", "👍🏽", "e\u0301"])
def test_what_reads_as_one_character_is_not_cut_in_two(cluster: str) -> None:
    parts = split(cluster * 5000)
    assert len(parts) > 1
    assert all(part == cluster * (len(part) // len(cluster)) for part in parts)


@pytest.mark.parametrize("nothing", ["", " \n\t", "\u200b", "\x00"])
def test_nothing_to_say_is_an_error(nothing: str) -> None:
    with pytest.raises(ValueError, match="nothing to say"):
        split(nothing)


def test_what_markdown_would_lose_is_shown_as_it_is() -> None:
    assert split("> " * 200 + "deep")[0].endswith("deep")


@pytest.mark.parametrize(
    "piece", ["[", "`", "!", "[a](", "<a:", "# #", "&#0", "``` ", "**a", "\n> ", "*a _b ~~c ", "- "]
)
def test_hostile_repetition_takes_no_time_to_speak_of(piece: str) -> None:
    assert "x" in split(piece * 2_000 + "\nx")[-1]
    assert "x" in split(piece * 20_000 + "\nx")[-1]


def test_a_title_is_one_line_without_markup() -> None:
    assert plain("Talk\nto \u202ea person", 20) == "Talk to a person"
    assert plain("Talk to a real human person", 20) == "Talk to a real…"
    assert plain("x" * 30, 20) == "x" * 19 + "…"
