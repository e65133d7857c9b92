"""What a person wrote in Slack, as plain text for a model: mentions, links, files and tables made readable.

The way back, from a model's Markdown to Slack, is the adapter's.
"""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field

from konstruct.messages import SentFile

NOTHING_SAID: Final = "[mentioned you without writing anything]"

# Slack escapes the three characters in all that people type, so a bare bracket always is markup.
_MARKUP: Final = re.compile(r"<([^<>|]*)(?:\|([^<>]*))?>")
_ENTITIES: Final = (("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&"))


class SlackMessage(BaseModel):
    """The parts of a ``message`` or ``app_mention`` that matter here; all others may be anything."""

    # A refused value is what somebody wrote, which must not get into logs.
    model_config = ConfigDict(hide_input_in_errors=True)

    channel: str = Field(min_length=1)
    ts: str = Field(pattern=r"^[0-9]+\.[0-9]+$")
    thread_ts: str | None = None
    channel_type: str | None = None
    user: str | None = None
    bot_id: str | None = None
    text: str | None = None
    blocks: list[dict[str, Any]] | None = None
    attachments: list[dict[str, Any]] | None = None
    files: list[dict[str, Any]] | None = None
    edited: Any = None

    @property
    def external_id(self) -> str:
        """The same in ``message`` and ``app_mention``; a ts alone repeats between channels."""
        return f"{self.channel}:{self.ts}"

    @property
    def root(self) -> str:
        return self.thread_ts or self.ts

    @property
    def edited_at(self) -> datetime | None:
        return moment(self.edited.get("ts")) if isinstance(self.edited, dict) else None


def moment(ts: object) -> datetime | None:
    """What a ts says of when something happened; None for what is none."""
    try:
        return datetime.fromtimestamp(float(ts), UTC) if isinstance(ts, str) else None
    except (ValueError, OverflowError, OSError):
        return None


def mentions(message: SlackMessage, user_id: str) -> bool:
    return bool(user_id) and (
        re.search(rf"<@{re.escape(user_id)}[|>]", message.text or "") is not None
        or any(part.get("type") == "user" and part.get("user_id") == user_id for part in _parts(message.blocks))
    )


def plain_text(message: SlackMessage, bot_user_id: str) -> str:
    own = re.compile(rf"<@{re.escape(bot_user_id)}(?:\|[^<>]*)?>[,:]?[ \t]*")
    said = [to_plain(own.sub("", message.text or "")).strip()]
    said += [_table(part) for part in _parts(message.attachments) if part.get("type") == "table"]
    said += [f"[sent a file: {file['name']}]" if file.get("name") else "[sent a file]" for file in message.files or []]
    return "\n\n".join(filter(None, said)) or NOTHING_SAID


def sent_files(message: SlackMessage) -> tuple[SentFile, ...]:
    """What is odd about a file is left out of what is told of it: its sender chose most of that."""
    return tuple(
        SentFile(
            name=str(file.get("name") or "file"),
            media_type=str(file.get("mimetype") or ""),
            size=size if isinstance(size := file.get("size"), int) else 0,
            reference=_reference(file),
        )
        for file in message.files or []
    )


def _reference(file: dict[str, Any]) -> str:
    """As ``SlackFiles`` reads it. A file of another workspace comes without an address, which is then asked for."""
    told = {"id": file.get("id"), "url": file.get("url_private_download") or file.get("url_private")}
    known = {name: value for name, value in told.items() if isinstance(value, str) and value}
    return json.dumps(known) if known else ""


def to_plain(mrkdwn: str) -> str:
    plain = _MARKUP.sub(lambda match: _spell_out(match[1], match[2] or ""), mrkdwn)
    for entity, character in _ENTITIES:
        plain = plain.replace(entity, character)
    return plain


def _spell_out(target: str, label: str) -> str:
    kind, name = target[:1], target[1:]
    if kind in ("@", "#"):
        return kind + (label or name)
    if kind == "!":
        return label or f"@{name}"
    address = target.removeprefix("mailto:").removeprefix("tel:")
    if not label or address.removeprefix("https://").removeprefix("http://") in (label, f"{label}/"):
        return address
    return f"{label} ({address})" if label != address else address


def _table(block: dict[str, Any]) -> str:
    rows = block.get("rows")
    if not isinstance(rows, list):
        return ""
    return "\n".join(" | ".join(map(_cell, row)) for row in rows if isinstance(row, list))


def _cell(cell: object) -> str:
    return "".join(str(part["text"]) for part in _parts(cell) if isinstance(part.get("text"), str))


def _parts(value: object) -> Iterator[dict[str, Any]]:
    """All objects in a piece of Block Kit, outermost first."""
    if isinstance(value, dict):
        yield value
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _parts(inner)
