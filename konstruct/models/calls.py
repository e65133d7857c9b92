"""What models write when they call tools: how much of it at most, and how it is read."""

import json
from collections.abc import Sequence
from typing import Any, Final

from konstruct.ports import ToolCall

# No answer needs more at once; a stream that passes either is broken or hostile.
MOST_CALLS: Final = 16
LONGEST_ARGUMENTS: Final = 100_000
"""Characters, of all calls of an answer together."""


def read_arguments(text: str) -> dict[str, Any] | None:
    """The object that a call's arguments are; None when they are anything else."""
    try:
        value = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def are_too_many(calls: Sequence[ToolCall]) -> bool:
    return len(calls) > MOST_CALLS or sum(len(call.arguments) for call in calls) > LONGEST_ARGUMENTS


def _refuse(constant: str) -> None:
    # Python reads and writes NaN and Infinity, which nobody else takes for JSON.
    raise ValueError(constant)
