"""Channels that more comes in through than may: what comes next is sent back before anything is worked on.

A refusal that is put on record costs as much as a message that is taken. In a flood one a second is, and is told to its
contact; all others are the channel's to bring again.
"""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from konstruct.errors import TooMany
from konstruct.limits import Memory

LASTS: Final = timedelta(seconds=1)
"""What may come in meanwhile comes in behind it: limits are counted over longer times."""
_REMEMBERED: Final = 10_000


class Full:
    """In this process, by the name that the channel has for the account."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until: Memory[bool] = Memory(_REMEMBERED)

    def note(self, account: str) -> None:
        self._until.put(account, True, self._clock() + LASTS.total_seconds())

    def refuse(self, account: str) -> None:
        """Raises TooMany for a while after each note: the channel delivers it again."""
        if self._until.get(account, self._clock()):
            raise TooMany("More comes in through this channel than may; it may come again.", LASTS)
