"""What a JMESPath expression finds in an answer, within bounds: a short one can ask for more than any machine holds."""

import time
from typing import Any, Final

import jmespath
from jmespath.exceptions import JMESPathError
from jmespath.visitor import TreeInterpreter

LONGEST: Final = 2.0
"""Seconds: all conversations of a process wait meanwhile."""
LARGEST: Final = 2_000_000
"""Values in whatever is made on the way, twenty characters counted as one."""

_MAKES: Final = frozenset(
    {
        *("flatten", "projection", "value_projection", "filter_projection"),
        *("multi_select_list", "multi_select_dict", "function_expression"),
    }
)


class TooMuch(JMESPathError):
    """It asks for more than is to be had."""


def search(expression: str, value: object) -> Any:
    """Raises JMESPathError, of which TooMuch is one."""
    return _Bounded().visit(jmespath.compile(expression).parsed, value)


class _Bounded(TreeInterpreter):
    def __init__(self) -> None:
        super().__init__()
        self._ends_at = time.monotonic() + LONGEST

    def visit(self, node: Any, *args: Any, **kwargs: Any) -> Any:
        if time.monotonic() > self._ends_at:
            raise TooMuch("It takes too long.")
        found = super().visit(node, *args, **kwargs)
        if node["type"] in _MAKES:
            _weigh(found)
        return found


def _weigh(value: object) -> None:
    """What is named in several places counts in each: written out, it is there as often."""
    weight, left = 0, [value]
    while left:
        each = left.pop()
        weight += 1
        if isinstance(each, str):
            weight += len(each) // 20
        elif isinstance(each, dict):
            weight += len(each)
            left.extend(each.values())
        elif isinstance(each, list):
            left.extend(each)
        if weight + len(left) > LARGEST:
            raise TooMuch("It makes too much of the answer.")
