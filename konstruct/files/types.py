"""What a file is that somebody is about to send, by its content, and a name that goes with it."""

from collections.abc import Collection, Sequence
from pathlib import PurePosixPath
from typing import Final

from konstruct.files import kinds

UNKNOWN: Final = "application/octet-stream"
MOST_CHARACTERS: Final = 120

_OPEN_XML: Final = (
    (b"word/document", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    (b"xl/workbook", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    (b"ppt/presentation", "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
)
_MACROS: Final = b"vbaProject.bin"
_OLD_OFFICE: Final = (
    ("WordDocument".encode("utf-16-le"), "application/msword"),
    ("Workbook".encode("utf-16-le"), "application/vnd.ms-excel"),
    ("PowerPoint Document".encode("utf-16-le"), "application/vnd.ms-powerpoint"),
)
_TEXTS: Final = {
    ".csv": "text/csv",
    ".md": "text/markdown",
    ".html": "text/html",
    ".htm": "text/html",
    ".ics": "text/calendar",
    ".vcf": "text/vcard",
}
_ENDINGS: Final = {
    "image/jpeg": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "image/png": (".png",),
    "image/gif": (".gif",),
    "image/webp": (".webp",),
    "application/pdf": (".pdf",),
    _OPEN_XML[0][1]: (".docx",),
    _OPEN_XML[1][1]: (".xlsx",),
    _OPEN_XML[2][1]: (".pptx",),
}
"""Those that a name is given where it has another: programs go by them, whatever is said besides."""


def type_of(content: bytes, name: str, said: str = "") -> str:
    """Its media type. ``name`` and ``said`` only tell kinds of text apart, and sound from film."""
    found = kinds.sniff(content, said)
    if found != UNKNOWN:
        return found
    if b"%PDF-" in content[:1024]:
        return "application/pdf"
    if content.startswith(b"PK\x03\x04"):
        return _packed(content)
    if content.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        return next((kind for mark, kind in _OLD_OFFICE if mark in content), UNKNOWN)
    if _is_text(content):
        return _TEXTS.get(PurePosixPath(name).suffix.lower(), "text/plain")
    return UNKNOWN


def clean_name(name: str, media_type: str) -> str:
    """Without folders and what cannot be seen, short enough, and with an ending that its type has."""
    last = name.replace("\\", "/").rpartition("/")[2]
    seen = "".join(char if char.isprintable() else " " for char in last.encode("utf-8", "replace").decode())
    bare = " ".join(seen.split()).lstrip(". ").rstrip(". ") or "file"
    stem, suffix = PurePosixPath(bare).stem, PurePosixPath(bare).suffix
    if len(suffix) > 12:
        stem, suffix = bare, ""
    endings = _ENDINGS.get(media_type, ())
    if endings and suffix.lower() not in endings:
        stem, suffix = stem + suffix, endings[0]
    return stem[: MOST_CHARACTERS - len(suffix)].rstrip() + suffix


def told_apart(names: Sequence[str], taken: Collection[str] = ()) -> list[str]:
    """The same, each of them once, and none that is taken."""
    used = {name.casefold() for name in taken}
    found = []
    for name in names:
        stem, suffix = PurePosixPath(name).stem, PurePosixPath(name).suffix
        number, chosen = 1, name
        while chosen.casefold() in used:
            number += 1
            chosen = f"{stem} ({number}){suffix}"
        used.add(chosen.casefold())
        found.append(chosen)
    return found


def _packed(content: bytes) -> str:
    """The names of its members stand in it as they are."""
    if b"[Content_Types].xml" not in content or _MACROS in content:
        return "application/zip"
    return next((kind for mark, kind in _OPEN_XML if mark in content), "application/zip")


def _is_text(content: bytes) -> bool:
    if b"\0" in content:
        return False
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return bool(content)
