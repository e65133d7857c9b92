"""Words as the knowledge base searches them, cut the same way in a document and in a question, in any language.

English is stemmed by Postgres, whose stop words are left out. What other languages inflect is found by how it begins,
what is written without spaces by pairs of characters, and a code whichever way it is punctuated.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import text as sql
from sqlalchemy.ext.asyncio import AsyncSession

LONGEST_WORD: Final = 64
"""Characters; nobody types more of one, and an index entry may hold only so many."""
BEGINNING: Final = 5
"""Characters by which an inflected word is found."""

MOST_PLACES: Final = 200
"""Of one word in a text; Postgres keeps few more."""

# Python's \w leaves out the signs that most scripts of India and South-East Asia write vowels with.
_SIGNS: Final = (
    "\u0300-\u036f\u0483-\u0489\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed"
    "\u0900-\u0963\u0966-\u109f\u1780-\u17d3"
)
_WORD: Final = re.compile(rf"(?:[^\W_]|[{_SIGNS}])+")
# Written without spaces between words, or, as Korean is, with endings that grow onto them.
_UNSPACED: Final = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u9fff\uac00-\ud7af"
    "\uf900-\ufaff\U00020000-\U0003ffff]+"
)
_CODE: Final = re.compile(r"[^\W_]+(?:[-./:#][^\W_]+)+")
_PARTS: Final = re.compile(r"\d+|[^\W\d_]+")
_LATIN_MARKS: Final = re.compile("[\u0300-\u036f\u064b-\u065f\u0670]+")
# What decomposes into nothing simpler, though people type it so.
_FOLDED: Final = str.maketrans({"ı": "i", "ł": "l", "ø": "o", "đ": "d", "æ": "ae", "œ": "oe", "ð": "d", "þ": "th"})

_STEMS: Final = sql("select word, ts_lexize('english_stem', word) from unnest(cast(:words as text[])) word")


@dataclass(frozen=True)
class Words:
    """The words of a text in their order, each with the forms by which it is found. What says nothing is left out."""

    forms: tuple[tuple[str, ...], ...]

    @property
    def length(self) -> int:
        return len(self.forms)

    @property
    def vector(self) -> str:
        """As Postgres reads a tsvector; it notes places only of what is there more than once, for their number."""
        places: dict[str, list[int]] = {}
        for place, forms in enumerate(self.forms, 1):
            for form in forms:
                places.setdefault(form, []).append(place)
        return " ".join(
            quoted(form) + (f":{','.join(map(str, at[:MOST_PLACES]))}" if len(at) > 1 else "")
            for form, at in places.items()
        )


def quoted(lexeme: str) -> str:
    escaped = lexeme.replace("\\", "\\\\").replace("'", "''")
    return f"'{escaped}'"


async def words(session: AsyncSession, texts: Sequence[str]) -> list[Words]:
    """Of each text, in their order."""
    cut = [list(_cut(fold(text))) for text in texts]
    stems = await _stemmed(session, {form for places in cut for forms in places for form in forms[:1]})
    return [Words(tuple(kept for forms in places if (kept := _kept(forms, stems)))) for places in cut]


def fold(text: str) -> str:
    """Without what people leave out when they type: case, accents, width."""
    text = _LATIN_MARKS.sub("", unicodedata.normalize("NFKD", text.replace("\0", " ")).casefold())
    return unicodedata.normalize("NFC", text.encode("utf-8", "replace").decode()).translate(_FOLDED)


def _cut(text: str) -> "list[tuple[str, ...]]":
    """The forms of each word by which it is found; the first is the word itself."""
    places: list[tuple[str, ...]] = []
    for match in _WORD.finditer(text):
        word = match[0]
        rest = 0
        for run in _UNSPACED.finditer(word):
            places += _words(word[rest : run.start()])
            places += _pairs(run[0])
            rest = run.end()
        places += _words(word[rest:])
    # A code is one word more, however it is punctuated.
    for match in _CODE.finditer(text):
        if any(character.isdigit() for character in match[0]):
            places.append((re.sub(r"[\W_]+", "", match[0])[:LONGEST_WORD],))
    return places


def _pairs(run: str) -> "list[tuple[str, ...]]":
    if len(run) == 1:
        return [(run,)]
    return [(run[place : place + 2],) for place in range(len(run) - 1)]


def _words(word: str) -> "list[tuple[str, ...]]":
    """Where digits stand beside letters, each part is a word besides: how rare it is, is its own."""
    word = word[:LONGEST_WORD]
    if any(character.isdigit() for character in word):
        return [(part,) for part in dict.fromkeys((word, *_PARTS.findall(word)))]
    if len(word) > BEGINNING:
        return [(word, f"{word[:BEGINNING]}*")]
    return [(word,)] if word else []


async def _stemmed(session: AsyncSession, distinct: set[str]) -> dict[str, str | None]:
    """Of each word its English stem, and None for one that says nothing."""
    given = sorted(word for word in distinct if word.isascii() and word.isalpha())
    rows = await session.execute(_STEMS, {"words": given})
    return {word: (found[0] if found else None) for word, found in rows}


def _kept(forms: tuple[str, ...], stems: Mapping[str, str | None]) -> tuple[str, ...]:
    stem = stems.get(forms[0], forms[0])
    return () if stem is None else tuple(dict.fromkeys((stem, *forms[1:])))
