"""DOCX: headings by style in any language, lists, tables, tracked changes, and zips that are something else."""

import io
import zipfile
from collections.abc import Callable

import docx
import pytest
from docx.document import Document
from docx.enum.style import WD_STYLE_TYPE
from docx.opc.constants import RELATIONSHIP_TYPE
from docx.opc.packuri import PackURI
from docx.opc.part import Part
from docx.oxml import parse_xml
from docx.styles.style import ParagraphStyle

from konstruct.adapters.reading.reader import SubprocessReader
from konstruct.errors import Unreadable

W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


def saved(document: Document) -> bytes:
    written = io.BytesIO()
    document.save(written)
    return written.getvalue()


def archive(**members: str) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in members.items():
            packed.writestr(name.replace("__", "/").replace("_xml", ".xml"), content)
    return written.getvalue()


def changed(content: bytes, member: str, change: Callable[[bytes], bytes]) -> bytes:
    """The same package with one member made anew."""
    written = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, change(old.read(name)) if name == member else old.read(name))
    return written.getvalue()


async def test_headings_lists_and_tables_keep_their_structure(reader: SubprocessReader) -> None:
    document = docx.Document()
    document.core_properties.title = "Rückgabe und Versand"
    document.add_heading("Versand", 1)
    document.add_paragraph("Der Versand dauert zwei Tage.")
    document.add_paragraph("mit der Post", style="List Bullet")
    document.add_paragraph("mit dem Boten", style="List Bullet")
    document.add_heading("Preise", 2)
    table = document.add_table(rows=2, cols=2)
    for cell, text in zip(table._cells, ("Land", "Preis", "España", "6,90 € | brutto"), strict=True):
        cell.text = text
    document.add_heading("Rückgabe", 1)
    document.add_paragraph("Innerhalb von 30 Tagen. 🙂")
    read = await reader.read(saved(document), name="x.docx")
    assert read.title == "Rückgabe und Versand"
    assert read.media_type.endswith("wordprocessingml.document")
    assert [(section.headings, section.text) for section in read.sections] == [
        (("Versand",), "Der Versand dauert zwei Tage.\n\n- mit der Post\n- mit dem Boten"),
        (("Versand", "Preise"), "| Land | Preis |\n| --- | --- |\n| España | 6,90 € \\| brutto |"),
        (("Rückgabe",), "Innerhalb von 30 Tagen. 🙂"),
    ]


async def test_a_style_that_is_based_upon_a_heading_is_one(reader: SubprocessReader) -> None:
    document = docx.Document()
    own = document.styles.add_style("Kapitel der Firma", WD_STYLE_TYPE.PARAGRAPH)
    assert isinstance(own, ParagraphStyle)
    own.base_style = document.styles["Heading 2"]
    document.add_paragraph("الشحن", style=own)
    document.add_paragraph("الشحن مجاني للطلبات الكبيرة.")
    read = await reader.read(saved(document), name="x.docx")
    assert [(section.headings, section.text) for section in read.sections] == [
        (("الشحن",), "الشحن مجاني للطلبات الكبيرة.")
    ]


async def test_what_was_struck_out_is_gone_and_what_was_put_in_is_there(reader: SubprocessReader) -> None:
    document = docx.Document()
    body = document.element.body
    body.insert(
        0,
        parse_xml(
            f"<w:sdt {W}><w:sdtContent><w:p><w:r><w:t xml:space='preserve'>It costs </w:t></w:r>"
            "<w:del w:id='1' w:author='a'><w:r><w:delText>five</w:delText></w:r></w:del>"
            "<w:moveFrom w:id='3' w:author='a'><w:r><w:t>six</w:t></w:r></w:moveFrom>"
            "<w:ins w:id='2' w:author='a'><w:r><w:t>seven</w:t></w:r></w:ins>"
            "<w:r><w:tab/><w:t>euros.</w:t></w:r></w:p></w:sdtContent></w:sdt>"
        ),
    )
    read = await reader.read(saved(document), name="x.docx")
    assert [section.text for section in read.sections] == ["It costs seven\teuros."]


async def test_footnotes_are_read_too(reader: SubprocessReader) -> None:
    document = docx.Document()
    document.add_paragraph("Free of charge.")
    said = "<w:footnote w:id='1'><w:p><w:r><w:t>Above 50 euros.</w:t></w:r></w:p></w:footnote>"
    note = f"<w:footnotes {W}>{said}</w:footnotes>"
    kind = "application/vnd.openxmlformats-officedocument.wordprocessingml.footnotes+xml"
    part = Part(PackURI("/word/footnotes.xml"), kind, note.encode(), document.part.package)
    document.part.relate_to(part, RELATIONSHIP_TYPE.FOOTNOTES)
    read = await reader.read(saved(document), name="x.docx")
    assert read.sections[0].text == "Free of charge.\n\nAbove 50 euros."


OLD_WORD = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600) + "WordDocument".encode("utf-16-le") + bytes(3000)
PROTECTED = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600) + "EncryptedPackage".encode("utf-16-le") + bytes(3000)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (archive(notes_txt="Hello"), "ZIP archive; upload the documents in it one by one."),
        (archive(xl__workbook_xml="<a/>"), "Excel"),
        (archive(ppt__presentation_xml="<a/>"), "PowerPoint"),
        (archive(word__document_xml="<a/>"), "damaged"),
        (saved(docx.Document())[:9000], "cut off"),
        (saved(docx.Document()), "no text"),
        (OLD_WORD, "old Word (.doc)"),
        (PROTECTED, "password"),
    ],
    ids=["zip", "xlsx", "pptx", "half a docx", "cut off", "empty", "doc", "protected"],
)
async def test_what_is_no_word_document_is_named(reader: SubprocessReader, content: bytes, sentence: str) -> None:
    with pytest.raises(Unreadable) as caught:
        await reader.read(content, name="letter.docx")
    assert sentence in str(caught.value)


async def test_what_is_far_larger_unpacked_is_not_read(reader: SubprocessReader) -> None:
    bomb = changed(saved(docx.Document()), "word/document.xml", lambda _: b" " * 200_000_000)
    with pytest.raises(Unreadable, match="Unpacked"):
        await reader.read(bomb, name="letter.docx")


async def test_entities_that_stand_for_others_are_not_multiplied(reader: SubprocessReader) -> None:
    document = docx.Document()
    document.add_paragraph("Before MARK after")
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10 if n else "boom" * 10}">' for n in range(10))

    def armed(xml: bytes) -> bytes:
        declared = xml.replace(b"<w:document", f"<!DOCTYPE w:document [{entities}]><w:document".encode(), 1)
        return declared.replace(b"MARK", b"&e9;")

    try:
        read = await reader.read(changed(saved(document), "word/document.xml", armed), name="x.docx")
    except Unreadable:
        return
    assert "boom" not in read.sections[0].text
