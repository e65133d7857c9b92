"""Which parameters an endpoint takes, from the types that Stripe generates out of its OpenAPI description.

A name that is not among them is refused (`parameter_unknown`), a required one that is not there (`parameter_missing`),
a word that is not one of an enumeration, a number that is none. https://docs.stripe.com/error-codes What passes comes
back as what it is: numbers, truth values, lists, mappings.
"""

import re
import types
import typing
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from stripe._request_options import RequestOptions
from typing_extensions import is_typeddict

from tests.support.stripe_double.wire import Json, Refusal

_OPTIONS = frozenset(RequestOptions.__annotations__)
"""What the SDK takes beside the parameters and does not send."""
_KNOWN = {"StripeContext": object, "Mapping": Mapping}
"""Names that the options' types need and the modules of the parameters do not have."""
_WORDS = {"true": True, "false": False}


def check(form: type, given: Json) -> Json:
    return _mapping(form, given, "")


@cache
def _fields(form: type) -> dict[str, Any]:
    found = get_type_hints(form, localns=_KNOWN)
    return {name: each for name, each in found.items() if name not in _OPTIONS}


@cache
def _required(form: type) -> tuple[str, ...]:
    return tuple(sorted(form.__required_keys__))  # type: ignore[attr-defined]


def _named(within: str, name: str) -> str:
    return f"{within}[{name}]" if within else name


def _mapping(form: type, given: Json, within: str) -> Json:
    fields = _fields(form)
    for name in given:
        if name not in fields:
            path = _named(within, name)
            raise Refusal(
                f"Received unknown parameter: {path}", code="parameter_unknown", param=path, is_before_execution=True
            )
    for name in _required(form):
        if name not in given:
            path = _named(within, name)
            raise Refusal(
                f"Missing required param: {path}.", code="parameter_missing", param=path, is_before_execution=True
            )
    return {name: _value(fields[name], value, _named(within, name)) for name, value in given.items()}


def _value(kind: Any, value: Any, path: str) -> Any:
    kinds = _alternatives(kind)
    if value == {}:
        value = ""
    if isinstance(value, dict):
        for each in kinds:
            if is_typeddict(each):
                return _mapping(each, value, path)
        if any(get_origin(each) in (dict, typing.Mapping) for each in kinds):
            return _plain(value, path)
        raise _invalid(path, "Invalid object")
    if isinstance(value, list):
        for each in kinds:
            if get_origin(each) is list:
                [inner] = get_args(each)
                return [_value(inner, one, f"{path}[{number}]") for number, one in enumerate(value)]
        raise _invalid(path, "Invalid array")
    return _word(kinds, value, path)


def _alternatives(kind: Any) -> list[Any]:
    if get_origin(kind) in (Union, types.UnionType):
        return [inner for each in get_args(kind) for inner in _alternatives(each)]
    return [kind]


def _plain(value: Json, path: str) -> Json:
    for name, each in value.items():
        if not isinstance(each, str):
            raise _invalid(_named(path, name), "Invalid string")
    return value


def _word(kinds: list[Any], value: str, path: str) -> Any:
    literals = [word for each in kinds if get_origin(each) is Literal for word in get_args(each)]
    if value in literals:
        return value
    if bool in kinds and value in _WORDS:
        return _WORDS[value]
    if int in kinds and re.fullmatch(r"-?\d{1,18}", value):
        return int(value)
    if Decimal in kinds or float in kinds:
        return _decimal(value, path)
    if named := [word for word in literals if word]:
        # Their types also allow any string, for words that a later version may have. This version has these.
        raise _invalid(path, f"Invalid {path}: must be one of {', '.join(named)}")
    if str in kinds:
        return _text(value, path)
    if int in kinds:
        raise _invalid(path, f"Invalid integer: {value}", "parameter_invalid_integer")
    raise _invalid(path, f"Invalid boolean: {value}" if bool in kinds else "Invalid object")


def _decimal(value: str, path: str) -> Decimal:
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise _invalid(path, "Invalid decimal") from None
    if not number.is_finite():
        raise _invalid(path, "Invalid decimal")
    return number


def _text(value: str, path: str) -> str:
    """An empty string would unset what is there, and is refused where that is not foreseen."""
    if value == "":
        raise _invalid(
            path,
            f"You passed an empty string for '{path}'. We assume empty values are an attempt to unset a parameter;"
            f" however '{path}' cannot be unset. You should remove '{path}' from your request or supply a non-empty"
            " value.",
            "parameter_invalid_empty",
        )
    return value


def _invalid(path: str, message: str, code: str | None = None) -> Refusal:
    return Refusal(message, code=code, param=path, is_before_execution=True)
