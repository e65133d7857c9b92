"""The parent's side of looking at pictures."""

import json
from typing import Final

from konstruct.adapters.reading.children import Children, Limits
from konstruct.errors import Unreadable

LONGEST_SIDE: Final = 1_568
"""Pixels: what models look at; of a larger picture they see no more, and some refuse it."""

_JPEG: Final = b"\xff\xd8\xff"
_LONGEST_ANSWER: Final = 5_000_000
_LIMITS: Final = Limits(cpu_seconds=20, seconds=60.0)


class SubprocessPictures:
    def __init__(self, *, at_once: int = 2, limits: Limits = _LIMITS, longest_side: int = LONGEST_SIDE) -> None:
        self._longest_side = longest_side
        self._children = Children(
            "konstruct.adapters.reading.picture_child",
            at_once=at_once,
            limits=limits,
            longest_answer=_LONGEST_ANSWER,
            too_much="looking at it took too much memory or time",
        )

    async def small(self, content: bytes) -> bytes:
        written = await self._children.asked({"longest_side": self._longest_side}, content)
        if written.startswith(_JPEG):
            return written
        try:
            raise Unreadable(str(json.loads(written)["unreadable"]))
        except (ValueError, LookupError, TypeError):
            raise self._children.stopped("nonsense") from None
