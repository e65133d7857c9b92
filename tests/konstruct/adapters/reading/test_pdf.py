"""PDF: paragraphs and pages, headings from bookmarks, and what cannot be read said in a sentence."""

import pytest
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.platypus import Paragraph

from konstruct.adapters.reading.reader import SubprocessReader
from konstruct.errors import Unreadable
from tests.konstruct.adapters.reading import pdfs


async def test_bookmarks_become_headings_with_their_pages(reader: SubprocessReader) -> None:
    document = await reader.read(pdfs.flowing(pdfs.chapters(5), title="Handbook"), name="handbook.pdf")
    assert (document.title, document.media_type) == ("Handbook", "application/pdf")
    assert [(section.headings, section.page) for section in document.sections[:4]] == [
        (("Chapter 1",), 1),
        (("Chapter 1", "Details of 1"), 1),
        (("Chapter 2",), 2),
        (("Chapter 2", "Details of 2"), 2),
    ]
    first, details = document.sections[:2]
    assert first.text == (
        f"What chapter 1 is about. {pdfs.PARCELS} That is all.\n\nA second paragraph of it. {pdfs.PARCELS}"
    )
    assert details.text == f"These are its details. {pdfs.PARCELS}"


async def test_what_is_printed_on_every_page_is_left_out(reader: SubprocessReader) -> None:
    story = [Paragraph(pdfs.PARCELS * 30, pdfs.STYLES["Normal"]) for _ in range(5)]
    document = await reader.read(pdfs.flowing(story), name="long.pdf")
    assert len(document.sections) > 4
    assert [section.page for section in document.sections] == list(range(1, len(document.sections) + 1))
    text = "".join(section.text for section in document.sections)
    assert "Handbook" not in text
    assert "Page 3" not in text
    assert text.count("Our parcels are packed") > 140


async def test_columns_are_read_one_after_the_other(reader: SubprocessReader) -> None:
    words = " ".join(f"word{number}" for number in range(900))
    document = await reader.read(pdfs.flowing([Paragraph(words, pdfs.STYLES["Normal"])], columns=2), name="columns.pdf")
    found = [word for section in document.sections for word in section.text.split() if word.startswith("word")]
    assert found == words.split()


async def test_words_cut_at_a_line_end_are_whole_again(reader: SubprocessReader) -> None:
    written = pdfs.lines(
        "The delivery of par-", "cels to an E-", "Mail address in 2020-", "2021 was free.", "- One", "- Two"
    )
    document = await reader.read(written, name="Parcels in short.pdf")
    assert document.title == "Parcels in short"
    assert document.sections[0].text.split("\n\n") == [
        "The delivery of parcels to an E-Mail address in 2020-\n2021 was free.",
        "- One\n- Two",
    ]


async def test_chinese_lines_are_joined_without_a_blank(reader: SubprocessReader) -> None:
    pdfmetrics.registerFont(UnicodeCIDFont("STSong-Light"))
    first = "订单满五十欧元即可享受免费送货服务您可以在购买之日起三十天内退货客户服务中心"
    second = "您可以在购买之日起三十天内退货客户服务中心订单满五十欧元即可享受免费送货服务"
    document = await reader.read(pdfs.lines(first, second, "每天开放。", font="STSong-Light"), name="送货.pdf")
    assert document.title == "送货"
    assert document.sections[0].text == f"{first}{second}每天开放。"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (pdfs.flowing(pdfs.chapters(1), password="secret"), "protected by a password"),
        (pdfs.scanned(3), "(OCR)"),
        (pdfs.flowing(pdfs.chapters(3))[:3000], "cut off"),
        (b"%PDF-1.7\n%%EOF", "damaged"),
    ],
    ids=["encrypted", "scan", "cut off", "nothing in it"],
)
async def test_what_cannot_be_read_is_said(reader: SubprocessReader, content: bytes, sentence: str) -> None:
    with pytest.raises(Unreadable) as caught:
        await reader.read(content, name="some.pdf")
    assert sentence in str(caught.value)


async def test_a_pdf_that_only_may_not_be_changed_is_read(reader: SubprocessReader) -> None:
    document = await reader.read(pdfs.flowing(pdfs.chapters(1), password=""), name="some.pdf")
    assert document.sections
