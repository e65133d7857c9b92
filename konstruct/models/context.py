"""Cutting a conversation to a model's window. Counts tokens by estimate; no tokeniser may be loaded here."""

import json
import string
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain, takewhile
from typing import Final

from konstruct.ports import ChatMessage, ToolCall, ToolSpec

MARKER: Final = "\n\n[… the middle of this long message was left out …]\n\n"

_LETTERS: Final = (string.ascii_letters + string.whitespace).encode()

# Roles and separators around each message.
_MESSAGE_OVERHEAD: Final = 6

# A call's id, which its result says again, and the marks around both.
_CALL_OVERHEAD: Final = 30

# Of a picture as large as we send any; no vendor counts more.
_IMAGE: Final = 1_600

# Vendors tell their models in a prompt of their own how to call; Anthropic's is the longest, with about 350 tokens.
_TOOLS_OVERHEAD: Final = 350

# However long everything else is, this much of a question, or of a tool's result, goes along with it.
_LEAST_ROOM: Final = 64


def count_tokens(text: str) -> int:
    """An estimate that errs upwards for what people write, whichever the model.

    Each vendor has its own tokeniser, and most publish none. In European prose and in code one token
    stands for three to four letters; of digits, signs and other scripts it stands for about two UTF-8 bytes.
    """
    encoded = text.encode("utf-8", "replace")
    dense = len(encoded.translate(None, delete=_LETTERS))
    return (len(encoded) - dense + 2) // 3 + (dense + 1) // 2


def count_prompt(messages: Sequence[ChatMessage], tools: Sequence[ToolSpec] = ()) -> int:
    told = [tool.name + tool.description + json.dumps(dict(tool.parameters), ensure_ascii=False) for tool in tools]
    shown = sum(count_tokens(text) + _MESSAGE_OVERHEAD for text in told) + (_TOOLS_OVERHEAD if tools else 0)
    return shown + sum(count_tokens(message.content) + _frame(message) for message in messages)


def count_calls(calls: Sequence[ToolCall]) -> int:
    return sum(count_tokens(call.name) + count_tokens(call.arguments) + _CALL_OVERHEAD for call in calls)


def fit(
    messages: Sequence[ChatMessage], window: int, max_output: int, tools: Sequence[ToolSpec] = ()
) -> list[ChatMessage]:
    """The messages that go into a prompt of ``window - max_output`` tokens, beside the tools.

    The oldest go first, and calls only together with their results. The system prompt and the last question always
    stay; so do the calls that were made for it, with their results cut, until even that is too much. A message that is
    cut loses its middle. What is left begins with the user: some providers refuse anything else.
    """
    system = list(takewhile(lambda message: message.role == "system", messages))
    talk = messages[len(system) :]
    if not talk:
        return system
    questions = [position for position, message in enumerate(talk) if message.role == "user"]
    start = questions[-1] if questions else len(talk) - 1
    room = window - max_output - count_prompt(system, tools)
    turn = _shorten_turn(talk[start], talk[start + 1 :], room)
    room -= count_prompt(turn)

    kept: list[ChatMessage] = []
    for group in reversed(_groups(talk[:start])):
        room -= count_prompt(group)
        if room < 0:
            break
        kept = [*group, *kept]
    while kept and kept[0].role != "user":
        del kept[0]
    return [*system, *kept, *turn]


def _frame(message: ChatMessage) -> int:
    """What a message takes besides its text."""
    return _MESSAGE_OVERHEAD + count_calls(message.tool_calls) + _IMAGE * len(message.images)


def _groups(messages: Sequence[ChatMessage]) -> list[list[ChatMessage]]:
    """Each message with the tools' results that belong to it."""
    groups: list[list[ChatMessage]] = []
    for message in messages:
        if message.role == "tool" and groups:
            groups[-1].append(message)
        else:
            groups.append([message])
    return groups


def _shorten_turn(question: ChatMessage, steps: Sequence[ChatMessage], room: int) -> list[ChatMessage]:
    """The longest texts are cut to one length; when that leaves next to nothing of them, the oldest steps go."""
    groups = _groups(steps)
    while True:
        turn = [question, *chain.from_iterable(groups)]
        lengths = [count_tokens(message.content) for message in turn]
        most = _common_limit(lengths, room - sum(map(_frame, turn)))
        if most >= min(max(lengths), _LEAST_ROOM) or not groups:
            limit = max(most, _LEAST_ROOM)
            return [replace(message, content=_shorten(message.content, limit)) for message in turn]
        del groups[0]


def _common_limit(lengths: Sequence[int], room: int) -> int:
    """The greatest one with which all that is cut to it goes into the room; less than 0 when none does."""
    limits = range(max(lengths) + 1)
    return bisect_right(limits, room, key=lambda limit: sum(min(length, limit) for length in lengths)) - 1


def _shorten(text: str, room: int) -> str:
    """The text, or its beginning and the longer end of it around a marker, in at most ``room`` tokens."""
    if count_tokens(text) <= room:
        return text

    def keeping(characters: int) -> str:
        head = characters // 3
        return text[:head] + MARKER + text[len(text) - (characters - head) :]

    most = bisect_right(range(len(text)), room, key=lambda characters: count_tokens(keeping(characters)))
    return keeping(max(most - 1, 0))
