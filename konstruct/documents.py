"""YAML as plain data that knows on which line each part of it stands. No schema here.

Values are never quoted in complaints, since any of them may be a secret.
"""

import json
import math
import re
from typing import Any, Final

from pydantic import JsonValue
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from konstruct.errors import BadInput

Loc = tuple[str | int, ...]
"""The way from the top to a value: keys of mappings and positions in lists."""

DEEPEST: Final = 20

_TAG: Final = "tag:yaml.org,2002:"
_NUMBERS: Final = frozenset({_TAG + "int", _TAG + "float", _TAG + "bool"})
_TAGS: Final = _NUMBERS | {_TAG + name for name in ("str", "null", "timestamp", "map", "seq")}
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")


class Document:
    """A YAML text as plain data, and where in the text each part of it stands."""

    def __init__(self, text: str, name: str) -> None:
        self._name = name
        self._lines: dict[Loc, int] = {(): 1}
        self._seen: set[int] = set()
        self._problems: list[tuple[int, str]] = []
        self.data: dict[str, Any] = self._plain(_compose(text, name), ())

    @property
    def has_problems(self) -> bool:
        return bool(self._problems)

    def report(self) -> str:
        """All complaints, a line each, in the order of the text."""
        return "\n".join(sentence for _, sentence in sorted(self._problems))

    def complain(self, loc: Loc, message: str, line: int | None = None) -> None:
        line = line or self._place(loc)[1]
        self._problems.append((line, self.sentence(loc, message, line)))

    def sentence(self, loc: Loc, message: str, line: int | None = None) -> str:
        known, found = self._place(loc)
        path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in known).lstrip(".")
        return f"{self._name}:{line or found}: {path}{': ' if path else ''}{message}"

    def _place(self, loc: Loc) -> tuple[Loc, int]:
        """Leaves out what the schema put between two steps of the file; what is missing is where it should be."""
        known: Loc = ()
        for step in loc[:-1]:
            if (*known, step) in self._lines:
                known = (*known, step)
        line = self._lines[known]
        return known + loc[-1:], self._lines.get(known + loc[-1:], line)

    def _plain(self, node: Node, loc: Loc) -> Any:
        if id(node) in self._seen:
            # Not only since a few lines of aliases can stand for gigabytes: an error has to have one place.
            self.complain(loc, "aliases (*name) are not read here; write the value out")
            return None
        if len(loc) > DEEPEST:
            self.complain(loc, "is nested too deeply")
            return None
        self._seen.add(id(node))
        self._lines.setdefault(loc, node.start_mark.line + 1)
        if str(node.tag) not in _TAGS:
            self.complain(loc, "tags (!name) are not read here")
        match node:
            case MappingNode():
                return self._mapping(node, loc)
            case SequenceNode():
                return [self._plain(item, (*loc, position)) for position, item in enumerate(node.value)]
            case _:
                if _UNSTORABLE.search(node.value):
                    self.complain(loc, "holds a character that is no text")
                return _scalar(node)

    def _mapping(self, node: MappingNode, loc: Loc) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, ScalarNode) or _UNSTORABLE.search(key.value):
                self.complain(loc, "has a key that is no text", line)
            elif key.value in data:
                self.complain((*loc, key.value), "is given a second time", line)
            else:
                self._lines[(*loc, key.value)] = line
                data[key.value] = self._plain(value, (*loc, key.value))
        return data


def _compose(text: str, name: str) -> Node:
    try:
        # Composing makes no objects, so that no tag of a file can have one made.
        root: Node | None = YAML(typ="safe", pure=True).compose(text)
        if isinstance(root, MappingNode):
            return root
        line, problem = 1, "must begin with names and values, such as “tenant: acme”"
    except YAMLError as error:
        line, problem = _explain(error, text)
    except RecursionError:
        line, problem = 1, "is nested too deeply"
    # Raised out here, since a YAML error quotes the lines around it.
    raise BadInput(f"{name}:{line}: {problem}")


def _explain(error: YAMLError, text: str) -> tuple[int, str]:
    match error:
        case ReaderError():
            return 1 + text.count("\n", 0, error.position), "holds a character that may not stand in YAML"
        case MarkedYAMLError(problem_mark=mark) if mark is not None:
            return mark.line + 1, f"is not YAML: {error.problem}"
    return 1, "is not YAML"


def _scalar(node: Node) -> JsonValue:
    """Text, but for what JSON can hold as well."""
    if node.tag == _TAG + "null":
        return None
    if node.tag in _NUMBERS:
        try:
            value: int | float | bool = json.loads(node.value.lower())
        except ValueError:
            return str(node.value)
        return value if math.isfinite(value) else str(node.value)
    return str(node.value)
