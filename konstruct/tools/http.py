"""A tool that is one HTTP request: from arguments to the request, and from the answer to what the model is told.

Nothing here is sent. No argument can change whom the request goes to, or how many parts its path has.
"""

import base64
import json
import math
import re
from collections.abc import Callable, Mapping
from email.message import Message
from html import unescape
from typing import Any, Final
from urllib.parse import quote, unquote, urlencode

from jmespath.exceptions import JMESPathError
from pydantic import JsonValue, SecretStr

from konstruct.errors import Misconfigured, ToolFailed
from konstruct.log import redact
from konstruct.source_ports import WebAnswer, WebRequest
from konstruct.tools import masking, picking, schemas
from konstruct.tools.http_definition import PLACEHOLDER, UNSTORABLE, Auth, HttpToolDefinition, names_in

__all__ = ["Auth", "HttpToolDefinition", "request", "result"]

LONGEST_TEXT: Final = 20_000
"""Characters of an answer that is text."""
LONGEST_EXCERPT: Final = 300
DEEPEST: Final = 32
MOST_NAMES: Final = 12

_MISSING: Final = object()
_CONTROLS: Final = re.compile("[\x00-\x1f\x7f]")
_MARKUP: Final = re.compile(r"<(script|style)\b.*?</\1\s*>|<[^>]*>", re.IGNORECASE | re.DOTALL)

Arguments = Mapping[str, JsonValue]


def request(
    definition: HttpToolDefinition, arguments: Arguments, secret: SecretStr | None, idempotency_key: str
) -> WebRequest:
    """``arguments`` keep to ``definition.parameters``; that is for the caller to have checked.

    Raises:
        ToolFailed: an argument has no place in this request.
        Misconfigured: the tool's secret is missing, or cannot be sent.
    """
    headers = dict(definition.headers)
    if "accept" not in map(str.lower, definition.headers):
        headers["Accept"] = "application/json, text/*;q=0.5"
    query = [
        (name, _interpolated(template, arguments))
        for name, template in definition.query.items()
        if all(arguments.get(argument) is not None for argument in names_in(template))
    ]
    content = None
    if definition.body is not None and (body := _filled(definition.body, arguments)) is not _MISSING:
        content = _encoded(body)
        if "content-type" not in map(str.lower, definition.headers):
            headers["Content-Type"] = "application/json"
    if definition.sends_idempotency_key:
        headers["Idempotency-Key"] = idempotency_key
    if definition.auth.kind != "none":
        value = _secret_text(definition.auth, secret)
        if definition.auth.kind == "query":
            query.append((definition.auth.name, value))
        else:
            headers[definition.auth.header] = value
    url = _url(definition.url, arguments)
    return WebRequest(definition.method, f"{url}?{_query(query)}" if query else url, headers, content)


def result(
    definition: HttpToolDefinition, answer: WebAnswer, secrets: Mapping[str, SecretStr] | None = None
) -> JsonValue:
    """What the model gets to see of an answer. ``secrets`` stand in no complaint that is raised of it.

    Raises:
        ToolFailed: the service refused, or its answer is not what the definition expects.
    """
    if not 200 <= answer.status < 300:
        said = _excerpt(answer, secrets or {})
        raise ToolFailed(f"The service answered {answer.status}{f': {said}' if said else ' and nothing more.'}")
    value = _read(definition, answer, secrets or {})
    if definition.result is not None:
        value = _picked(definition, value)
    value = _clean(value)
    if definition.result_schema is not None and (wrong := schemas.complaint(definition.result_schema, value)):
        raise ToolFailed(f"The service's answer is not as it should be, {wrong}")
    return value


def _url(template: str, arguments: Arguments) -> str:
    scheme, _, rest = template.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host}{slash}" + "/".join(_segment(segment, arguments) for segment in path.split("/"))


def _segment(template: str, arguments: Arguments) -> str:
    names = names_in(template)
    if not names:
        return template
    decoded = filled = _interpolated(template, arguments, lambda text: _percent_encoded(text, names))
    for _ in range(3):  # Servers behind servers decode more than once, and some resolve dots after that.
        decoded = unquote(decoded)
        parts = (part.partition(";")[0].strip() for part in re.split(r"[/\\]", decoded))
        if _CONTROLS.search(decoded) or any(part in ("", ".", "..") for part in parts):
            raise ToolFailed(f"{_arguments(names)} makes no part of an address: it is empty, or leads elsewhere.")
    return filled


def _interpolated(template: str, arguments: Arguments, encode: Callable[[str], str] = str) -> str:
    def text(found: re.Match[str]) -> str:
        return encode(_text(found[2], arguments.get(found[2]))) if found[2] else f"{{{found[1]}}}"

    return PLACEHOLDER.sub(text, template)


def _text(name: str, value: JsonValue) -> str:
    match value:
        case str():
            return value
        case bool() | int() | float():
            return json.dumps(value)
    raise ToolFailed(f"{_arguments({name})} must be a text or a number here.")


def _percent_encoded(text: str, names: set[str]) -> str:
    try:
        return quote(text, safe="")
    except UnicodeEncodeError:
        raise ToolFailed(f"{_arguments(names)} holds half a character.") from None


def _query(items: list[tuple[str, str]]) -> str:
    try:
        return urlencode(items, quote_via=quote, safe="")
    except UnicodeEncodeError:
        raise ToolFailed("An argument holds half a character.") from None


def _filled(template: JsonValue, arguments: Arguments) -> Any:
    """A body, or a part of one; ``_MISSING`` where an argument was not given."""
    match template:
        case str():
            whole = PLACEHOLDER.fullmatch(template)
            if whole is not None and whole[2]:
                return arguments.get(whole[2], _MISSING)
            if any(arguments.get(name) is None for name in names_in(template)):
                return _MISSING
            return _interpolated(template, arguments)
        case list():
            items = (_filled(item, arguments) for item in template)
            return [item for item in items if item is not _MISSING]
        case dict():
            fields = ((name, _filled(item, arguments)) for name, item in template.items())
            return {name: item for name, item in fields if item is not _MISSING}
    return template


def _encoded(body: JsonValue) -> bytes:
    try:
        return json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError):
        raise ToolFailed(
            "An argument holds what JSON cannot carry: half a character, or a number without end."
        ) from None


def _secret_text(auth: Auth, secret: SecretStr | None) -> str:
    text = "" if secret is None else secret.get_secret_value()
    if not text:
        raise Misconfigured("This tool needs a secret and has none; set it.")
    if auth.kind == "query":
        return text
    if auth.kind == "basic":
        if ":" not in text:
            raise Misconfigured("This tool's secret must be user:password, for that is how it signs in.")
        return f"Basic {base64.b64encode(text.encode()).decode()}"
    if not re.fullmatch("[!-~]([ -~]*[!-~])?", text):
        raise Misconfigured("This tool's secret holds characters that a header cannot carry; is it pasted whole?")
    return f"Bearer {text}" if auth.kind == "bearer" else text


def _read(definition: HttpToolDefinition, answer: WebAnswer, secrets: Mapping[str, SecretStr]) -> JsonValue:
    media_type = _media_type(answer).get_content_type()
    expects_json = definition.result is not None or definition.result_schema is not None
    if not expects_json and not answer.content.strip():
        return None
    if expects_json or media_type.endswith("json"):
        try:
            value: JsonValue = json.loads(answer.content, parse_constant=_refuse, parse_float=_finite)
        except (ValueError, RecursionError):
            raise ToolFailed(
                f"The service's answer is no JSON: {_excerpt(answer, secrets) or 'it is empty.'}"
            ) from None
        return value
    if not media_type.startswith("text/") and "xml" not in media_type:
        raise ToolFailed(f"The service answered with {media_type[:80]}, which is no text.")
    return masking.masked(_decoded(answer), secrets)[:LONGEST_TEXT]


def _picked(definition: HttpToolDefinition, value: JsonValue) -> JsonValue:
    wanted = definition.result
    try:
        if isinstance(wanted, str):
            found = picking.search(wanted, value)
            is_there = found is not None
        else:
            found = {name: picking.search(expression, value) for name, expression in (wanted or {}).items()}
            is_there = any(item is not None for item in found.values())
    except (JMESPathError, ArithmeticError, TypeError, ValueError, RecursionError):
        raise ToolFailed(f"The service's answer cannot be read as this tool expects: it {_shape(value)}.") from None
    # With a schema it is for that to say whether there may be nothing.
    if not is_there and definition.result_schema is None:
        raise ToolFailed(f"The service's answer has nothing where this tool looks: it {_shape(value)}.")
    return found  # type: ignore[no-any-return]  # Whatever JMESPath finds; `_clean` looks at each part.


def _clean(value: object, depth: int = 0) -> JsonValue:
    """Only what JSON knows and a database can keep."""
    if depth > DEEPEST:
        raise ToolFailed(f"The service's answer is nested more than {DEEPEST} levels deep.")
    match value:
        case str():
            return UNSTORABLE.sub("\ufffd", value)
        case None | bool() | int():
            return value
        case float() if math.isfinite(value):
            return value
        case list():
            return [_clean(item, depth + 1) for item in value]
        case dict():
            return {UNSTORABLE.sub("\ufffd", str(name)): _clean(item, depth + 1) for name, item in value.items()}
    raise ToolFailed("What this tool makes of the service's answer is no JSON.")


def _excerpt(answer: WebAnswer, secrets: Mapping[str, SecretStr]) -> str:
    """The beginning of what a service said, as one line without markup."""
    # Before anything is cut, or half of a secret would be left that nobody knows for one.
    said = masking.masked(_decoded(answer), secrets)[: LONGEST_EXCERPT * 10]
    text = " ".join(unescape(_MARKUP.sub(" ", said)).split())
    text = redact("".join(character for character in text if character.isprintable() and character != "\ufffd"))
    return text if len(text) <= LONGEST_EXCERPT else text[:LONGEST_EXCERPT] + "…"


def _decoded(answer: WebAnswer) -> str:
    content = answer.content[: LONGEST_TEXT * 4]
    charset = _media_type(answer).get_content_charset("utf-8")
    try:
        text = content.decode("utf-8-sig" if charset == "utf-8" else charset, "replace")
    except (LookupError, UnicodeError):
        text = content.decode("utf-8", "replace")
    return text.replace("\x00", "\ufffd")


def _media_type(answer: WebAnswer) -> Message:
    message = Message()
    message["Content-Type"] = answer.headers.get("content-type", "text/plain")
    return message


def _shape(value: JsonValue) -> str:
    match value:
        case dict():
            names = [name[:40] for name in sorted(value)[:MOST_NAMES]]
            return f"holds {', '.join(names) or 'nothing'}{', …' if len(value) > MOST_NAMES else ''}"
        case list():
            return f"is a list of {len(value)}"
    return f"is {'nothing' if value is None else 'a single value'}"


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _finite(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise ValueError(text)
    return number


def _arguments(names: set[str]) -> str:
    return f"The argument {' or '.join(sorted(names))}"
