"""Cutting a conversation to a model's window. Counts tokens by estimate; no tokeniser may be loaded here."""

import string
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace
from itertools import takewhile
from typing import Final

from konstruct.ports import ChatMessage

MARKER: Final = "\n\n[… the middle of this long message was left out …]\n\n"

_LETTERS: Final = (string.ascii_letters + string.whitespace).encode()

# Roles and separators around each message.
_MESSAGE_OVERHEAD: Final = 6

# However long a system prompt is, this much of the last message goes along with it.
_LEAST_ROOM: Final = 64


def count_tokens(text: str) -> int:
    """An estimate that errs upwards for what people write, whichever the model.

    Each vendor has its own tokeniser, and most publish none. In European prose and in code one token
    stands for three to four letters; of digits, signs and other scripts it stands for about two UTF-8 bytes.
    """
    encoded = text.encode("utf-8", "replace")
    dense = len(encoded.translate(None, delete=_LETTERS))
    return (len(encoded) - dense + 2) // 3 + (dense + 1) // 2


def count_prompt(messages: Sequence[ChatMessage]) -> int:
    return sum(count_tokens(message.content) + _MESSAGE_OVERHEAD for message in messages)


def fit(messages: Sequence[ChatMessage], window: int, max_output: int) -> list[ChatMessage]:
    """The messages that go into a prompt of ``window - max_output`` tokens.

    The oldest go first. The system prompt and the last message always stay; when even these are too much,
    the last one loses its middle. What is left begins with the user: some providers refuse anything else.
    """
    system = list(takewhile(lambda message: message.role == "system", messages))
    talk = messages[len(system) :]
    if not talk:
        return system
    *earlier, last = talk
    room = window - max_output - count_prompt(system) - _MESSAGE_OVERHEAD
    last = replace(last, content=_shorten(last.content, max(room, _LEAST_ROOM)))
    room -= count_tokens(last.content)

    kept: list[ChatMessage] = []
    for message in reversed(earlier):
        room -= count_prompt([message])
        if room < 0:
            break
        kept.insert(0, message)
    while kept and kept[0].role != "user":
        del kept[0]
    return [*system, *kept, last]


def _shorten(text: str, room: int) -> str:
    """The text, or its beginning and the longer end of it around a marker, in at most ``room`` tokens."""
    if count_tokens(text) <= room:
        return text

    def keeping(characters: int) -> str:
        head = characters // 3
        return text[:head] + MARKER + text[len(text) - (characters - head) :]

    most = bisect_right(range(len(text)), room, key=lambda characters: count_tokens(keeping(characters)))
    return keeping(max(most - 1, 0))
