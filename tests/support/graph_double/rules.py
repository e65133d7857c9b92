"""What Graph accepts as a message, with its limits and error codes. Knows no number and no HTTP."""

import re
from collections.abc import Callable
from typing import Any

from tests.support.graph_double.world import Json

TEXT_LIMIT = 4_096
CAPTION_LIMIT = 1_024
BUTTONS_BODY_LIMIT = 1_024
LIST_BODY_LIMIT = 4_096
LINE_LIMIT = 60
OPAQUE_LIMIT = 512

BSUID = re.compile(r"[A-Z]{2}\.(ENT\.)?[0-9A-Za-z]{1,128}")
_NUMBER = re.compile(r"\+?[0-9]{7,15}")
_TEMPLATE_NAME = re.compile(r"[a-z0-9_]{1,512}")
_ENVELOPE = frozenset(
    {"messaging_product", "recipient_type", "to", "recipient", "type", "context", "biz_opaque_callback_data"}
)
_MESSAGES: dict[int, str] = {
    1: "An unknown error occurred",
    2: "Service temporarily unavailable",
    4: "Application request limit reached",
    10: "Application does not have permission for this action",
    100: "Invalid parameter",
    190: "Error validating access token",
    200: "Permissions error",
    368: "Temporarily blocked for policies violations",
    80007: "Rate limit issues",
    130429: "Rate limit hit",
    131000: "Something went wrong",
    131008: "Required parameter is missing",
    131009: "Parameter value is not valid",
    131016: "Service unavailable",
    131026: "Message undeliverable",
    131031: "Account has been locked",
    131047: "Re-engagement message",
    131048: "Spam rate limit hit",
    131051: "Unsupported message type",
    131053: "Media upload error",
    131056: "(Business Account, Consumer Account) pair rate limit hit",
    131057: "Account in maintenance mode",
    132000: "Number of parameters does not match the expected number of params",
    132001: "Template name does not exist in the translation",
    132015: "Template is paused",
    132016: "Template is disabled",
    133010: "Phone number not registered",
}
_STATUSES = {1: 500, 2: 503, 10: 403, 190: 401, 200: 403, 368: 403, 131000: 500, 131016: 503, 131031: 403, 130429: 429}


class GraphError(Exception):
    """An answer that says what is wrong."""

    def __init__(
        self,
        code: int,
        details: str = "",
        *,
        subcode: int | None = None,
        message: str | None = None,
        kind: str = "OAuthException",
    ) -> None:
        super().__init__(f"{code} {details}")
        self.code = code
        self.status = _STATUSES.get(code, 400)
        said = message or f"(#{code}) {_MESSAGES.get(code, 'Unknown error')}"
        error: Json = {"message": said, "type": kind, "code": code}
        if details:
            error["error_data"] = {"messaging_product": "whatsapp", "details": details}
        if subcode is not None:
            error["error_subcode"] = subcode
        self.body: Json = {"error": error | {"fbtrace_id": "A1b2C3d4E5f6"}}

    def in_status(self) -> Json:
        """As the word that a message failed has it."""
        title = _MESSAGES.get(self.code, "Unknown error")
        details = self.body["error"].get("error_data", {}).get("details", title)
        return {"code": self.code, "title": title, "message": title, "error_data": {"details": details}}


def missing(name: str) -> GraphError:
    return GraphError(131008, f"Parameter '{name}' is mandatory")


def invalid(name: str, why: str) -> GraphError:
    return GraphError(131009, f"Parameter '{name}' is not valid: {why}")


def check_envelope(body: Json) -> None:
    if body.get("messaging_product") != "whatsapp":
        raise GraphError(100, "The parameter messaging_product is required.")
    kind = body["type"]
    if kind not in CHECKS:
        raise GraphError(100, f"Param type must be one of {{{', '.join(CHECKS).upper()}}} - got {kind!r}.")
    if unknown := sorted(set(body) - _ENVELOPE - {kind}):
        raise GraphError(100, f"Unexpected key {unknown[0]!r} on param 'message'.")
    if body.get("recipient_type", "individual") != "individual":
        raise GraphError(100, "Param recipient_type must be one of {INDIVIDUAL}.")
    if "to" not in body and "recipient" not in body:
        raise GraphError(100, "The parameter to is required.")
    if "to" in body and not _NUMBER.fullmatch(_text(body, "to", 20)):
        raise invalid("to", "no phone number")
    if "to" not in body and not BSUID.fullmatch(_text(body, "recipient", 140)):
        raise invalid("recipient", "no user id")
    if "context" in body:
        _text(_object(body, "context"), "message_id", 300)
    if "biz_opaque_callback_data" in body:
        _text(body, "biz_opaque_callback_data", OPAQUE_LIMIT)


def check(body: Json) -> None:
    check_envelope(body)
    kind = body["type"]
    CHECKS[kind](_object(body, kind))


def _check_text(text: Json) -> None:
    _only(text, "body", "preview_url")
    _text(text, "body", TEXT_LIMIT)
    if not isinstance(text.get("preview_url", False), bool):
        raise invalid("preview_url", "must be a boolean")


def _media(*allowed: str) -> Callable[[Json], None]:
    def check_media(media: Json) -> None:
        _only(media, "id", "link", *allowed)
        if ("id" in media) == ("link" in media):
            raise GraphError(100, "Exactly one of id and link is required.")
        _text(media, "id" if "id" in media else "link", 2_000)
        if "caption" in media:
            _text(media, "caption", CAPTION_LIMIT)
        if "filename" in media:
            _text(media, "filename", 240)

    return check_media


def _check_interactive(interactive: Json) -> None:
    _only(interactive, "type", "header", "body", "footer", "action")
    kind = interactive.get("type")
    if kind not in {"button", "list"}:
        raise invalid("interactive['type']", "must be one of button, list")
    _text(_object(interactive, "body"), "text", BUTTONS_BODY_LIMIT if kind == "button" else LIST_BODY_LIMIT)
    if "footer" in interactive:
        _text(_object(interactive, "footer"), "text", LINE_LIMIT)
    if (header := interactive.get("header")) is not None and header.get("type") == "text":
        _text(header, "text", LINE_LIMIT)
    action = _object(interactive, "action")
    _check_buttons(action) if kind == "button" else _check_list(action)


def _check_buttons(action: Json) -> None:
    _only(action, "buttons")
    buttons = _list(action, "buttons", 3)
    replies = [_object(button, "reply") for button in buttons if button.get("type") == "reply"]
    if len(replies) < len(buttons):
        raise invalid("buttons", "type must be reply")
    for reply in replies:
        _only(reply, "id", "title")
    _distinct([_text(reply, "id", 256) for reply in replies], "id")
    _distinct([_text(reply, "title", 20) for reply in replies], "title")


def _check_list(action: Json) -> None:
    _only(action, "button", "sections")
    _text(action, "button", 20)
    sections = _list(action, "sections", 10)
    if len(sections) > 1:
        for section in sections:
            _text(section, "title", 24)
    rows = [row for section in sections for row in _list(section, "rows", 10)]
    if len(rows) > 10:
        raise invalid("rows", "at most 10 in all")
    for row in rows:
        _only(row, "id", "title", "description")
        _text(row, "title", 24)
        if "description" in row:
            _text(row, "description", 72)
    _distinct([_text(row, "id", 200) for row in rows], "id")


def _check_template(template: Json) -> None:
    _only(template, "name", "language", "components")
    if not _TEMPLATE_NAME.fullmatch(_text(template, "name", 512)):
        raise invalid("name", "lower case letters, digits and underscores")
    _text(_object(template, "language"), "code", 10)
    for component in template.get("components", []):
        if component.get("type") not in {"header", "body", "button"}:
            raise invalid("components", "type must be one of header, body, button")
        for parameter in component.get("parameters", []):
            is_text = component["type"] == "body" and parameter.get("type") == "text"
            if is_text and re.search(r"[\n\t]| {5}", _text(parameter, "text", 32_768)):
                raise invalid("text", "no line ends, tabs or more than four blanks in a row")


def values_of(template: Json) -> int:
    bodies = [component for component in template.get("components", []) if component["type"] == "body"]
    return sum(len(component.get("parameters", [])) for component in bodies)


def _anything(content: Json) -> None:
    """Kinds that we do not send are taken as they are."""


CHECKS: dict[str, Callable[[Json], None]] = {
    "text": _check_text,
    "image": _media("caption"),
    "video": _media("caption"),
    "audio": _media("voice"),
    "sticker": _media(),
    "document": _media("caption", "filename"),
    "interactive": _check_interactive,
    "template": _check_template,
    "location": _anything,
    "contacts": _anything,
    "reaction": _anything,
}


def _object(within: Json, name: str) -> Json:
    if name not in within:
        raise missing(name)
    found = within[name]
    if isinstance(found, list) and name == "contacts":
        return {}
    if not isinstance(found, dict):
        raise invalid(name, "must be an object")
    return found


def _list(within: Json, name: str, most: int) -> list[Json]:
    found: Any = within.get(name)
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise missing(name)
    if not 1 <= len(found) <= most:
        raise invalid(name, f"between 1 and {most}")
    return found


def _text(within: Json, name: str, most: int) -> str:
    found = within.get(name)
    if not isinstance(found, str) or not found.strip():
        raise missing(name)
    if len(found.encode("utf-16-le")) // 2 > most:
        raise invalid(name, f"at most {most} characters")
    return found


def _only(content: Json, *allowed: str) -> None:
    if unknown := sorted(set(content) - set(allowed)):
        raise GraphError(100, f"Unexpected key {unknown[0]!r}.")


def _distinct(values: list[str], name: str) -> None:
    if len(set(values)) < len(values):
        raise invalid(name, "must be unique")
