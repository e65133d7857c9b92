"""What a document is, by its bytes. What somebody says that it is only tells kinds of text apart."""

import io
import re
import zipfile
from pathlib import PurePath
from typing import Final, Literal

import puremagic

from konstruct.adapters.reading.decoding import decoded, has_mark
from konstruct.errors import Unreadable

Kind = Literal["pdf", "docx", "html", "markdown", "csv", "plain"]

MEDIA_TYPES: Final[dict[Kind, str]] = {
    "pdf": "application/pdf",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "html": "text/html",
    "markdown": "text/markdown",
    "csv": "text/csv",
    "plain": "text/plain",
}
_TAKEN: Final = "What can be read is PDF, DOCX, Markdown, HTML, plain text and CSV."
_SAVE_AS: Final = "save it as DOCX or PDF and upload that"

LARGEST_UNPACKED: Final = 150_000_000
_MOST_MEMBERS: Final = 10_000

_OFFICE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_BY_SAID_TYPE: Final[dict[str, Kind]] = {
    "text/html": "html",
    "application/xhtml+xml": "html",
    "text/markdown": "markdown",
    "text/x-markdown": "markdown",
    "text/csv": "csv",
    "text/tab-separated-values": "csv",
}
_BY_ENDING: Final[dict[str, Kind]] = {
    ".html": "html",
    ".htm": "html",
    ".xhtml": "html",
    ".md": "markdown",
    ".markdown": "markdown",
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "plain",
}
_MEMBERS: Final = (
    ("xl/workbook.xml", "an Excel workbook; save its sheets as CSV and upload those"),
    ("xl/workbook.bin", "an Excel workbook; save its sheets as CSV and upload those"),
    ("ppt/presentation.xml", "a PowerPoint presentation; save it as PDF and upload that"),
    ("META-INF/container.xml", "an e-book (EPUB); turn it into a PDF and upload that"),
    ("content.xml", f"an OpenDocument file; {_SAVE_AS}"),
)
_HTML: Final = re.compile(
    r"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body)\b", re.I | re.S
)
_XML: Final = re.compile(r"\s*<(?:\?xml|svg|rss|feed)\b", re.I)
_MARKDOWN: Final = re.compile(r"^(?:#{1,6} \S|```|\|[ :|-]*-{3}[ :|-]*\|\s*$)", re.M)
# No text of any encoding holds many of these.
_CONTROLS: Final = re.compile(rb"[\x00-\x06\x0e-\x1a\x1c-\x1f]")
_LOOKED_AT: Final = 65_536


def sniff(content: bytes, name: str, media_type: str | None) -> tuple[Kind, bytes | str]:
    """Its kind, and its content as that kind's module reads it: bytes, or text where it is text."""
    if b"%PDF-" in content[:1024]:
        return "pdf", content
    if content.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        _check_is_docx(content)
        return "docx", content
    if content.startswith(_OFFICE):
        raise Unreadable(_old_office(content))
    if content.startswith(b"{\\rtf"):
        raise Unreadable(f"This is a Rich Text file (RTF); {_SAVE_AS}.")
    if _is_binary(content):
        raise Unreadable(f"{_strange(content)} {_TAKEN}")
    text = decoded(content, media_type)
    if not text.strip():
        raise Unreadable("The file holds nothing but blanks.")
    return _text_kind(text, name, media_type), text


def _text_kind(text: str, name: str, media_type: str | None) -> Kind:
    if _HTML.match(text[:_LOOKED_AT]):
        return "html"
    if _XML.match(text[:_LOOKED_AT]):
        raise Unreadable(f"This is an XML file, not a page or a document. {_TAKEN}")
    said = (media_type or "").partition(";")[0].strip().lower()
    hinted = _BY_SAID_TYPE.get(said) or _BY_ENDING.get(PurePath(name).suffix.lower())
    if hinted is None:
        return "markdown" if _MARKDOWN.search(text[:_LOOKED_AT]) else "plain"
    return hinted


def _is_binary(content: bytes) -> bool:
    head = content[:_LOOKED_AT]
    return not has_mark(content) and len(_CONTROLS.findall(head)) * 100 > len(head)


def _check_is_docx(content: bytes) -> None:
    """Before anything of it is unpacked. Members cannot hold more than they declare: reading stops there."""
    try:
        members = zipfile.ZipFile(io.BytesIO(content)).infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OverflowError):
        raise Unreadable("The file is damaged or was cut off; upload it again.") from None
    names = {member.filename for member in members}
    if "word/document.xml" not in names and not any(re.fullmatch(r"word/document\d*\.xml", one) for one in names):
        what = next((what for member, what in _MEMBERS if member in names), None)
        raise Unreadable(f"This is {what or 'a ZIP archive; upload the documents in it one by one'}.")
    if any(member.flag_bits & 1 for member in members):
        raise Unreadable("This document is protected by a password; upload it without one.")
    if len(members) > _MOST_MEMBERS or sum(member.file_size for member in members) > LARGEST_UNPACKED:
        limit = f"{LARGEST_UNPACKED // 1_000_000} MB"
        raise Unreadable(f"Unpacked, this document is larger than {limit}; split it into smaller documents.")


def _old_office(content: bytes) -> str:
    """These hold the names of their streams in UTF-16."""
    if "EncryptedPackage".encode("utf-16-le") in content:
        return "This document is protected by a password; upload it without one."
    if "WordDocument".encode("utf-16-le") in content:
        return f"This is a document of an old Word (.doc); {_SAVE_AS}."
    if "Workbook".encode("utf-16-le") in content:
        return "This is a workbook of an old Excel (.xls); save its sheets as CSV and upload those."
    return f"This is a file of an old Office; {_SAVE_AS}."


def _strange(content: bytes) -> str:
    try:
        best = puremagic.magic_string(content)[0]
    except (puremagic.PureError, ValueError, IndexError):
        return "This is no document that is known here."
    ending = best.extension.lstrip(".").upper()
    return f"This seems to be a file of another kind ({best.name or ending})."
