"""Markdown, plain text and CSV, in the encodings that people's programs write, and files that are no text."""

import gzip

import pytest

from konstruct.adapters.reading.reader import SubprocessReader
from konstruct.errors import Unreadable

TALK = {
    "German": "Größere Bestellungen über 50 € verschicken wir kostenlos – auch nach Österreich.",
    "Spanish": "¿Cuánto cuesta el envío? Ningún artículo más de seis euros, señora.",
    "Arabic": "الشحن مجاني للطلبات التي تزيد قيمتها عن خمسين يورو.",
    "Chinese": "订单满五十欧元即可享受免费送货服务。",
    "emoji": "Ready 👩‍👩‍👧 go 🏳️‍🌈!",
}
HEBREW = "שלום לכולם, החנות פתוחה בכל יום משעה תשע בבוקר ועד שש בערב. המשלוח חינם לכל הזמנה גדולה. " * 5


async def test_markdown_keeps_its_structure(reader: SubprocessReader) -> None:
    text = """---
title: "The handbook"
tags: [a]
---
Some words first.

# Returns

Within **30 days**, see [the form](https://example.com/form) or ![a picture](x.png).

1. Pack it
2. Send it
   - insured

   by post

> Quoted words

```py
# no heading
```

## Prices
| Land | Price |
|------|-------|
| `ES` | 6 |

<details>
<summary>More</summary>Hidden <b>words</b>
</details>

Setext
------
End.
"""
    document = await reader.read(text.encode(), name="handbook.md")
    assert (document.title, document.media_type) == ("The handbook", "text/markdown")
    assert [(section.headings, section.text) for section in document.sections] == [
        ((), "Some words first."),
        (
            ("Returns",),
            "Within 30 days, see the form (https://example.com/form) or a picture.\n\n"
            "1. Pack it\n2. Send it\n  - insured\n  by post\n\nQuoted words\n\n```py\n# no heading\n```",
        ),
        (("Returns", "Prices"), "| Land | Price |\n| --- | --- |\n| ES | 6 |\n\nMore\nHidden words"),
        (("Returns", "Setext"), "End."),
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
async def test_unicode_is_read_in_every_language(reader: SubprocessReader, encoding: str) -> None:
    document = await reader.read("\r\n\r\n".join(TALK.values()).encode(encoding), name="所有语言.txt")
    assert (document.title, document.media_type) == ("所有语言", "text/plain")
    assert document.sections[0].text.split("\n\n") == list(TALK.values())


@pytest.mark.parametrize(
    ("text", "encoding", "media_type"),
    [
        (TALK["German"], "cp1252", None),
        (TALK["Spanish"], "cp1252", "text/plain; charset=iso-8859-1"),
        (HEBREW, "cp1255", None),
        (TALK["Chinese"] * 5, "gb18030", None),
        ("Łódź", "cp1250", "text/plain; charset=windows-1250"),
    ],
)
async def test_older_encodings_are_declared_or_guessed(
    reader: SubprocessReader, text: str, encoding: str, media_type: str | None
) -> None:
    document = await reader.read(text.encode(encoding), name="old.txt", media_type=media_type)
    assert document.sections[0].text == text.strip()


async def test_a_page_may_declare_its_encoding_itself(reader: SubprocessReader) -> None:
    page = f"<html><head><meta charset='iso-8859-15'></head><body><p>{TALK['Spanish']} €</p></body></html>"
    document = await reader.read(page.encode("iso-8859-15"), name="page")
    assert document.sections[0].text == f"{TALK['Spanish']} €"


async def test_a_text_that_was_cut_within_a_character_is_read(reader: SubprocessReader) -> None:
    document = await reader.read((TALK["German"] * 40).encode() + "ü".encode()[:1], name="cut.txt")
    assert document.sections[0].text.startswith(TALK["German"])


async def test_text_is_composed_and_holds_no_controls(reader: SubprocessReader) -> None:
    written = "Cafe\u0301\x07 is\u00a0open\u00ad.\x1b[0m\u2028Next \u202eline"
    document = await reader.read(written.encode() + b" \0" + b"x" * 200, name="a.txt")
    assert document.sections[0].text == "Café is open.[0m\nNext line " + "x" * 200


async def test_each_row_of_a_csv_is_understood_alone(reader: SubprocessReader) -> None:
    text = 'Preisliste;;\nArtikel;Preis;2026\n"Schuh; rot";149,90;7\n\nJacke;;3\nHut;5;6;neu\n'
    document = await reader.read(text.encode("cp1252"), name="Preise.csv")
    assert (document.title, document.media_type) == ("Preise", "text/csv")
    assert document.sections[0].text.split("\n\n") == [
        "Preisliste",
        "Artikel: Schuh; rot\nPreis: 149,90\n2026: 7",
        "Artikel: Jacke\n2026: 3",
        "Artikel: Hut\nPreis: 5\n2026: 6\nneu",
    ]


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("a,b\n1,2\n", ["a: 1\nb: 2"]),
        ("a\tb\n1\t2,5\n", ["a: 1\nb: 2,5"]),
        ("Anna,31\nBen,40\n", ["Anna | 31", "Ben | 40"]),
        ("name,age\n", ["name | age"]),
        ("only\none\n", ["only: one"]),
    ],
)
async def test_what_separates_and_what_heads_a_csv_is_seen(
    reader: SubprocessReader, text: str, rows: list[str]
) -> None:
    document = await reader.read(text.encode(), name="x", media_type="text/csv")
    assert document.sections[0].text.split("\n\n") == rows


@pytest.mark.parametrize(
    ("text", "name", "media_type", "kind"),
    [
        ("# One\n\nTwo", "notes", None, "text/markdown"),
        ("One\n\nTwo", "notes", None, "text/plain"),
        ("# One\n\nTwo", "notes.txt", "application/octet-stream", "text/plain"),
        ("# One\n\nTwo", "notes.txt", "text/markdown", "text/markdown"),
        ("<p>One</p>", "part.htm", None, "text/html"),
        ("<!DOCTYPE html><p>One</p>", "page.txt", "text/plain", "text/html"),
        ("a;b\n1;2", "x.CSV", "application/vnd.ms-excel", "text/csv"),
    ],
)
async def test_hints_tell_kinds_of_text_apart(
    reader: SubprocessReader, text: str, name: str, media_type: str | None, kind: str
) -> None:
    assert (await reader.read(text.encode(), name=name, media_type=media_type)).media_type == kind


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "empty"),
        (b" \n\t\n", "blanks"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(range(256)) * 4, "Portable Network Graphics"),
        (gzip.compress(b"hello" * 100, mtime=0), "another kind"),
        (bytes(range(256)) * 40, "no document"),
        (b"{\\rtf1\\ansi Hello}", "Rich Text"),
        (b"<?xml version='1.0'?><rss><item/></rss>", "XML"),
        (b"x" * 20_000_001, "20 MB"),
    ],
    ids=["empty", "blank", "png", "gzip", "noise", "rtf", "xml", "large"],
)
async def test_what_is_no_document_is_named(reader: SubprocessReader, content: bytes, sentence: str) -> None:
    with pytest.raises(Unreadable) as caught:
        await reader.read(content, name="notes.txt", media_type="text/plain")
    assert sentence in str(caught.value)
