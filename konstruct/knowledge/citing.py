"""Citations: what an answer took from which document, told where people can look it up. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

# Several in a row are one: passages of one document have one number, which is told once.
_REFERENCES = re.compile(r"(?:[ \t]?\[\d{1,4}(?:\s*[,;]\s*\d{1,4})*\](?!\())+")
_WORD = re.compile(r"\w{2,}")
_NOT_IN_TITLES = re.compile(r"[\[\]()<>`*_~|\x00-\x1f\x7f]+")
_LONGEST_TITLE: Final = 120
_ALIKE: Final = 0.5
"""An answer that names no source is taken to come from one that holds so large a part of its longer words."""
_LEAST_WORDS: Final = 3


@dataclass(frozen=True)
class Source:
    """A passage that a model was shown under ``number``."""

    number: int
    title: str
    link: str | None
    text: str = ""


def cite(answer: str, sources: Sequence[Source]) -> str:
    """The answer with its references numbered anew from 1, one number a document, and those documents below it.

    References to what was never shown go. An answer without any is given those documents that it plainly repeats.
    """
    by_number = {source.number: source for source in sources}
    places: dict[tuple[str, str | None], int] = {}

    def place(source: Source) -> int:
        return places.setdefault((source.title, source.link), len(places) + 1)

    def renumbered(found: re.Match[str]) -> str:
        numbers = [int(number) for number in re.findall(r"\d+", found[0])]
        known = [by_number[number] for number in numbers if number in by_number]
        if not known:
            is_part_of_a_word = found.start() > 0 and found.string[found.start() - 1].isalnum() and found[0][0] == "["
            return found[0] if is_part_of_a_word or not sources else ""
        marks = "".join(f"[{number}]" for number in dict.fromkeys(map(place, known)))
        return f"{' ' if found[0][:1].isspace() else ''}{marks}"

    text = _REFERENCES.sub(renumbered, answer)
    if not places:
        for source in sources:
            if _is_from(answer, source):
                place(source)
    if not places:
        return text
    lines = (f"[{number}] {_linked(title, link)}" for (title, link), number in places.items())
    return f"{text.rstrip()}\n\n" + "\n".join(lines)


def _is_from(answer: str, source: Source) -> bool:
    said = {word for word in _WORD.findall(answer.casefold()) if len(word) > 3 or word.isdigit()}
    held = set(_WORD.findall(source.text.casefold()))
    common = said & held
    return len(common) >= _LEAST_WORDS and len(common) >= _ALIKE * len(said)


def _linked(title: str, link: str | None) -> str:
    """As Markdown whose parts cannot become anything else."""
    plain = " ".join(_NOT_IN_TITLES.sub(" ", title).split())[:_LONGEST_TITLE] or "Document"
    if link is None or not link.lower().startswith(("http://", "https://")):
        return plain
    return f"[{plain}]({quote(link, safe=_SAFE)})"


_SAFE: Final = "%/:?#@!$&'*+,;=-._~"
