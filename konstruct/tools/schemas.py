"""JSON Schemas of tools: whether one can be used, and what precisely is wrong with a value. Nothing is fetched."""

import json
import math
import re
import time
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from typing import Any, Final

import regex
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError
from jsonschema.validators import extend
from pydantic import JsonValue
from referencing import Registry
from referencing.exceptions import Unresolvable

from konstruct.errors import BadInput, ToolFailed

LONGEST_SCHEMA: Final = 32_000
"""Characters of its JSON."""
LONGEST_ARGUMENTS: Final = 50_000
MOST_PROBLEMS: Final = 5
LONGEST_PROBLEM: Final = 300
LONGEST_CHECK: Final = 0.5
"""Seconds: all conversations of a process wait meanwhile."""
LONGEST_UNIQUE: Final = 500
LONGEST_MATCH: Final = 0.1
"""Seconds for one pattern in one text: whoever writes a tool must not keep everybody else's waiting by it."""
MOST_REPEATED: Final = 10_000
"""All numbers of times that a pattern names, multiplied: it is written out that often when it is compiled."""

# Keywords that would have it look elsewhere, or change what its own references mean.
_ELSEWHERE: Final = frozenset({"$id", "$dynamicRef", "$dynamicAnchor", "$schema"})
_PATTERNS: Final = frozenset({"pattern", "patternProperties"})
_BY_NAME: Final = frozenset({"properties", "$defs", "definitions", "dependentSchemas"})
_COUNTS: Final = re.compile(r"\{\s*(\d{0,9})\s*,?\s*(\d{0,9})\s*\}")
_NOWHERE: Final[Registry[Any]] = Registry()
_ENDS_AT: Final[ContextVar[float]] = ContextVar("ends_at")


def check(schema: Mapping[str, JsonValue]) -> None:
    """Raises BadInput with what is wrong and where in the schema."""
    try:
        if len(json.dumps(schema)) > LONGEST_SCHEMA:
            raise BadInput(f"is longer than {LONGEST_SCHEMA:,} characters")
        _look_for_elsewhere(schema)
        Draft202012Validator.check_schema(schema)
        _look_at_patterns(schema)
        # One that leads into itself is found out now, and not when a call depends on it.
        list(zip(_errors(schema, {}), range(MOST_PROBLEMS), strict=False))
    except SchemaError as error:
        raise BadInput(f"is no JSON Schema: at {error.json_path} {_cut(error.message)}") from None
    except Unresolvable:
        raise BadInput("refers to a part of itself that it does not have") from None
    except (RecursionError, _TooLong):
        raise BadInput("is nested too deeply for a JSON Schema, or leads in a circle") from None


def without_patterns(schema: JsonValue) -> JsonValue:
    """A stranger's pattern can take for ever to match; the stranger checks it anyway."""
    if isinstance(schema, dict):
        return {
            name: _each_without_patterns(value) if name in _BY_NAME else without_patterns(value)
            for name, value in schema.items()
            if name not in _PATTERNS
        }
    return [without_patterns(each) for each in schema] if isinstance(schema, list) else schema


def _each_without_patterns(schemas: JsonValue) -> JsonValue:
    """Of schemas by names that a stranger chose, one of which may be "pattern"."""
    return {name: without_patterns(each) for name, each in schemas.items()} if isinstance(schemas, dict) else schemas


def arguments(text: str, schema: Mapping[str, Any]) -> dict[str, JsonValue]:
    """What a model wrote, as the tool takes it.

    Raises:
        ToolFailed: says precisely what is wrong, for the model to mend.
    """
    if len(text) > LONGEST_ARGUMENTS:
        raise ToolFailed(f"The arguments are longer than {LONGEST_ARGUMENTS:,} characters.")
    try:
        value = json.loads(text.strip() or "{}", parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise ToolFailed(f"The arguments are not JSON: {_cut(str(error))}") from None
    if not isinstance(value, dict):
        raise ToolFailed("The arguments must be one JSON object.")
    wrong = complaint(schema, value)
    if wrong is not None:
        raise ToolFailed(f"The arguments do not fit: {wrong}.")
    return value


class _TooLong(Exception):
    """A schema may be small and yet have a value looked at for ever."""


def _timed(check: Any) -> Any:
    def timed(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
        if time.monotonic() > _ENDS_AT.get():
            raise _TooLong
        yield from check(validator, value, instance, schema) or ()

    return timed


def _unique(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    """Each is compared with each, so long lists are let pass."""
    if not isinstance(instance, list) or len(instance) <= LONGEST_UNIQUE:
        yield from Draft202012Validator.VALIDATORS["uniqueItems"](validator, value, instance, schema) or ()


def _is_found(pattern: str, text: str) -> bool:
    """As the standard library would find it, which cannot be given a time limit."""
    left = min(LONGEST_MATCH, _ENDS_AT.get() - time.monotonic())
    if left <= 0:
        raise _TooLong
    try:
        return regex.search(pattern, text, timeout=left) is not None
    except TimeoutError:
        raise _TooLong from None


def _pattern(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if isinstance(instance, str) and not _is_found(value, instance):
        yield ValidationError(f"{instance!r} does not match {value!r}")


def _pattern_properties(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if not isinstance(instance, dict):
        return
    for pattern, of_pattern in value.items():
        for name, each in instance.items():
            if _is_found(pattern, name):
                yield from validator.descend(each, of_pattern, path=name, schema_path=pattern)


def _additional(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    patterns = schema.get("patternProperties")
    if patterns and isinstance(instance, dict):
        # What patterns let pass is none of its business; the rest it looks at as if there were none.
        instance = {name: each for name, each in instance.items() if not any(_is_found(one, name) for one in patterns)}
        schema = {name: each for name, each in schema.items() if name != "patternProperties"}
    yield from Draft202012Validator.VALIDATORS["additionalProperties"](validator, value, instance, schema) or ()


_OURS: Final = {
    "uniqueItems": _unique,
    "pattern": _pattern,
    "patternProperties": _pattern_properties,
    "additionalProperties": _additional,
}
_Validator: Final = extend(  # type: ignore[no-untyped-call]
    Draft202012Validator,
    {name: _timed(check) for name, check in {**Draft202012Validator.VALIDATORS, **_OURS}.items()},
)


def complaint(schema: Mapping[str, JsonValue], value: JsonValue) -> str | None:
    """What is wrong with a value, and where in it; None if it keeps to the schema, which `check` let pass."""
    try:
        found = [error for error, _ in zip(_errors(schema, value), range(MOST_PROBLEMS), strict=False)]
    except (RecursionError, Unresolvable):
        return "the schema leads in a circle, or the value is nested too deeply"
    except _TooLong:
        return "it takes too long to be checked"
    except Exception:
        # Of a schema that is none. What went wrong would quote the value.
        return "the schema cannot be used"
    return "; ".join(f"at {error.json_path}: {_cut(error.message)}" for error in found) or None


def canonical(value: JsonValue) -> str:
    """The same text for the same value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _errors(schema: Mapping[str, JsonValue], value: JsonValue) -> Iterator[ValidationError]:
    ends_at = _ENDS_AT.set(time.monotonic() + LONGEST_CHECK)
    try:
        yield from _Validator(schema, registry=_NOWHERE).iter_errors(value)
    finally:
        _ENDS_AT.reset(ends_at)


def _look_for_elsewhere(schema: object) -> None:
    if isinstance(schema, list):
        for each in schema:
            _look_for_elsewhere(each)
    elif isinstance(schema, Mapping):
        for name, value in schema.items():
            if name in _ELSEWHERE and isinstance(value, str):
                raise BadInput(f"may not use {name}")
            if name == "$ref" and isinstance(value, str) and not value.startswith("#"):
                raise BadInput("refers to another document ($ref), which is not fetched; put it under $defs")
            _look_for_elsewhere(value)


def _look_at_patterns(schema: Mapping[str, JsonValue]) -> None:
    found = list(_keywords(schema))
    if {"patternProperties", "unevaluatedProperties"} <= {name for name, _ in found}:
        # The library matches the names that are left over by itself, for as long as that takes.
        raise BadInput("may not use patternProperties and unevaluatedProperties together")
    for name, value in found:
        patterns = value if name == "patternProperties" and isinstance(value, Mapping) else [value]
        for pattern in patterns if name in _PATTERNS else ():
            if isinstance(pattern, str):
                _look_at_pattern(pattern)


def _keywords(schema: object) -> Iterator[tuple[str, object]]:
    """All that stand in it, and what only looks like some."""
    if isinstance(schema, Mapping):
        yield from schema.items()
    if isinstance(schema, Mapping | list):
        for each in schema.values() if isinstance(schema, Mapping) else schema:
            yield from _keywords(each)


def _look_at_pattern(pattern: str) -> None:
    numbers = [max(int(few or 0), int(many or 0)) for few, many in _COUNTS.findall(pattern)]
    if math.prod(filter(None, numbers)) > MOST_REPEATED:
        raise BadInput(f"has a pattern that repeats too often: {_cut(pattern)}")
    try:
        regex.compile(pattern)
    except (regex.error, ValueError, RecursionError, OverflowError):
        raise BadInput(f"has a pattern that is no regular expression: {_cut(pattern)}") from None


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON number")


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_PROBLEM else f"{text[:LONGEST_PROBLEM]}…"
