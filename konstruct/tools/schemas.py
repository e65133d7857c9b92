"""JSON Schemas that tools come with: whether one can be used, and whether a value keeps to it.

A schema never leads out of itself: what it refers to is not fetched from anywhere.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, best_match
from pydantic import JsonValue
from referencing import Registry
from referencing.exceptions import Unresolvable

from konstruct.errors import BadInput

LONGEST_COMPLAINT: Final = 300

_REFERENCES: Final = frozenset({"$ref", "$dynamicRef"})


def check(schema: Mapping[str, JsonValue]) -> None:
    """Raises BadInput with what is wrong and where in the schema."""
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        raise BadInput(f"is no JSON Schema: at {error.json_path} {_short(error.message)}") from None
    except RecursionError:
        raise BadInput("is nested too deeply for a JSON Schema") from None
    if not all(reference.startswith("#") for reference in _references(schema)):
        raise BadInput("refers to another document ($ref), which is not fetched; put it under $defs")


def complaint(schema: Mapping[str, JsonValue], value: JsonValue) -> str | None:
    """What is wrong with a value, and where in it; None if it keeps to the schema, which `check` let pass."""
    try:
        errors = Draft202012Validator(schema, registry=Registry[Any]()).iter_errors(value)
        error = best_match(errors)
    except Unresolvable:
        return "the schema refers to a part of itself that it does not have"
    except RecursionError:
        return "the schema leads in a circle, or the value is nested too deeply"
    return None if error is None else f"at {error.json_path}: {_short(error.message)}"


def _references(schema: object) -> Iterator[str]:
    if isinstance(schema, Mapping):
        for name, value in schema.items():
            if name in _REFERENCES and isinstance(value, str):
                yield value
            else:
                yield from _references(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _references(value)


def _short(message: str) -> str:
    return message if len(message) <= LONGEST_COMPLAINT else message[:LONGEST_COMPLAINT] + "…"
