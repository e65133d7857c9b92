"""What each kind of channel takes and promises: one table, which docs/channels.md shows. No calls, no behaviour."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Final, Literal

_MB: Final = 1024 * 1024


@dataclass(frozen=True)
class Media:
    category: Literal["image", "video", "audio", "document"]
    types: tuple[str, ...]
    """Media types without parameters; ``*`` stands for anything."""
    most_bytes: int


@dataclass(frozen=True)
class Channel:
    longest_text: int
    """Of one message, as the channel counts characters at worst."""
    longest_caption: int
    """Of the text that goes below a file in one message with it."""
    most_buttons: int
    """Of one message; 0: none are shown there."""
    longest_button: int
    markup: Literal["Markdown", "WhatsApp", "none"]
    """How a text is formatted when it gets there."""
    media: tuple[Media, ...]
    """What files can be sent, the first that fits; none: no files."""
    quotes: bool
    """Whether a message can be shown as an answer to another one, where no thread says so."""
    streams: bool
    """Whether a reply can appear there while it is thought."""
    shows_cards: bool
    """Whether people can be asked there to approve and to take over."""
    reply_window: timedelta | None
    """For how long after they wrote people may be written to; None: always."""
    confirms_within: timedelta
    """How long a send whose outcome is unknown may stay so: after that it is taken for lost, and made again."""
    can_be_asked: bool
    """Whether it can be looked for there; if not, it is made again once at most."""

    def media_for(self, media_type: str) -> Media | None:
        """``media_type``: as it comes, with parameters or without. None: such files cannot be sent there."""
        bare = bare_type(media_type)
        return next((media for media in self.media if any(fnmatchcase(bare, kind) for kind in media.types)), None)


def bare_type(media_type: str) -> str:
    """``audio/ogg`` of ``Audio/OGG; codecs=opus``."""
    return media_type.partition(";")[0].strip().lower()


SLACK: Final = Channel(
    # A markdown block may hold 12,000 characters, but what Slack makes of it only about 13,200 and 50 blocks.
    longest_text=11_000,
    longest_caption=11_000,
    most_buttons=0,
    longest_button=0,
    markup="Markdown",
    media=(Media("document", ("*",), 1024 * _MB),),
    quotes=False,
    streams=True,
    shows_cards=True,
    reply_window=None,
    # Longer than its messenger waits: after that a look into the thread tells for certain.
    confirms_within=timedelta(seconds=15),
    can_be_asked=True,
)

WHATSAPP: Final = Channel(
    longest_text=4_096,
    longest_caption=1_024,
    most_buttons=3,
    longest_button=20,
    markup="WhatsApp",
    media=(
        Media("image", ("image/jpeg", "image/png"), 5 * _MB),
        Media("video", ("video/mp4", "video/3gpp"), 16 * _MB),
        Media("audio", ("audio/aac", "audio/amr", "audio/mpeg", "audio/mp4", "audio/ogg"), 16 * _MB),
        Media(
            "document",
            (
                "application/pdf",
                "application/msword",
                "application/vnd.ms-excel",
                "application/vnd.ms-powerpoint",
                "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
                "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
                "application/vnd.openxmlformats-officedocument.presentationml.presentation",
                # Of any text: it goes as a plain one, under its own name.
                "text/*",
            ),
            100 * _MB,
        ),
    ),
    quotes=True,
    streams=False,
    shows_cards=False,
    reply_window=timedelta(hours=24),
    # Nothing can be looked up there: only the channel's own word that a message was sent says so.
    confirms_within=timedelta(minutes=2),
    can_be_asked=False,
)

CONSOLE: Final = Channel(
    longest_text=1_000_000,
    longest_caption=0,
    most_buttons=0,
    longest_button=0,
    markup="none",
    media=(),
    quotes=False,
    streams=False,
    shows_cards=False,
    reply_window=None,
    confirms_within=timedelta(0),
    can_be_asked=True,
)

CHANNELS: Final[Mapping[str, Channel]] = MappingProxyType(
    {"slack": SLACK, "whatsapp": WHATSAPP, "console": CONSOLE, "rehearsal": CONSOLE}
)
"""By a connection's kind."""
