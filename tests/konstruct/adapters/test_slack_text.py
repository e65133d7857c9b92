"""Slack's text rules: nothing is lost, nothing is too long, code stays whole, nobody is called."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from konstruct.adapters.slack_text import SECTION_SIZE, fallback, harmless, sections, split
from konstruct.channels import SLACK

SENTENCE = st.builds(
    lambda number, size: f"Sentence {number} has" + " one more word" * size + ".",
    st.integers(0, 999),
    st.integers(0, 12),
)
PARAGRAPH = st.lists(SENTENCE, min_size=1, max_size=5).map(lambda sentences: " ".join(sentences * 3))
HEADING = st.integers(0, 999).map(lambda number: f"# Heading {number}")
LIST = st.lists(SENTENCE, min_size=1, max_size=5).map(lambda items: "\n".join(f"- {item}" for item in items * 3))
CODE = st.builds(
    lambda fence, language, lines, times: (
        f"{fence}{language}\n" + "".join(f"{line}\n" for line in lines * times) + fence
    ),
    st.sampled_from(["```", "~~~~"]),
    st.sampled_from(["", "python", "sql"]),
    st.lists(SENTENCE, max_size=5),
    st.integers(1, 80),
)
DOCUMENT = st.builds(
    lambda blocks, times: "\n\n".join(blocks * times),
    st.lists(st.one_of(PARAGRAPH, HEADING, LIST, CODE), min_size=1, max_size=6),
    st.integers(1, 12),
)

DANGEROUS = [
    "<!channel>", "<!here|here>", "<!everyone>", "<!subteam^S012345>", "<!date^1^{date}|x>", "<@U012ABC>", "<@W1|ann>",
    "<#C012ABC>", "<#C012ABC|general>", "<@ann.lee>", "@channel", "@here", "@everyone", "@HERE", "<https://e.example|Bank>",
    "<mailto:a@b.example|x>", "&lt;!channel&gt;", "&#60;!here&#62;", "<&#64;U012ABC>", r"<\!channel>", "&commat;here",
]  # fmt: skip
ANYTHING = st.lists(
    st.one_of(
        st.sampled_from(
            [*DANGEROUS, "```", "~~~", "`", "\n", " ", "![", "](http://e.example/", ")", "<", "!", "|", ">"]
        ),
        st.text(max_size=8),
    ),
    max_size=60,
).map("".join)

TOKEN = re.compile(
    r"(?:<|&lt;?|&#60;?|&#x3c;?)\\?(?:!(?!--|doctype|\[)|(?:@|&#64;|&commat;)[\w.-]+[|>]|#[\w.-]+[|>]|[a-z]+:[^\s<>|]*\|)"
    r"|(?<![\w.+-])@(?:channel|here|everyone)\b",
    re.IGNORECASE,
)


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text)


def fences(part: str) -> list[str]:
    return re.findall(r"^[ \t]*(`{3,}|~{3,})[^`\n]*$", part, re.MULTILINE)


@settings(deadline=None)
@given(DOCUMENT)
def test_no_word_is_lost_or_moved(document: str) -> None:
    without_fences = re.compile(r"(?m)^(```|~~~~).*$")
    together = "\n".join(split(document))
    assert words(without_fences.sub("", together)) == words(without_fences.sub("", document))


@settings(deadline=None)
@given(DOCUMENT)
def test_every_part_fits_and_shows_something(document: str) -> None:
    parts = split(document)
    assert parts
    for part in parts:
        assert 0 < len(part) <= SLACK.longest_text
        assert part.strip()


@settings(deadline=None)
@given(DOCUMENT)
def test_code_is_closed_in_every_part(document: str) -> None:
    for part in split(document):
        assert len(fences(part)) % 2 == 0


@settings(deadline=None)
@given(DOCUMENT)
def test_code_that_fits_is_never_cut(document: str) -> None:
    together = "\n".join(split(document))
    for code in re.findall(r"(?ms)^(?:```|~~~~)\w*\n.*?^(?:```|~~~~)$", document):
        assert len(code) > SLACK.longest_text or code in together


@settings(deadline=None)
@given(ANYTHING)
def test_no_text_calls_anybody(text: str) -> None:
    assert not TOKEN.search(harmless(text))


@settings(deadline=None)
@given(ANYTHING)
def test_what_is_harmless_stays_as_it_is(text: str) -> None:
    assert harmless(harmless(text)) == harmless(text)


@settings(deadline=None)
@given(ANYTHING.filter(lambda text: any(char.isalpha() for char in text)))
def test_any_text_becomes_parts_fallbacks_and_sections_in_bounds(text: str) -> None:
    for part in split(text * 100):
        assert len(part) <= SLACK.longest_text
        assert 0 < len(fallback(part).replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")) <= 301
        assert all(0 < len(section) <= SECTION_SIZE for section in sections(part))


@pytest.mark.parametrize("token", DANGEROUS)
@pytest.mark.parametrize("around", ["{}", "Hi {}, hello", "`{}`", "```\n{}\n```", "> {}", "[{}](https://e.example)"])
def test_a_dangerous_token_is_broken_wherever_it_stands(token: str, around: str) -> None:
    [part] = split(around.format(token))
    assert not TOKEN.search(part)
    assert not re.search(r"<[@#!]", fallback(part) + "".join(sections(part)))


def test_code_stays_readable_and_html_stays_as_it_is() -> None:
    code = "```html\n<!DOCTYPE html>\n<!-- a < b && c -->\n#![allow(unused)] List<@NonNull String>\n```"
    assert split(code) == [code]


@pytest.mark.parametrize("less_than", ["<", "&lt", "&lt;", "&#60", "&#060", "&#x3C"])
def test_a_call_right_after_a_broken_command_is_broken_too(less_than: str) -> None:
    text = f"{less_than}@everyone>"
    assert not TOKEN.search(harmless(text))
    assert harmless(harmless(text)) == harmless(text)


def test_a_fence_too_long_to_be_one_does_not_turn_code_into_prose() -> None:
    text = f"```{'a' * 201}\nfoo\n```\n![x](https://e.example)\n"
    assert harmless(text) == f"\u200b```{'a' * 201}\nfoo\n```\n![x](https://e.example)\n```\n"


def test_the_language_of_code_holds_no_command() -> None:
    assert harmless("~~~ a <@U1>@here&lt;!x\nx") == "~~~ a   U1  here lt;!x\nx\n~~~\n"


def test_an_email_address_is_no_call() -> None:
    assert harmless("Write to team@here.example.") == "Write to team@here.example."


@pytest.mark.parametrize(
    ("image", "link"),
    [
        ("![a chart](https://e.example/c?q=secret)", "[a chart](https://e.example/c?q=secret)"),
        ("![](https://e.example/c)", "[image](https://e.example/c)"),
        ("!![x](https://e.example/c)", "[x](https://e.example/c)"),
        ("![a [nested] one](https://e.example/c)", "[a [nested] one](https://e.example/c)"),
        ("![x][ref]", "[x][ref]"),
    ],
)
def test_an_image_becomes_a_link(image: str, link: str) -> None:
    assert split(f"See {image}") == [f"See {link}"]


def test_an_image_after_code_left_open_in_its_line_is_found() -> None:
    assert harmless("a ` b\n![x](https://e.example)") == "a ` b\n[x](https://e.example)"


def test_slacks_own_links_become_markdown() -> None:
    assert split("<https://e.example/a|our page>") == ["[our page](https://e.example/a)"]


def test_control_characters_disguised_directions_and_half_characters_are_dropped() -> None:
    assert split("a\x00b\x1bc\u202ed\ud800e\r\nf") == ["abcde\nf"]


def test_paragraphs_are_kept_together() -> None:
    paragraph = "word " * 1000
    parts = split("\n\n".join([paragraph] * 5))
    assert [part.count("word") for part in parts] == [2000, 2000, 1000]


def test_a_long_paragraph_is_cut_between_sentences() -> None:
    parts = split("This is one sentence of several words. " * 1000)
    assert len(parts) > 1
    assert all(part.rstrip().endswith("words.") for part in parts)


def test_a_link_with_spaces_is_not_cut() -> None:
    link = "[the page about it](https://e.example/page)"
    assert "".join(split(f"{link} and " * 600)).count(link) == 600


def test_long_code_is_closed_and_opened_again_with_its_language() -> None:
    lines = [f"line = {number}" for number in range(2000)]
    parts = split("Look:\n\n```python\n" + "\n".join(lines) + "\n```\n\nThat is all.")
    assert len(parts) > 2
    assert all("```python\n" in part for part in parts)
    assert [line for part in parts for line in part.splitlines() if line.startswith("line")] == lines


def test_code_left_open_is_closed() -> None:
    assert split("Look:\n```python\nx = 1") == ["Look:\n```python\nx = 1\n```"]


@pytest.mark.parametrize("cluster", ["👨‍👩‍👧‍👦", "🇩🇪", "👍🏽", "e\u0301", "🏴󠁧󠁢󠁳󠁣󠁴󠁿", "\u1100\u1161\u11a8"])
def test_what_reads_as_one_character_is_not_cut_in_two(cluster: str) -> None:
    parts = split(cluster * 7000)
    assert len(parts) > 1
    assert all(part == cluster * (len(part) // len(cluster)) for part in parts)


def test_characters_that_slack_stores_longer_count_longer() -> None:
    assert len(split("<" * SLACK.longest_text)) == 4


def test_a_part_has_few_headings() -> None:
    text = "\n\n".join(f"## Heading {number}\n\nText." for number in range(100))
    assert max(part.count("## ") for part in split(text)) < 25


def test_comments_in_code_are_no_headings() -> None:
    code = "```python\n" + "# why\nx = 1\n" * 500 + "```"
    assert split(code) == [code]


@pytest.mark.parametrize("nothing", ["", " \n\t", "\u200b", "\x00"])
def test_nothing_to_say_is_an_error(nothing: str) -> None:
    with pytest.raises(ValueError, match="nothing to say"):
        split(nothing)


def test_the_fallback_is_one_short_escaped_line() -> None:
    assert fallback("# Hello\n\n**Ada** & [you](https://e.example) `x < 1`") == "Hello Ada &amp; you x &lt; 1"
    assert fallback("word " * 200).endswith("word…")
    assert fallback("```\n```") == "…"


def test_sections_are_slacks_own_markup() -> None:
    assert sections("## Plan\n**Do** [this](https://e.example) & `a < b`\n```\n**x**\n```") == [
        "*Plan*\n*Do* this (https://e.example) &amp; `a &lt; b`\n```\n**x**\n```"
    ]


@pytest.mark.parametrize("piece", ["[", "`", "!", "[a](", "<a:", "# #", "&#0", "``` ", "@", "**a", "\n> "])
def test_hostile_repetition_takes_no_time_to_speak_of(piece: str) -> None:
    text = piece * 20_000 + "x"
    assert "x" in split(text)[-1]
