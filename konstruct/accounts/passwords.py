"""Passwords: hashed by Argon2 away from the event loop, and judged before they are taken.

Argon2 needs 64 MB and a core for each: no more than two are worked on at once, the others wait.
"""

import asyncio
import unicodedata
from collections.abc import Sequence
from typing import Final

from pwdlib import PasswordHash
from pwdlib.exceptions import UnknownHashError
from zxcvbn import zxcvbn

from konstruct.errors import BadInput

SHORTEST: Final = 12
LONGEST: Final = 1_024
_AT_ONCE: Final = 2
_JUDGED: Final = 48
"""How much of it is judged: the judge's work grows with the square of it."""
_STAND_INS: Final = frozenset("4@8({[<3691!|70$5+%2")
_MOST_STAND_INS: Final = 5
"""The judge tries signs that may stand for letters in all combinations: of twenty signs those are thousands, and a
password made of them would have it work for a minute."""
_STRONG: Final = 3
_CLEARER: Final = (
    ("top-", "It is one of the passwords that are tried first."),
    ("very common", "It is one of the passwords that are tried first."),
    ("similar to a commonly used", "It is close to a password that is tried first."),
    ("repeat", "It repeats itself."),
    ("sequence", "It holds a sequence such as abc or 1234."),
    ("keys", "It is a row of keys on the keyboard."),
    ("keyboard", "It is a pattern on the keyboard."),
    ("name", "It holds a name."),
    ("surname", "It holds a name."),
    ("dates", "It holds a date."),
    ("years", "It holds a year."),
    ("word", "It is too close to a single word."),
)


class Passwords:
    def __init__(self) -> None:
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._argon2 = PasswordHash.recommended()
        self._nobodys: str | None = None

    async def hash(self, password: str) -> str:
        async with self._turns:
            return await asyncio.to_thread(self._argon2.hash, _normal(password))

    async def verify(self, password: str, hashed: str | None) -> tuple[bool, str | None]:
        """Whether it is the one, and a new hash when the kept one is weaker than what is made now.

        ``hashed``: None when there is nobody, or nobody with a password, which takes just as long.
        """
        if self._nobodys is None:
            self._nobodys = await self.hash("nobody's")
        async with self._turns:
            is_right, better = await asyncio.to_thread(self._verify, _normal(password), hashed or self._nobodys)
        return is_right and hashed is not None, better if hashed is not None else None

    def _verify(self, password: str, hashed: str) -> tuple[bool, str | None]:
        try:
            return self._argon2.verify_and_update(password, hashed)
        except UnknownHashError:
            return False, None

    async def require_strong(self, password: str, about: Sequence[str] = ()) -> None:
        """``about``: what is known of the person, which is guessed first. Raises BadInput with a sentence."""
        password = _normal(password)
        if len(password) < SHORTEST:
            raise BadInput(f"The password is too short: use {SHORTEST} characters or more, such as four random words.")
        if len(password) > LONGEST:
            raise BadInput(f"The password is too long: use {LONGEST:,} characters at most.")
        async with self._turns:
            reason = await asyncio.to_thread(_weakness, password, about)
        if reason:
            raise BadInput(f"This password is easy to guess. {reason} Add another word or two that nobody expects.")


def _normal(password: str) -> str:
    """Keyboards write some characters in more ways than one."""
    return unicodedata.normalize("NFKC", password)


def _judgeable(password: str) -> str:
    """No stronger than the password. Which of more signs than the judge can try stands where is not counted for it."""
    judged = password[:_JUDGED]
    tried = list(dict.fromkeys(sign for sign in judged if sign in _STAND_INS))[:_MOST_STAND_INS]
    return "".join("-" if sign in _STAND_INS and sign not in tried else sign for sign in judged)


def _weakness(password: str, about: Sequence[str]) -> str | None:
    known = [part for said in about for part in (said, *said.replace("@", " ").replace(".", " ").split()) if part]
    judged = zxcvbn(_judgeable(password), user_inputs=known)
    if judged["score"] >= _STRONG:
        return None
    warning = str(judged["feedback"]["warning"]).lower()
    return next((clearer for sign, clearer in _CLEARER if sign in warning), "Its parts are well known.")
