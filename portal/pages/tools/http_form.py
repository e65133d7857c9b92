"""The form of an HTTP tool: parameters as rows where rows can say them, and as the JSON Schema that they are else."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from starlette.datastructures import FormData

from konstruct.tables import Tool
from portal.pages.employees.form import moved, strings, text

TYPES: Final = (
    *(("string", "Text"), ("integer", "Whole number"), ("number", "Number"), ("boolean", "Yes or no")),
    ("choice", "One of some"),
)
METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")
AUTHS: Final = (
    *(("none", "No secret"), ("bearer", "As a bearer token"), ("basic", "As user:password")),
    *(("header", "In a header"), ("query", "In the query")),
)
MOST_ROWS: Final = 50
_FIELD: Final = re.compile(r"([\w-]+)\s*=(?!=)\s*(.*)", re.DOTALL)
_NUMBER: Final = re.compile(r"[0-9]{1,4}(?:\.[0-9]{1,3})?")


@dataclass(frozen=True)
class Row:
    """One argument. ``choices``: separated by commas, of one of some."""

    name: str = ""
    type: str = "string"
    description: str = ""
    is_required: bool = True
    choices: str = ""

    @property
    def options(self) -> list[tuple[str, str]]:
        return [(each, each) for each in _choices(self)]


@dataclass(frozen=True)
class Typed:
    key: str = ""
    description: str = ""
    method: str = "GET"
    url: str = ""
    risk: str = "reads"
    rows: tuple[Row, ...] = ()
    schema: str = ""
    """The parameters as JSON, where rows cannot say them or somebody would rather write it; else empty."""
    is_closed: bool = True
    """Whether arguments of other names are refused."""
    query: str = ""
    headers: str = ""
    body: str = ""
    auth: str = "none"
    auth_name: str = ""
    result: str = ""
    result_schema: str = ""
    sends_idempotency_key: bool = False
    timeout_seconds: str = "15"
    problems: Mapping[str, str] = field(default_factory=dict)
    """What could not even be read, by fields."""

    def wanted(self) -> dict[str, Any]:
        """As in a manifest; only of what could be read."""
        auth = {"kind": self.auth} | ({"name": self.auth_name} if self.auth in ("header", "query") else {})
        lines = {name: _pairs(getattr(self, name), sign) for name, sign in (("query", "="), ("headers", ":"))}
        given = {
            "description": self.description,
            "method": self.method,
            "url": self.url,
            "risk": self.risk,
            "parameters": json.loads(self.schema) if self.schema else schema_of(self.rows, is_closed=self.is_closed),
            "query": lines["query"] or None,
            "headers": lines["headers"] or None,
            "body": json.loads(self.body) if self.body else None,
            "auth": auth if self.auth != "none" else None,
            "result": _result(self.result),
            "result_schema": json.loads(self.result_schema) if self.result_schema else None,
            "sends_idempotency_key": self.sends_idempotency_key,
            "timeout_seconds": float(self.timeout_seconds),
        }
        return {name: value for name, value in given.items() if value is not None}


def read(form: FormData) -> Typed:
    """Unchecked, but for what is to be JSON, lines of pairs and numbers."""
    names, kinds = strings(form, "row.name"), strings(form, "row.type")
    descriptions, choices = strings(form, "row.description"), strings(form, "row.choices")
    required = set(strings(form, "row.required"))
    rows = tuple(
        Row(name, kind, description, str(place) in required, chosen)
        for place, (name, kind, description, chosen) in enumerate(
            zip(names, kinds, descriptions, choices, strict=False)
        )
    )[:MOST_ROWS]
    typed = Typed(
        key=text(form, "key"),
        description=text(form, "description"),
        method=text(form, "method") or "GET",
        url=text(form, "url"),
        risk=text(form, "risk"),
        rows=rows,
        schema=text(form, "schema"),
        is_closed=text(form, "is_closed") != "",
        query=text(form, "query"),
        headers=text(form, "headers"),
        body=text(form, "body"),
        auth=text(form, "auth") or "none",
        auth_name=text(form, "auth.name"),
        result=text(form, "result"),
        result_schema=text(form, "result_schema"),
        sends_idempotency_key=text(form, "sends_idempotency_key") != "",
        timeout_seconds=text(form, "timeout_seconds") or "15",
    )
    return replace(typed, problems=_problems(typed))


def of(tool: Tool) -> Typed:
    request = tool.definition["request"]
    parameters = request.get("parameters", {"type": "object"})
    rows = rows_of(parameters)
    auth = request.get("auth", {})
    result = request.get("result")
    return Typed(
        tool.key,
        tool.definition["description"],
        request.get("method", "GET"),
        request["url"],
        tool.definition["risk"],
        rows or (),
        "" if rows is not None else _json(parameters),
        parameters.get("additionalProperties") is False or not parameters.get("properties"),
        "\n".join(f"{name} = {value}" for name, value in request.get("query", {}).items()),
        "\n".join(f"{name}: {value}" for name, value in request.get("headers", {}).items()),
        _json(request["body"]) if request.get("body") is not None else "",
        auth.get("kind", "none"),
        auth.get("name", ""),
        "\n".join(f"{name} = {each}" for name, each in result.items()) if isinstance(result, dict) else result or "",
        _json(request["result_schema"]) if request.get("result_schema") else "",
        request.get("sends_idempotency_key", False),
        f"{request.get('timeout_seconds', 15):g}",
    )


def edited(typed: Typed, edit: str) -> Typed:
    """What a button does before anything is saved: rows come, go and move, or are written as the schema they are."""
    what, _, rest = edit.partition(".")
    if what == "rows":
        return replace(typed, rows=tuple(moved(typed.rows, rest, Row())))
    if edit == "schema.write":
        return replace(typed, schema=_json(schema_of(typed.rows, is_closed=typed.is_closed)))
    if edit == "schema.rows" and "schema" not in typed.problems:
        rows = rows_of(json.loads(typed.schema)) if typed.schema else typed.rows
        if rows is None:
            told = "Rows cannot say all of this, so it stays as it is written."
            return replace(typed, problems={**typed.problems, "parameters": told})
        return replace(typed, rows=rows, schema="")
    return typed


def schema_of(rows: tuple[Row, ...], *, is_closed: bool) -> dict[str, Any]:
    named = [row for row in rows if row.name]
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {row.name: _property(row) for row in named},
        "required": [row.name for row in named if row.is_required],
    }
    return schema | ({"additionalProperties": False} if is_closed else {})


def rows_of(schema: Mapping[str, Any]) -> tuple[Row, ...] | None:
    """None where rows cannot say all that the schema says."""
    if not isinstance(schema, dict) or set(schema) - {"type", "properties", "required", "additionalProperties"}:
        return None
    if schema.get("additionalProperties", False) is not False or schema.get("type", "object") != "object":
        return None
    properties, required = schema.get("properties", {}), schema.get("required", [])
    if not isinstance(properties, dict) or not isinstance(required, list) or set(required) - set(properties):
        return None
    rows = []
    for name, each in properties.items():
        if not isinstance(each, dict) or set(each) - {"type", "description", "enum"}:
            return None
        if each.get("type") not in dict(TYPES) or not isinstance(each.get("description", ""), str):
            return None
        choices = each.get("enum", [])
        if "enum" in each and (each["type"] != "string" or not _are_choices(choices)):
            return None
        kind = "choice" if choices else each["type"]
        rows.append(Row(name, kind, each.get("description", ""), name in required, ", ".join(choices)))
    return tuple(sorted(rows, key=lambda row: not row.is_required))


def _are_choices(choices: object) -> bool:
    return (
        isinstance(choices, list)
        and bool(choices)
        and all(isinstance(each, str) and each == each.strip() and each and "," not in each for each in choices)
    )


def _property(row: Row) -> dict[str, Any]:
    described = {"description": row.description} if row.description else {}
    if row.type == "choice":
        return {"type": "string", "enum": _choices(row), **described}
    return {"type": row.type, **described}


def _choices(row: Row) -> list[str]:
    return list(dict.fromkeys(each.strip() for each in row.choices.split(",") if each.strip()))


def _problems(typed: Typed) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, place in (("schema", "parameters"), ("body", "body"), ("result_schema", "result_schema")):
        said = getattr(typed, name)
        try:
            if said and (name != "body" and not isinstance(json.loads(said), dict)):
                found[place] = "Write one JSON object: it begins with { and ends with }."
            elif said:
                json.loads(said)
        except (ValueError, RecursionError) as error:
            line = getattr(error, "lineno", None)
            found[place] = f"This is no JSON{f', from line {line} on' if line else ''}."
    if "parameters" in found:
        found["schema"] = found["parameters"]
    for name, sign in (("query", "="), ("headers", ":")):
        wrong = [line for line in getattr(typed, name).split("\n") if line.strip() and sign not in line]
        if wrong:
            found[name] = f"Write one a line, with “{sign}” between name and value."
    if not _NUMBER.fullmatch(typed.timeout_seconds):
        found["timeout_seconds"] = "Write a number of seconds, such as 15."
    if not typed.schema and (wrong_row := _wrong_row(typed.rows)) is not None:
        found["parameters"] = wrong_row
    return found


def _wrong_row(rows: tuple[Row, ...]) -> str | None:
    names = [row.name for row in rows if row.name]
    for row in rows:
        if row.name and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", row.name):
            return "Name arguments with letters, digits and _, and begin with a letter."
        if not row.name and (row.description or row.choices):
            return "Name each argument, or remove it."
        if row.name and row.type == "choice" and not _choices(row):
            return f"Write what {row.name} can be, with commas between."
        if row.type not in dict(TYPES):
            return "Choose what kind each argument is of."
    if len(set(names)) < len(names):
        return "Name each argument once."
    return None


def _pairs(said: str, sign: str) -> dict[str, str]:
    parted = [line.partition(sign) for line in said.split("\n") if line.strip()]
    return {name.strip(): value.strip() for name, _, value in parted}


def _result(said: str) -> str | dict[str, str] | None:
    """Lines of ``name = expression``, or one expression."""
    lines = [line.strip() for line in said.split("\n") if line.strip()]
    parted = [_FIELD.fullmatch(line) for line in lines]
    if lines and all(parted):
        return {found[1]: found[2] for found in parted if found}
    return said.strip() or None


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)
