"""Bytes to text: byte order marks, UTF-8, what the file was declared to be, and only then a guess."""

import codecs
import re
from typing import Final

import charset_normalizer

# The longer marks first: that of UTF-32 begins like that of UTF-16.
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_DECLARED: Final = re.compile(
    rb"""<(?:meta|\?xml)\b[^>]{0,500}?(?:charset|encoding)\s*=\s*["']?\s*([\w.:-]{2,40})""", re.I
)
_CHARSET: Final = re.compile(r"""charset\s*=\s*["']?([\w.:-]{2,40})""", re.I)
_GUESSED_FROM: Final = 1_000_000
_DAMAGE_TAKEN: Final = 50


def has_mark(content: bytes) -> bool:
    return any(content.startswith(mark) for mark, _ in _MARKS)


def decoded(content: bytes, media_type: str | None) -> str:
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return content.decode(encoding, "replace").removeprefix("\ufeff")
    try:
        return content.decode()
    except UnicodeDecodeError:
        pass
    # A few bad bytes in a text that is UTF-8 otherwise: cut off in a character, or pasted from elsewhere.
    text = content.decode("utf-8", "replace")
    beyond_ascii = sum(len(run) for run in re.findall(r"[^\x00-\x7f]+", text))
    if text.count("\ufffd") * _DAMAGE_TAKEN <= beyond_ascii:
        return text
    return content.decode(_declared(content, media_type) or _guessed(content), "replace")


def _declared(content: bytes, media_type: str | None) -> str | None:
    said = _CHARSET.search(media_type or "")
    inside = _DECLARED.search(content[:4096])
    for name in (said[1] if said else "", inside[1].decode("ascii", "replace") if inside else ""):
        try:
            encoding = codecs.lookup(name)
        except LookupError:
            continue
        # Not what turns text into other text or bytes, and not UTF-8: that it is not that is known by now.
        if encoding._is_text_encoding and encoding.name != "utf-8":
            # Browsers take Latin-1 for its superset too, and pages rely on it.
            return "cp1252" if encoding.name in {"iso8859-1", "ascii"} else encoding.name
    return None


def _guessed(content: bytes) -> str:
    best = charset_normalizer.from_bytes(content[:_GUESSED_FROM]).best()
    return best.encoding if best is not None else "cp1252"
