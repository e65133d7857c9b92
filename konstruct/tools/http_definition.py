"""A tool that is one HTTP request, as an operator writes it down: what may stand in it. Nothing here is sent."""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import unquote

import jmespath
from jmespath.exceptions import JMESPathError
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    PlainValidator,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

from konstruct.errors import BadInput
from konstruct.tools import schemas

DEEPEST: Final = 20
LONGEST_EXPRESSION: Final = 500

PLACEHOLDER: Final = re.compile(r"\{\{([A-Za-z_][A-Za-z0-9_]*)\}\}|\{([A-Za-z_][A-Za-z0-9_]*)\}")
"""``{name}`` is an argument; ``{{name}}`` is the text ``{name}``."""

_URL: Final = re.compile(r"https?://(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?(?P<path>/[^?#]*)?")
_SEGMENT: Final = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2}|\{[A-Za-z_][A-Za-z0-9_]*\})*")
_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_HEADER_VALUE: Final = re.compile(r"[!-~]([ -~]*[!-~])?")
UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")

# They say how a message is framed and whom it is for, which is not a tool's to say.
_FORBIDDEN_HEADERS: Final = {
    *("connection", "content-encoding", "content-length", "expect", "host", "idempotency-key", "keep-alive"),
    *("proxy-authorization", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"),
}


def names_in(template: str) -> set[str]:
    """The arguments that a template asks for."""
    return {found[2] for found in PLACEHOLDER.finditer(template) if found[2]}


def texts_in(value: JsonValue) -> Iterator[str]:
    """All texts of a JSON value but the names of fields."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from texts_in(item)


def _wrong(sentence: str) -> PydanticCustomError:
    # A sentence of ours may hold braces, which are not for pydantic to fill.
    return PydanticCustomError("http_tool", "{sentence}", {"sentence": sentence})


def _check_url(url: str) -> str:
    if "?" in url:
        raise _wrong("must not hold a query; put its values under query")
    found = _URL.fullmatch(url)
    if found is None:
        raise _wrong("must be https://host/path, without a user, and with placeholders in the path alone")
    *inner, _ = segments = (found["path"] or "/").removeprefix("/").split("/")
    if not all(_SEGMENT.fullmatch(segment) for segment in segments):
        raise _wrong("holds a character that must be written as %XX, or half a placeholder")
    if "" in inner or any(unquote(segment) in (".", "..") for segment in segments):
        raise _wrong("must have no empty parts and no . or .. in its path")
    return url


def _check_headers(headers: dict[str, str]) -> dict[str, str]:
    lower = [name.lower() for name in headers]
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name):
            raise _wrong("holds a name that no header can have")
        if name.lower() in _FORBIDDEN_HEADERS:
            raise _wrong(f"must not set {name}, which is set for each request")
        if lower.count(name.lower()) > 1:
            raise _wrong(f"sets {name} twice")
        if PLACEHOLDER.search(value):
            raise _wrong(f"{name} takes fixed text, without placeholders")
        if not _HEADER_VALUE.fullmatch(value):
            raise _wrong(f"{name} holds characters that a header cannot carry; it must be one line of ASCII")
    return headers


def _check_parameters(schema: dict[str, JsonValue]) -> dict[str, JsonValue]:
    if schema.get("type") != "object":
        raise _wrong('must be the JSON Schema of an object, with "type": "object"')
    return _check_schema(schema)


def _check_schema(schema: dict[str, JsonValue]) -> dict[str, JsonValue]:
    try:
        schemas.check(schema)
    except BadInput as error:
        raise _wrong(str(error)) from None
    return schema


def _check_result(result: object) -> object:
    if result is None or isinstance(result, str):
        _check_expression(result)
    elif isinstance(result, dict) and result and all(isinstance(name, str) for name in result):
        for name, expression in result.items():
            _check_expression(expression, f"{name} ")
    else:
        raise _wrong("must be a JMESPath expression, or fields with one each")
    return result


def _check_expression(expression: object, place: str = "") -> None:
    if expression is None:
        return
    if not isinstance(expression, str):
        raise _wrong(f"{place}must be a JMESPath expression")
    if len(expression) > LONGEST_EXPRESSION:
        raise _wrong(f"{place}is longer than {LONGEST_EXPRESSION} characters")
    try:
        jmespath.compile(expression)
    except (JMESPathError, RecursionError) as error:
        where = getattr(error, "lex_position", None)
        raise _wrong(
            f"{place}is no JMESPath expression" + (f", from character {where + 1} on" if where else "")
        ) from None


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)


class Auth(_Part):
    """Where the tool's secret goes: ``basic`` takes one of the form user:password."""

    kind: Literal["none", "bearer", "basic", "header", "query"] = "none"
    name: Annotated[str, Field(max_length=100)] = ""
    """Of the header or the query's field."""

    @model_validator(mode="after")
    def _check_name(self) -> Self:
        if (self.kind in ("header", "query")) != bool(self.name):
            raise _wrong("name is for header and query, which need it")
        if self.kind == "header" and (not _HEADER_NAME.fullmatch(self.name) or self.name.lower() in _FORBIDDEN_HEADERS):
            raise _wrong("name is none that a header for a secret can have")
        return self

    @property
    def header(self) -> str:
        """The header that it writes; empty if it writes none."""
        return {"bearer": "Authorization", "basic": "Authorization", "header": self.name}.get(self.kind, "")


class HttpToolDefinition(_Part):
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "GET"
    url: Annotated[str, Field(max_length=2_000), AfterValidator(_check_url)]
    """``https://host/path/{argument}``"""
    parameters: Annotated[dict[str, JsonValue], AfterValidator(_check_parameters)] = {"type": "object"}
    """JSON Schema of the arguments, an object."""
    query: dict[str, str] = {}
    """Templates; one whose argument is not given is left out."""
    headers: Annotated[dict[str, str], AfterValidator(_check_headers)] = {}
    """Fixed text."""
    body: JsonValue = None
    """A template: ``"{argument}"`` alone becomes the argument as it is, inside other text its text. A field or an item
    whose argument is not given is left out."""
    auth: Auth = Auth()
    result: Annotated[str | dict[str, str] | None, PlainValidator(_check_result)] = None
    """What is kept of the answer: a JMESPath expression, or fields with one each; None: all of it."""
    result_schema: Annotated[dict[str, JsonValue], AfterValidator(_check_schema)] | None = None
    """What that must be like."""
    sends_idempotency_key: bool = False
    timeout_seconds: Annotated[float, Field(gt=0, le=120)] = 15.0

    @classmethod
    def parse(cls, data: Mapping[str, JsonValue]) -> Self:
        """Raises BadInput with a line for each thing that is wrong, which says where it is and quotes no value."""
        try:
            _check_storable(data)
            return cls.model_validate(dict(data))
        except ValidationError as error:
            problems = error.errors(include_url=False, include_input=False)
        # Raised out here, so that no traceback leads to the values that were refused.
        raise BadInput("\n".join(f"{'.'.join(map(str, problem['loc']))}: {_said(problem)}" for problem in problems))

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        properties, required = self.parameters.get("properties", {}), self.parameters.get("required", [])
        known = set(properties) if isinstance(properties, dict) else set()
        needed = set(required) if isinstance(required, list) else set()
        for place, used in (
            ("url", names_in(self.url)),
            *((f"query.{name}", names_in(template)) for name, template in self.query.items()),
            ("body", {name for text in texts_in(self.body) for name in names_in(text)}),
        ):
            if used - known:
                raise _wrong(f"{place}: {{{min(used - known)}}} is none of the parameters' properties")
        if names_in(self.url) - needed:
            raise _wrong("url: what stands in the path must be among the parameters' required")
        if self.body is not None and self.method == "GET":
            raise _wrong("body: a GET request has none")
        written = {name.lower(): value for name, value in self.headers.items()}
        if self.auth.header.lower() in written:
            raise _wrong(f"headers: {self.auth.header} is written by auth")
        if self.auth.kind == "query" and self.auth.name in self.query:
            raise _wrong(f"query: {self.auth.name} is written by auth")
        if "json" not in written.get("content-type", "json"):
            raise _wrong("headers: the body is JSON, so Content-Type must be a kind of JSON")
        return self


def _check_storable(data: JsonValue | Mapping[str, JsonValue], depth: int = 0) -> None:
    if depth > DEEPEST:
        raise BadInput(f"The tool is nested more than {DEEPEST} levels deep.")
    if isinstance(data, str) and UNSTORABLE.search(data):
        raise BadInput("The tool holds a NUL or half a character, which cannot be stored.")
    if isinstance(data, Mapping | list):
        for item in (*data, *data.values()) if isinstance(data, Mapping) else data:
            _check_storable(item, depth + 1)


def _said(problem: Any) -> str:
    match problem["type"]:
        case "extra_forbidden":
            return "is no field of an HTTP tool"
        case "missing":
            return "is missing"
    return str(problem["msg"])
