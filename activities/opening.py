"""What becomes of a file's content: a small picture, the beginning of a document's text, or what is said in it."""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from types import MappingProxyType
from typing import Final, Literal

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from konstruct import price_maps
from konstruct.errors import BadInput, KonstructError, Misconfigured, OverBudget, Unreadable
from konstruct.file_ports import PictureReader, Transcriber
from konstruct.files import kinds
from konstruct.messages import SentFile
from konstruct.models import ModelCall, prices
from konstruct.models.prices import SpeechPrice
from konstruct.ports import Held
from konstruct.source_ports import DocumentReader, ReadDocument
from konstruct.tables.base import utc_now

log = structlog.get_logger(__name__)

LONGEST_TEXT: Final = 20_000
"""Characters of a document that are kept, and go into a prompt where there is room."""
LONGEST_TRANSCRIPT: Final = 20_000
_FEWEST_BYTES_A_SECOND: Final = 750
NOBODY_LISTENS: Final = "voice messages cannot be listened to here"
CUT: Final = "\n[… the rest of the document is left out …]"


Afford = Callable[[Decimal], Awaitable[Held]]
"""Holds what it costs to listen for so many seconds. Raises as ``Purse.hold`` does."""


@dataclass(frozen=True)
class Opened:
    media_type: str
    content: bytes
    """What is kept of it."""
    text: str = ""


class Opening:
    def __init__(
        self,
        documents: DocumentReader,
        pictures: PictureReader,
        transcriber: Transcriber | None = None,
        by_setting: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """``transcriber``: None where the deployment names no model for it. ``by_setting``: what models cost that no
        price map has."""
        self._documents = documents
        self._pictures = pictures
        self._transcriber = transcriber
        self._by_setting = by_setting

    async def open(
        self, sent: SentFile, content: bytes, record: Callable[[ModelCall], None], afford: Afford | None = None
    ) -> Opened:
        """By what it is, whatever it is called. ``record``: is told of each call of a model, whatever becomes of it.
        What ``afford`` does not hold enough for is kept as it is, for people to listen to.

        Raises:
            Unreadable: with what is to be read after “could not be opened:”.
            Unavailable: again later.
        """
        media_type = kinds.sniff(content, sent.media_type)
        kind = kinds.kind_of(media_type)
        if kind == "film":
            raise Unreadable("films cannot be looked at")
        if len(content) > kinds.MOST_BYTES[kind]:
            raise Unreadable(f"it is larger than {kinds.MOST_BYTES[kind] // 1_000_000} MB")
        if kind == "picture":
            return Opened("image/jpeg", await self._pictures.small(content))
        if kind == "voice":
            return Opened(media_type, content, await self._transcript(sent, media_type, content, record, afford))
        read = await self._documents.read(content, name=sent.name, media_type=sent.media_type)
        return Opened(read.media_type, content, _text(read))

    async def price(self, session: AsyncSession) -> SpeechPrice | None:
        """Of listening; None where nobody listens."""
        if self._transcriber is None:
            return None
        model = self._transcriber.name.partition("/")[2]
        return prices.speech_price(model, await price_maps.current(session), self._by_setting)

    async def priced(self, session: AsyncSession, calls: Sequence[ModelCall]) -> list[ModelCall]:
        """What ``open`` has told of, with what it cost."""
        price = await self.price(session)
        if price is None:
            return list(calls)
        return [
            replace(
                call,
                cost=price.of(call.seconds or Decimal(0)),
                price_version=price.version,
                is_price_assumed=price.is_assumed,
            )
            for call in calls
        ]

    async def _transcript(
        self,
        sent: SentFile,
        media_type: str,
        content: bytes,
        record: Callable[[ModelCall], None],
        afford: Afford | None,
    ) -> str:
        if self._transcriber is None:
            raise Unreadable(NOBODY_LISTENS)
        try:
            held = await afford(at_most_seconds(content)) if afford is not None else None
            said = await _heard(self._transcriber, sent, media_type, content, record, held)
        except OverBudget:
            return ""
        except BadInput as error:
            raise Unreadable("it could not be understood as speech") from error
        except Misconfigured as error:
            log.error("transcriber_refuses", error=str(error))
            raise Unreadable(NOBODY_LISTENS) from error
        if not said.strip():
            raise Unreadable("nothing is said in it")
        return said.strip()[:LONGEST_TRANSCRIPT]


async def _heard(
    transcriber: Transcriber,
    sent: SentFile,
    media_type: str,
    content: bytes,
    record: Callable[[ModelCall], None],
    held: Held | None,
) -> str:
    started_at, began = held.at if held else utc_now(), time.monotonic()
    outcome: Literal["ok", "failed", "cancelled"] = "cancelled"
    error_kind = None
    seconds, is_ours = at_most_seconds(content), True
    try:
        heard = await transcriber.transcribe(sent.name, media_type, content)
        outcome = "ok"
        if heard.seconds is not None:
            seconds, is_ours = heard.seconds, False
        return heard.text
    except KonstructError as error:
        outcome, error_kind = "failed", type(error).__name__
        # What did not get there, or was refused, is not billed.
        seconds, is_ours = Decimal(0), False
        raise
    finally:
        provider, _, model = transcriber.name.partition("/")
        record(
            ModelCall(
                *(transcriber.name, provider, model, outcome, started_at, error_kind),
                # Paid for by the minute: whoever records it knows at what price.
                cost=None,
                seconds=seconds,
                estimated=is_ours,
                latency_ms=int((time.monotonic() - began) * 1000),
                hold_id=held.hold_id if held else None,
            )
        )


def at_most_seconds(content: bytes) -> Decimal:
    """How long a recording of so many bytes can be, as no telephone takes one up more thinly."""
    return Decimal(len(content)) / _FEWEST_BYTES_A_SECOND


def _text(read: ReadDocument) -> str:
    sections = ("\n".join([*(f"# {heading}" for heading in part.headings[-1:]), part.text]) for part in read.sections)
    text = "\n\n".join(sections)
    return text if len(text) <= LONGEST_TEXT else text[:LONGEST_TEXT] + CUT
