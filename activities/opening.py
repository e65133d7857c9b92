"""What becomes of a file's content: a small picture, the beginning of a document's text, or what is said in it."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

import structlog

from konstruct.errors import BadInput, KonstructError, Misconfigured, Unreadable
from konstruct.file_ports import PictureReader, Transcriber
from konstruct.files import kinds
from konstruct.messages import SentFile
from konstruct.models import ModelCall
from konstruct.source_ports import DocumentReader, ReadDocument
from konstruct.tables.base import utc_now

log = structlog.get_logger(__name__)

LONGEST_TEXT: Final = 20_000
"""Characters of a document that are kept, and go into a prompt where there is room."""
LONGEST_TRANSCRIPT: Final = 20_000
NOBODY_LISTENS: Final = "voice messages cannot be listened to here"
CUT: Final = "\n[… the rest of the document is left out …]"


@dataclass(frozen=True)
class Opened:
    media_type: str
    content: bytes
    """What is kept of it."""
    text: str = ""


class Opening:
    def __init__(
        self, documents: DocumentReader, pictures: PictureReader, transcriber: Transcriber | None = None
    ) -> None:
        """``transcriber``: None where the deployment names no model for it."""
        self._documents = documents
        self._pictures = pictures
        self._transcriber = transcriber

    async def open(self, sent: SentFile, content: bytes, record: Callable[[ModelCall], None]) -> Opened:
        """By what it is, whatever it is called. ``record``: is told of each call of a model, whatever becomes of it.

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
            return Opened(media_type, content, await self._transcript(sent, media_type, content, record))
        read = await self._documents.read(content, name=sent.name, media_type=sent.media_type)
        return Opened(read.media_type, content, _text(read))

    async def _transcript(
        self, sent: SentFile, media_type: str, content: bytes, record: Callable[[ModelCall], None]
    ) -> str:
        if self._transcriber is None:
            raise Unreadable(NOBODY_LISTENS)
        try:
            said = await _heard(self._transcriber, sent, media_type, content, record)
        except BadInput as error:
            raise Unreadable("it could not be understood as speech") from error
        except Misconfigured as error:
            log.error("transcriber_refuses", error=str(error))
            raise Unreadable(NOBODY_LISTENS) from error
        if not said.strip():
            raise Unreadable("nothing is said in it")
        return said.strip()[:LONGEST_TRANSCRIPT]


async def _heard(
    transcriber: Transcriber, sent: SentFile, media_type: str, content: bytes, record: Callable[[ModelCall], None]
) -> str:
    started_at, began = utc_now(), time.monotonic()
    outcome: Literal["ok", "failed", "cancelled"] = "cancelled"
    error_kind = None
    try:
        said = await transcriber.transcribe(sent.name, media_type, content)
        outcome = "ok"
        return said
    except KonstructError as error:
        outcome, error_kind = "failed", type(error).__name__
        raise
    finally:
        provider, _, model = transcriber.name.partition("/")
        record(
            ModelCall(
                *(transcriber.name, provider, model, outcome, started_at, error_kind),
                # It is paid for by the minute, and nobody says how many there were.
                cost=None,
                latency_ms=int((time.monotonic() - began) * 1000),
            )
        )


def _text(read: ReadDocument) -> str:
    sections = ("\n".join([*(f"# {heading}" for heading in part.headings[-1:]), part.text]) for part in read.sections)
    text = "\n\n".join(sections)
    return text if len(text) <= LONGEST_TEXT else text[:LONGEST_TEXT] + CUT
