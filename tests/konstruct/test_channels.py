"""The table of what channels take: docs/channels.md shows what the code goes by."""

from collections.abc import Callable
from pathlib import Path

import pytest

from konstruct.channels import CHANNELS, SLACK, WHATSAPP, Channel

DOCUMENT = (Path(__file__).parents[2] / "docs" / "channels.md").read_text()


def _media(category: str) -> Callable[[Channel], str]:
    def shown(channel: Channel) -> str:
        found = [media for media in channel.media if media.category == category]
        return ", ".join(
            f"{' '.join(f'`{kind}`' for kind in media.types)}, {media.most_bytes // 1024**2} MB" for media in found
        )

    return shown


ROWS: dict[str, Callable[[Channel], object]] = {
    "longest text, in characters": lambda channel: f"{channel.longest_text:,}",
    "longest text below a file": lambda channel: f"{channel.longest_caption:,}",
    "buttons of a message": lambda channel: channel.most_buttons,
    "longest button, in characters": lambda channel: channel.longest_button,
    "how text is formatted": lambda channel: channel.markup,
    "pictures": _media("image"),
    "videos": _media("video"),
    "sounds": _media("audio"),
    "documents": _media("document"),
    "a message names the one that it answers": lambda channel: "yes" if channel.quotes else "no",
    "replies appear while they are thought": lambda channel: "yes" if channel.streams else "no",
    "people are asked there, with cards": lambda channel: "yes" if channel.shows_cards else "no",
    "people may be written to after they wrote for": lambda channel: (
        f"{channel.reply_window.total_seconds() / 3600:.0f} hours" if channel.reply_window else "ever"
    ),
    "a send of unknown outcome is made again after": lambda channel: (
        f"{channel.confirms_within.total_seconds():.0f} seconds"
    ),
}


def test_the_table_is_what_the_code_goes_by() -> None:
    rows = [f"| | {' | '.join(CHANNELS)} |", "| --- | --- | --- | --- | --- |"]
    for name, shown in ROWS.items():
        rows.append(" | ".join([f"| {name}", *(str(shown(channel)) for channel in CHANNELS.values())]) + " |")
    assert "\n".join(rows).replace("|  |", "| |").replace("|  |", "| |") in DOCUMENT


@pytest.mark.parametrize(
    ("media_type", "category"),
    [
        ("image/jpeg", "image"),
        ("Audio/OGG; codecs=opus", "audio"),
        ("text/csv", "document"),
        ("application/pdf", "document"),
        ("image/gif", None),
        ("application/zip", None),
        ("", None),
    ],
)
def test_a_file_goes_as_what_the_channel_takes_it_for(media_type: str, category: str | None) -> None:
    media = WHATSAPP.media_for(media_type)
    assert (media.category if media else None) == category


def test_slack_takes_any_file() -> None:
    assert SLACK.media_for("application/zip") is not None
