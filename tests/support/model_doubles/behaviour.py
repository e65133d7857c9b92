"""How a pretended model answers, or fails to. Knows no wire format."""

import asyncio
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

Json = dict[str, Any]
Vectors = list[tuple[int, list[float]]]
"""Each with the number of the text that it belongs to."""
Answer = Callable[[list[Json]], str]
Calls = Sequence[tuple[str, Json | str]]


class Fault(StrEnum):
    RATE_LIMITED = "rate_limited"
    SERVER_ERROR = "server_error"
    UNAVAILABLE = "unavailable"
    OVERLOADED = "overloaded"
    UNAUTHORIZED = "unauthorized"
    CONTEXT_EXCEEDED = "context_exceeded"
    DROPPED_AT_ONCE = "dropped_at_once"
    EMPTY_BODY = "empty_body"
    HTML_BODY = "html_body"
    EMPTY_ANSWER = "empty_answer"
    """A proper answer that finishes properly and says nothing."""
    MALFORMED = "malformed"
    """Not JSON where JSON should be; in a stream after the first token."""
    CUT = "cut"
    """The stream ends early, as if it were complete: no finish reason, no usage. With calls, in the midst of them."""
    DROPPED = "dropped"
    """The connection is reset in the middle of the answer."""
    ERROR_IN_STREAM = "error_in_stream"
    HANG_BEFORE_HEADERS = "hang_before_headers"
    HANG_BEFORE_FIRST_TOKEN = "hang_before_first_token"
    HANG_MID_STREAM = "hang_mid_stream"


HTTP_FAULTS = {
    Fault.RATE_LIMITED: 429,
    Fault.SERVER_ERROR: 500,
    Fault.UNAVAILABLE: 503,
    Fault.OVERLOADED: 529,
    Fault.UNAUTHORIZED: 401,
    Fault.CONTEXT_EXCEEDED: 400,
}


def content_text(content: object) -> str:
    """Text of a message's content, which is a string or a list of parts."""
    if isinstance(content, list):
        return " ".join(part.get("text", "") for part in content if isinstance(part, dict))
    return str(content or "")


def echo(messages: list[Json]) -> str:
    # In Anthropic's format tools' results are the user's as well; they have no text of their own.
    said = [text for m in messages if m.get("role") == "user" and (text := content_text(m.get("content")).strip())]
    return f"You said: {said[-1]}" if said else "You said nothing."


@dataclass(frozen=True)
class Behaviour:
    answer: Answer = echo
    calls: Calls | Callable[[list[Json]], Calls] = ()
    """Tools to call: name and arguments, where a string is sent as it is, valid or not. Beside them only an answer
    that is not the echo is given. No model calls when it is shown no tools or may not: then the answer is all."""
    insists: bool = False
    """It calls although it may not."""
    call_ids: Sequence[str] = ()
    """Instead of ids in the vendor's own style."""
    fault: Fault | None = None
    retry_after: int | None = 1
    """Seconds, sent with a 429, 503 or 529; None: no such header."""
    first_token_delay: float = 0.0
    token_delay: float = 0.0
    vectors: Callable[[Vectors], Vectors] = list
    """What becomes of an embedding's vectors on their way out."""
    cached_tokens: int = 0
    """How many of the prompt's tokens came from the provider's cache."""
    released: asyncio.Event = field(default_factory=asyncio.Event)
    """Set it to let a hanging call go on."""


def tokens(text: str) -> list[str]:
    """Words with the space before them: close enough to a tokenizer, and easy to count in a test."""
    return re.findall(r"\s*\S+|\s+$", text)


def prompt_tokens(messages: list[Json]) -> int:
    return sum(len(tokens(content_text(message.get("content")))) for message in messages)
