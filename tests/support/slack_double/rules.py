"""What Slack accepts as a message, with its limits and error codes. Knows no workspace and no HTTP.

The limits are Slack's documented ones; those of whole messages are undocumented and were measured by others
(bolt-js#2509: about 13,200 characters over all blocks, and about 100 more for each heading).
"""

import re
from collections.abc import Callable
from typing import Any

from tests.support.slack_double.world import Json

TEXT_LIMIT = 40_000
UPDATE_TEXT_BYTES = 4_000
MARKDOWN_LIMIT = 12_000
SECTION_LIMIT = 3_000
MESSAGE_LIMIT = 13_200
HEADING_COST = 100
BLOCK_LIMIT = 50
_BLOCKS = (
    "actions,alert,card,carousel,context,context_actions,divider,file,header,image,input,markdown,plan,rich_text,"
    "section,table,task_card,video"
)
BLOCK_TYPES = frozenset(_BLOCKS.split(","))
RICH_PARTS = frozenset({"rich_text_section", "rich_text_list", "rich_text_preformatted", "rich_text_quote"})
RICH_STYLES = frozenset({"bold", "italic", "strike", "code", "underline"})
# What each must have. Slack names no limit for their text; the one here is that of all its other text.
RICH_ELEMENTS = {
    "text": ("text",),
    "user": ("user_id",),
    "channel": ("channel_id",),
    "usergroup": ("usergroup_id",),
    "broadcast": ("range",),
    "emoji": ("name",),
    "link": ("url",),
    "date": ("timestamp", "format"),
}
TITLE_LIMIT = 256
TASK_STATUSES = frozenset({"pending", "in_progress", "complete", "error"})
CUSTOM_AUTHOR = ("username", "icon_url", "icon_emoji")
CONTENT = ("text", "blocks", "attachments", "markdown_text")

_HEADING = re.compile(r"^#{1,6} ", re.MULTILINE)
_CODE_FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_TS = re.compile(r"\d{1,10}\.\d{6}")


class SlackError(Exception):
    """An ``ok: false`` answer."""

    def __init__(self, code: str, **details: Any) -> None:
        super().__init__(code)
        self.body: Json = {"ok": False, "error": code, **details}


def check_ts(value: object, code: str) -> str:
    if not isinstance(value, str) or not _TS.fullmatch(value):
        raise SlackError(code)
    return value


def check_content(args: Json) -> None:
    if not any(args.get(name) for name in CONTENT):
        raise SlackError("no_text")
    if args.get("markdown_text"):
        if args.get("text") or args.get("blocks"):
            raise SlackError("markdown_text_conflict")
        if len(args["markdown_text"]) > MARKDOWN_LIMIT:
            raise SlackError("msg_too_long")
    if args.get("blocks"):
        _check_blocks(args["blocks"])
    if args.get("metadata") is not None:
        check_metadata(args["metadata"])


def check_chunks(chunks: object) -> None:
    """What a streamed message may be made of. A text is too long for its chunk; all of them together have no limit
    that is known, and are held here to that of other messages (see ``check_streamed``)."""
    if not isinstance(chunks, list) or not chunks or not all(isinstance(chunk, dict) for chunk in chunks):
        raise SlackError("invalid_chunks")
    for chunk in chunks:
        if chunk.get("type") == "markdown_text" and len(str(chunk.get("text"))) > MARKDOWN_LIMIT:
            raise SlackError("msg_too_long")
        if complaint := _chunk_complaint(chunk):
            raise SlackError("invalid_chunks", response_metadata={"messages": [f"[ERROR] {complaint}"]})


def _chunk_complaint(chunk: Json) -> str | None:
    match chunk:
        case {"type": "markdown_text"}:
            return _length_complaint(chunk.get("text"), MARKDOWN_LIMIT)
        case {"type": "plan_update"}:
            return _length_complaint(chunk.get("title"), TITLE_LIMIT)
        case {"type": "task_update", "id": str(), "status": status} if status in TASK_STATUSES:
            return _length_complaint(chunk.get("title"), TITLE_LIMIT)
    return "unsupported chunk"


def check_streamed(text: str) -> None:
    if _counted_length({"text": text}) + _headings({"type": "markdown", "text": text}) * HEADING_COST > MESSAGE_LIMIT:
        raise SlackError("msg_blocks_too_long")


def check_metadata(metadata: object) -> None:
    if not isinstance(metadata, dict):
        raise SlackError("invalid_metadata_format")
    event_type, payload = metadata.get("event_type"), metadata.get("event_payload")
    if not isinstance(event_type, str) or not re.fullmatch(r"\w+", event_type) or not isinstance(payload, dict):
        raise SlackError("invalid_metadata_format")


def _check_blocks(blocks: object) -> None:
    if not isinstance(blocks, list) or not all(isinstance(block, dict) for block in blocks):
        raise SlackError("invalid_blocks_format")
    for number, block in enumerate(blocks):
        if complaint := _complaint(block):
            where = f"[ERROR] {complaint} [json-pointer:/blocks/{number}]"
            raise SlackError("invalid_blocks", response_metadata={"messages": [where]})
    headings = sum(_headings(block) for block in blocks)
    # Slack renders a markdown block into blocks of its own, at least one for each heading.
    rendered = headings + sum(1 for block in blocks if not _headings(block))
    if rendered > BLOCK_LIMIT:
        too_many = f"[ERROR] no more than {BLOCK_LIMIT} items allowed [json-pointer:/blocks]"
        raise SlackError("invalid_blocks", response_metadata={"messages": [too_many]})
    if sum(map(_counted_length, blocks)) + headings * HEADING_COST > MESSAGE_LIMIT:
        raise SlackError("msg_blocks_too_long")


def _complaint(block: Json) -> str | None:
    kind = block.get("type")
    if kind not in BLOCK_TYPES:
        return f"unsupported type: {kind}"
    if kind == "markdown":
        return _length_complaint(block.get("text"), MARKDOWN_LIMIT)
    if kind == "header":
        return _text_complaint(block.get("text"), 150)
    if kind == "section":
        if "text" not in block:
            return None if block.get("fields") else "missing required field: text"
        return _text_complaint(block["text"], SECTION_LIMIT)
    if kind == "rich_text":
        return _complaint_of_all(block, _rich_complaint)
    if kind in {"actions", "context", "context_actions"}:
        return _complaint_of_all(block, _element_complaint)
    return None


def _complaint_of_all(block: Json, complaint: Callable[[Json], str | None]) -> str | None:
    elements = block.get("elements")
    if not isinstance(elements, list) or not elements or not all(isinstance(one, dict) for one in elements):
        return "missing required field: elements"
    return next(filter(None, map(complaint, elements)), None)


def _rich_complaint(part: Json) -> str | None:
    if part.get("type") not in RICH_PARTS:
        return f"unsupported type: {part.get('type')}"
    inner = _rich_complaint if part["type"] == "rich_text_list" else _rich_element_complaint
    return _complaint_of_all(part, inner)


def _rich_element_complaint(element: Json) -> str | None:
    needed = RICH_ELEMENTS.get(element.get("type", ""))
    if needed is None:
        return f"unsupported type: {element.get('type')}"
    if missing := [name for name in needed if name not in element]:
        return f"missing required field: {missing[0]}"
    if element["type"] == "date" and not isinstance(element["timestamp"], int):
        return "must be an integer: timestamp"
    if not set(element.get("style", {})) <= RICH_STYLES:
        return "unsupported property: style"
    return _length_complaint(element["text"], SECTION_LIMIT) if element["type"] == "text" else None


def _element_complaint(element: Json) -> str | None:
    if element.get("type") != "button":
        return None
    if len(element.get("value", "")) > 2000:
        return "must be less than 2001 characters: value"
    if len(element.get("action_id", "")) > 255:
        return "must be less than 256 characters: action_id"
    if element.get("style", "primary") not in {"primary", "danger"}:
        return "must be a valid enum value: style"
    if "confirm" in element and (complaint := _confirm_complaint(element["confirm"])):
        return complaint
    if element.get("text", {}).get("type") != "plain_text":
        return "must be plain_text: text"
    return _text_complaint(element["text"], 75)


def _confirm_complaint(dialog: Json) -> str | None:
    limits = {"title": 100, "text": 300, "confirm": 30, "deny": 30}
    return next(filter(None, (_text_complaint(dialog.get(name), limit) for name, limit in limits.items())), None)


def _text_complaint(text: object, limit: int) -> str | None:
    if not isinstance(text, dict) or text.get("type") not in {"plain_text", "mrkdwn"}:
        return "missing or wrong field: text"
    return _length_complaint(text.get("text"), limit)


def _length_complaint(text: object, limit: int) -> str | None:
    if not isinstance(text, str) or not text:
        return "must be more than 0 characters"
    return f"must be less than {limit + 1} characters" if len(text) > limit else None


def _headings(block: Json) -> int:
    if block["type"] == "markdown":
        return len(_HEADING.findall(_CODE_FENCE.sub("", block["text"])))
    return int(block["type"] == "header")


def _counted_length(part: object) -> int:
    """Slack counts what it stores: characters, with the three special ones as entities."""
    if isinstance(part, list):
        return sum(map(_counted_length, part))
    if not isinstance(part, dict):
        return 0
    text = part.get("text")
    own = len(text) + 4 * text.count("&") + 3 * (text.count("<") + text.count(">")) if isinstance(text, str) else 0
    return own + sum(_counted_length(value) for value in part.values())
