"""OpenAI's chat format, which litellm takes for all providers: our messages and tools in it, and calls out of it."""

import base64
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final
from uuid import uuid4

from konstruct.models.calls import LONGEST_ARGUMENTS, MOST_CALLS, read_arguments
from konstruct.ports import ChatMessage, ToolCall, ToolSpec

Json = dict[str, Any]

_LONGEST_NAME: Final = 64
_LONGEST_DESCRIPTION: Final = 1_024


def tools_for(specs: Sequence[ToolSpec]) -> list[Json]:
    return [
        {
            "type": "function",
            "function": {
                "name": spec.name,
                "description": spec.description[:_LONGEST_DESCRIPTION],
                # Without either OpenAI and Anthropic refuse the whole request.
                "parameters": {"type": "object", "properties": {}, **spec.parameters},
            },
        }
        for spec in specs
    ]


def messages_for(messages: Sequence[ChatMessage]) -> Iterator[Json]:
    """With calls made so that every provider takes them, whichever model wrote them.

    Their ids are numbered anew. Anthropic refuses ids with signs in them, OpenAI those of more than 40 characters, both
    the same one twice; there are servers that number each answer's calls from 0, and a turn may go from one to another.
    """
    numbers = count(1)
    renamed: dict[str, str] = {}
    for message in messages:
        if message.role == "tool":
            yield {
                "role": "tool",
                "tool_call_id": renamed.get(message.tool_call_id, message.tool_call_id),
                "content": message.content,
            }
        elif message.tool_calls:
            renamed = {call.id: f"call_{next(numbers)}" for call in message.tool_calls}
            calls = [_call_for(renamed[call.id], call) for call in message.tool_calls]
            # An empty text is not the same as none: Anthropic refuses it, so litellm would write something there.
            yield {"role": "assistant", "content": message.content.strip() or None, "tool_calls": calls}
        else:
            yield {"role": message.role, "content": _content(message, message.content)}


def messages_as_text(messages: Sequence[ChatMessage]) -> Iterator[Json]:
    """For models that are shown no tools: they get calls and results to read, as a part of what was said."""
    names: dict[str, str] = {}
    for message in messages:
        names |= {call.id: call.name for call in message.tool_calls}
        if message.role == "tool":
            name = names.get(message.tool_call_id, "tool")
            yield {"role": "user", "content": f"[Result of {name}]\n{message.content}"}
        else:
            called = [f"[Asked {call.name}: {call.arguments}]" for call in message.tool_calls]
            said = [message.content] if message.content or not called else []
            yield {"role": message.role, "content": _content(message, "\n".join([*said, *called]))}


def _content(message: ChatMessage, text: str) -> str | list[Json]:
    """Pictures come before the text about them, as vendors advise; nobody but us fetches any."""
    if not message.images:
        return text
    urls = (f"data:{image.media_type};base64,{base64.b64encode(image.content).decode()}" for image in message.images)
    return [*({"type": "image_url", "image_url": {"url": url}} for url in urls), {"type": "text", "text": text}]


def _call_for(new_id: str, call: ToolCall) -> Json:
    # Whatever is no object was answered with that; here it would make most providers refuse the whole conversation.
    arguments = json.dumps(read_arguments(call.arguments) or {}, ensure_ascii=False)
    name = re.sub(r"[^a-zA-Z0-9_-]", "_", call.name)[:_LONGEST_NAME] or "unknown"
    return {"id": new_id, "type": "function", "function": {"name": name, "arguments": _whole_text(arguments)}}


@dataclass
class _Draft:
    id: str = ""
    name: str = ""
    arguments: list[str] = field(default_factory=list)


class CallsInPieces:
    """Tool calls while they come in: by index, in pieces, those of several mixed."""

    def __init__(self, *, come_whole: bool) -> None:
        """``come_whole``: each piece is a call of its own, and its index says nothing."""
        self._come_whole = come_whole
        self._drafts: list[_Draft] = []
        self._by_index: dict[int, _Draft] = {}
        self._length = 0

    @property
    def are_too_many(self) -> bool:
        return len(self._drafts) > MOST_CALLS or self._length > LONGEST_ARGUMENTS

    def take(self, pieces: Sequence[Any]) -> None:
        """``pieces``: of one delta's ``tool_calls``, as litellm's objects."""
        for piece in pieces:
            draft = self._draft(piece.index, piece.id)
            draft.id = draft.id or piece.id or ""
            name = piece.function.name or ""
            # Most servers say it once, some in pieces, and some again with every piece.
            draft.name += "" if name == draft.name else name
            draft.arguments.append(piece.function.arguments or "")
            self._length += len(draft.arguments[-1])

    def _draft(self, index: int, call_id: str | None) -> _Draft:
        draft = self._by_index.get(index)
        if draft is None or self._come_whole or (call_id and draft.id and call_id != draft.id):
            draft = self._by_index[index] = _Draft()
            self._drafts.append(draft)
        return draft

    def calls(self, *, is_over: bool) -> tuple[ToolCall, ...]:
        """What came so far, each with an id of its own. ``is_over``: the model stopped by itself."""
        calls: dict[str, ToolCall] = {}
        for draft in self._drafts:
            if not draft.name and not any(draft.arguments):
                continue
            told = _whole_text(draft.id)
            call_id = told if told and told not in calls else f"call_{uuid4().hex}"
            # Tools that take nothing are called with {} or with nothing.
            arguments = _whole_text("".join(draft.arguments)) or ("{}" if is_over else "")
            calls[call_id] = ToolCall(call_id, _whole_text(draft.name), arguments)
        return tuple(calls.values())


def _whole_text(text: str) -> str:
    """With the halves of a character that came apart put together, and those that are alone replaced."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
