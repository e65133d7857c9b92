"""What people type of themselves, made uniform or turned down with a sentence."""

import re
import unicodedata
from typing import Final
from zoneinfo import available_timezones

from konstruct.errors import BadInput

LONGEST_NAME: Final = 100
_EMAIL: Final = re.compile(r"[a-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@(?=.{1,189}\Z)[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})+")

_LINK: Final = re.compile(r"://|\bwww\.", re.IGNORECASE)


def email(said: str) -> str:
    """In small letters, as it is kept. Raises BadInput."""
    address = said.strip().lower()
    if not _EMAIL.fullmatch(address):
        raise BadInput("This is not an e-mail address: write it like anna@example.com.")
    return address


def name(said: str, what: str = "your name") -> str:
    """One line. Raises BadInput; ``what`` is asked for in its sentence."""
    line = " ".join(unicodedata.normalize("NFC", said).split())
    if not line or not line.isprintable():
        raise BadInput(f"Write {what}.")
    if len(line) > LONGEST_NAME:
        raise BadInput(f"Write {what} in {LONGEST_NAME} characters or fewer.")
    if _LINK.search(line):
        # It stands in invitations, which go to whomever somebody likes.
        raise BadInput(f"Write {what} without a link.")
    return line


def time_zone(said: str) -> str:
    """Raises BadInput for what the IANA knows no zone by."""
    if said not in available_timezones():
        raise BadInput("Choose a time zone from the list.")
    return said


def time_zone_or_utc(said: str) -> str:
    """Of a browser, which may not know its own."""
    return said if said in available_timezones() else "UTC"
