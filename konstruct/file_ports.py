"""Files that people send and are sent, as the core sees the places they lie in: Protocols. No implementation here."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from konstruct.ports import ChannelAccount


class FileSource(Protocol):
    """What a channel kind has of the files that contacts send. Never retries."""

    def fetch(self, account: ChannelAccount, reference: str, *, most_bytes: int) -> AsyncIterator[bytes]:
        """The file's content, piece by piece. ``reference``: as the channel's parser wrote it into ``SentFile``.

        Raises:
            ChannelRateLimited, ChannelUnavailable: it may be fetched again.
            ChannelRefused: never; it is gone, longer than ``most_bytes`` (code ``too_big``), or not to be had with
                these credentials. The sentence is to be read after “could not be opened:”.
            ConnectionDead: the connection's credentials are refused as a whole.
        """


class FileStore(Protocol):
    """Bytes by key, in a folder or in an object store. Keys begin with the tenant's id."""

    async def put(self, key: str, content: bytes) -> None:
        """Replaces what was there. Raises Unavailable."""

    async def get(self, key: str) -> bytes:
        """Raises NotFound, or Unavailable."""

    async def delete(self, key: str) -> None:
        """Nothing to delete is no error. Raises Unavailable."""


@dataclass(frozen=True)
class Heard:
    text: str
    """Empty where nothing is said."""
    seconds: Decimal | None = None
    """How long it took to say, where the provider tells."""


class Transcriber(Protocol):
    """Speech to text. Never retries."""

    @property
    def name(self) -> str:
        """``provider/model``."""

    async def transcribe(self, name: str, media_type: str, content: bytes) -> Heard:
        """Raises Unavailable (again later), BadInput (never), or Misconfigured (whatever
        is sent)."""


class PictureReader(Protocol):
    """What a model can be shown of a picture that somebody sent."""

    async def small(self, content: bytes) -> bytes:
        """As a JPEG of at most 1,568 pixels a side, upright, with nothing in it but what is seen.

        Raises:
            Unreadable: it cannot be looked at, with the reason in words.
            Unavailable: again later.
        """
