"""Whether somebody asked for a person, told without a model, in some thirty-five languages.

Precise rather than complete: a person who is fetched for nothing costs more than one who is asked for a second time.
"""

import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from typing import Final

from konstruct.escalation.wish_words import LATIN, REFUSES_BOT, Tongue
from konstruct.escalation.wish_words_latin import MORE_LATIN
from konstruct.escalation.wish_words_scripts import OTHER_SCRIPTS
from konstruct.knowledge.words import fold

LONGEST: Final = 4_000
"""Characters of a text that are looked at: a wish that is hidden in more is not meant to be found without a model."""

_CLAUSES: Final = re.compile(r"[.,;:!?()\n。！？，、；：…।؟،]+| - | – | — ")
_MARKS: Final = re.compile("[\u0300-\u036f]")
# Arabic letters that Persian, Urdu and people in a hurry write in another way.
_LETTERS: Final = str.maketrans({"ي": "ی", "ى": "ی", "ئ": "ی", "ك": "ک", "ة": "ه", "ؤ": "و", "\u200c": " "})
# Conjunctions that begin another wish: what comes before them is refused, what comes after is asked for.
_BUT: Final = re.compile(r" (?:but|aber|sondern|mais|pero|sino|mas|maar|men|но|але|ale|ama) ")


@dataclass(frozen=True)
class _Compiled:
    asks: re.Pattern[str]
    alone: re.Pattern[str]
    nots: re.Pattern[str] | None
    polite: frozenset[str]
    is_spaced: bool


def asks_for_human(text: str) -> bool:
    """Whether the writer wants to talk with a person. Asking whether one is a person is no such wish."""
    clauses = _clauses(text[:LONGEST])
    if not clauses:
        return False
    if any(_refusal().search(clause) for clause in clauses):
        return True
    whole = [word for clause in clauses for word in clause.split()]
    return any(_asks(tongue, clauses) or _is_nothing_else(tongue, whole) for tongue in _tongues())


def _clauses(text: str) -> list[str]:
    """Each with one space between words, and one at both ends."""
    found = []
    for part in _CLAUSES.split(unicodedata.normalize("NFKC", text)):
        letters = "".join(each if _is_of_word(each) else " " for each in _plain(part))
        found += [
            f" {' '.join(each.split())} " for each in _BUT.split(f" {' '.join(letters.split())} ") if each.strip()
        ]
    return found


def _plain(text: str) -> str:
    return fold(text).translate(_LETTERS)


def _is_of_word(character: str) -> bool:
    return character.isalnum() or unicodedata.category(character) in ("Mn", "Mc")


def _asks(tongue: _Compiled, clauses: list[str]) -> bool:
    for clause in clauses:
        looked_at = clause if tongue.is_spaced else clause.replace(" ", "")
        if tongue.asks.search(looked_at) and not (tongue.nots and tongue.nots.search(looked_at)):
            return True
    return False


def _is_nothing_else(tongue: _Compiled, words: list[str]) -> bool:
    if not tongue.is_spaced:
        return tongue.alone.fullmatch("".join(words)) is not None
    left = [word for word in words if word not in tongue.polite]
    return bool(left) and tongue.alone.fullmatch(" ".join(left)) is not None


@cache
def _tongues() -> tuple[_Compiled, ...]:
    return tuple(map(_compile, (*LATIN, *MORE_LATIN, *OTHER_SCRIPTS)))


@cache
def _refusal() -> re.Pattern[str]:
    return re.compile(_expression(REFUSES_BOT, ""))


def _compile(tongue: Tongue) -> _Compiled:
    edge = " " if tongue.is_spaced else ""
    before = f"(?:(?:{tongue.before}){edge}){{0,3}}" if tongue.before else ""
    asks = []
    for ask in tongue.asks:
        start = "^" if ask.startswith("^") else ""
        body = _expression(ask.removeprefix("^"), f"{before}(?:{tongue.people})")
        asks.append(f"{start}{edge}(?:{body}){'(?= |$)' if tongue.is_spaced else ''}")
    alone = tongue.alone or tongue.people
    if tongue.is_spaced:
        one = f"(?:(?:{tongue.before}) ){{0,3}}(?:{alone})" if tongue.before else f"(?:{alone})"
        whole = f"{one}(?: {one}){{0,3}}"
    else:
        whole = f"(?:{tongue.polite})*(?:{alone})(?:{tongue.polite})*"
    return _Compiled(
        asks=re.compile("|".join(map(_plain, asks))),
        alone=re.compile(_plain(whole)),
        nots=re.compile(_plain(f"{edge}(?:{tongue.nots}){edge}")) if tongue.nots else None,
        polite=frozenset(_plain(tongue.polite).split("|")),
        is_spaced=tongue.is_spaced,
    )


def _expression(written: str, who: str) -> str:
    """With what its placeholders stand for. An end of a clause is a space and then the end."""
    written = re.sub(r"<(\d)>", r"(?:[^ ]+ ){0,\1}", written)
    return _plain(written.replace("<who>", f"(?:{who})").replace("$", " ?$"))
