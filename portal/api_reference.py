"""The REST API as its page shows it: made of `openapi.json`, which the gateway writes; see `gateway.api.described`."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Final

Json = Mapping[str, Any]

_TITLES: Final = {
    "approvals": "Approvals",
    "consults": "Questions to colleagues",
    "handoffs": "Handoffs",
    "knowledge": "Knowledge",
    "tools": "Tools",
}
_EXAMPLES: Final = {"uuid": "0192f0c1-7a5e-7c3b-9d41-5f8e2b6a1c90", "date-time": "2026-03-01T09:30:00Z"}
_DEEPEST: Final = 4


@dataclass(frozen=True)
class Field:
    name: str
    type: str
    is_required: bool
    says: str


@dataclass(frozen=True)
class Operation:
    anchor: str
    method: str
    path: str
    title: str
    says: str
    scope: str
    parameters: Sequence[Field]
    body: Sequence[Field]
    status: str
    answer: Sequence[Field]
    example: str
    """Of the answer, as JSON; empty where there is none."""
    curl: str


@dataclass(frozen=True)
class Section:
    anchor: str
    title: str
    operations: Sequence[Operation]


@dataclass(frozen=True)
class Reference:
    sections: Sequence[Section]
    problems: Sequence[tuple[str, str]]
    """Status, and what it means."""


@cache
def read(base_url: str) -> Reference:
    """``base_url``: where the gateway is reached, for the examples."""
    document = json.loads(resources.files("portal").joinpath("openapi.json").read_text(encoding="utf-8"))
    book = _Book(document, f"{base_url.rstrip('/')}/api/v1")
    by_tag: dict[str, list[Operation]] = {}
    for path, methods in document["paths"].items():
        for method, described in methods.items():
            by_tag.setdefault(described["tags"][0], []).append(book.operation(method, path, described))
    any_operation = next(iter(next(iter(document["paths"].values())).values()))
    problems = [(code, said["description"]) for code, said in any_operation["responses"].items() if code >= "400"]
    return Reference(
        [Section(tag, _TITLES.get(tag, tag.capitalize()), found) for tag, found in by_tag.items()], problems
    )


class _Book:
    def __init__(self, document: Json, base: str) -> None:
        self._schemas: Json = document["components"]["schemas"]
        self._base = base

    def operation(self, method: str, path: str, described: Json) -> Operation:
        status, answer = next(each for each in described["responses"].items() if each[0] < "300")
        shown = _of_content(answer)
        body = _of_content(described.get("requestBody", {}))
        parameters = described.get("parameters", [])
        return Operation(
            anchor=described["operationId"],
            method=method.upper(),
            path=path,
            title=described["summary"].capitalize(),
            says=described.get("description", ""),
            scope=" or ".join(described["security"][0]["HTTPBearer"]),
            parameters=[
                Field(
                    each["name"],
                    f"{self._type(each['schema'])} in the {_PLACES[each['in']]}",
                    each.get("required", False),
                    each.get("description") or each["schema"].get("description", ""),
                )
                for each in parameters
            ],
            body=list(self._fields(body)),
            status=status,
            answer=list(self._fields(shown)),
            example=json.dumps(self._example(shown), indent=2, ensure_ascii=False) if shown else "",
            curl=self._curl(
                method.upper(), path, parameters, body, described.get("requestBody", {}).get("content", {})
            ),
        )

    def _curl(self, method: str, path: str, parameters: Sequence[Json], body: Json | None, kinds: Json) -> str:
        query = [f"{each['name']}={self._example(each['schema'])}" for each in parameters if _is_needed(each, "query")]
        url = self._base + path + (f"?{'&'.join(query)}" if query else "")
        lines = [f'curl "{url}"' if method == "GET" else f'curl -X {method} "{url}"']
        lines.append('-H "Authorization: Bearer $KONSTRUCT_API_KEY"')
        for each in parameters:
            if each["in"] == "header":
                lines.append(f'-H "{each["name"]}: {_EXAMPLES["uuid"]}"')
        if "*/*" in kinds:
            lines.append("--data-binary @handbook.pdf")
        elif _FORM in kinds:
            lines += ["-F agent=grace", '-F "text=Here it is."', "-F files=@offer.pdf"]
        elif body:
            written = json.dumps(self._example(body, only_required=True), ensure_ascii=False)
            lines += ['-H "Content-Type: application/json"', f"-d '{written}'"]
        return " \\\n  ".join(lines)

    def _resolved(self, schema: Json) -> Json:
        """Itself, not a reference to it, and without the alternative that it is null."""
        if "$ref" in schema:
            return self._resolved(self._schemas[schema["$ref"].rpartition("/")[2]])
        if "anyOf" in schema:
            return self._resolved(next(each for each in schema["anyOf"] if each.get("type") != "null"))
        return schema

    def _type(self, schema: Json) -> str:
        optional = any(each.get("type") == "null" for each in schema.get("anyOf", ()))
        return self._plain_type(self._resolved(schema)) + (" or null" if optional else "")

    def _plain_type(self, schema: Json) -> str:
        if "enum" in schema or "const" in schema:
            return " · ".join(str(each) for each in schema.get("enum", [schema.get("const")]))
        if schema.get("type") == "array":
            return f"list of {self._type(schema['items'])}"
        names = {"uuid": "id", "date-time": "time", "binary": "file"}
        return names.get(schema.get("format", ""), str(schema.get("type", "anything")))

    def _fields(self, schema: Json | None, prefix: str = "", depth: int = 0) -> Iterator[Field]:
        """Those of what is inside, too, each by its whole path."""
        found = self._resolved(schema) if schema else {}
        if found.get("type") == "array":
            yield from self._fields(found["items"], f"{prefix}[].", depth)
            return
        for name, each in found.get("properties", {}).items():
            says = each.get("description", "")
            yield Field(prefix + name, self._type(each), name in found.get("required", ()), says)
            inner = self._resolved(each)
            is_list = inner.get("type") == "array"
            if depth < _DEEPEST:
                item = inner["items"] if is_list else inner
                yield from self._fields(item, f"{prefix}{name}{'[]' if is_list else ''}.", depth + 1)

    def _example(self, schema: Json, *, only_required: bool = False, depth: int = 0) -> Any:
        found = self._resolved(schema)
        match found:
            case {"enum": [first, *_]} | {"const": first} | {"format": "uuid" | "date-time" as first}:
                return _EXAMPLES.get(first, first)
            case {"properties": properties} if depth < _DEEPEST:
                wanted = found.get("required", ()) if only_required else properties
                return {name: self._example(properties[name], depth=depth + 1) for name in wanted}
            case {"type": "array", "items": items}:
                return [self._example(items, depth=depth + 1)] if depth < _DEEPEST else []
        return {"integer": 1, "number": 0.5, "boolean": True, "object": {}}.get(found.get("type", ""), "…")


_FORM: Final = "multipart/form-data"
_PLACES: Final = {"path": "address", "query": "query", "header": "headers"}


def _of_content(described: Json) -> Json | None:
    content = described.get("content", {})
    schema: Json | None = content.get("application/json", content.get(_FORM, {})).get("schema")
    return schema or None


def _is_needed(parameter: Json, place: str) -> bool:
    return bool(parameter["in"] == place and parameter.get("required"))
