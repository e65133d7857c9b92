"""The parent's side: starts a child a document, gives it so much and no more, and trusts nothing that it says."""

import asyncio
from dataclasses import dataclass
from typing import Final

import structlog
from pydantic import TypeAdapter, ValidationError

from konstruct.adapters.reading.children import Children, Limits
from konstruct.errors import Unreadable
from konstruct.source_ports import ReadDocument

log = structlog.get_logger(__name__)

LARGEST: Final = 20_000_000
"""Bytes of one document."""

# More than the longest text takes in UTF-8 and JSON.
_LONGEST_ANSWER: Final = 40_000_000
_LIMITS: Final = Limits()


@dataclass(frozen=True)
class _Answer:
    document: ReadDocument | None = None
    unreadable: str = ""
    cause: str = ""


_ANSWER: Final = TypeAdapter(_Answer)


class SubprocessReader:
    """``at_once``: how many children there may be; further documents wait their turn."""

    def __init__(self, *, at_once: int = 2, limits: Limits = _LIMITS) -> None:
        self._children = Children(
            "konstruct.adapters.reading.child",
            at_once=at_once,
            limits=limits,
            longest_answer=_LONGEST_ANSWER,
            too_much="Reading it took too much memory or time; split it into smaller files.",
        )

    async def read(self, content: bytes, *, name: str, media_type: str | None = None) -> ReadDocument:
        if not content:
            raise Unreadable("The file is empty.")
        if len(content) > LARGEST:
            raise Unreadable(f"It is larger than {LARGEST // 1_000_000} MB; split it into smaller files.")
        written = await self._children.asked({"name": name, "media_type": media_type}, content)
        answer = await asyncio.to_thread(_understood, written)
        if answer is None:
            raise self._children.stopped("nonsense")
        if answer.document is None:
            if answer.cause:
                log.info("reading.damaged", cause=answer.cause)
            raise Unreadable(answer.unreadable)
        return answer.document


def _understood(written: bytes) -> _Answer | None:
    try:
        answer = _ANSWER.validate_json(written)
    except ValidationError:
        return None
    return answer if answer.document is not None or answer.unreadable else None
