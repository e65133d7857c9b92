"""The REST API as its pages show it: made of `openapi.json`, which the gateway writes; see `gateway.api.described`."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from typing import Any, Final

Json = Mapping[str, Any]

SECTIONS: Final[Mapping[str, tuple[str, str]]] = {
    "conversations": ("Conversations", "What was said, thought and done, and what it cost."),
    "files": ("Files", "What contacts and people sent in conversations."),
    "inbox": ("Inbox", "What agents work with: replies that are kept, who looks, what is shown to whom."),
    "handoffs": ("Handoffs", "Conversations that people take over: what waits, and all that an agent does."),
    "consults": ("Questions to colleagues", "What employees asked people at the desk, and their answers."),
    "approvals": ("Approvals", "What employees ask to be allowed, with exactly what they would do."),
    "contacts": ("Contacts", "Who writes, what is remembered of them, and having it forgotten."),
    "employees": ("Employees", "What employees are: drafts, versions, what differs, and publishing."),
    "rehearsals": ("Rehearsals", "A draft tried out by a program before anybody else meets it."),
    "knowledge": ("Knowledge", "Sources and documents that employees look things up in."),
    "tools": ("Tools", "What employees can do in other systems, and what each may."),
    "channels": ("Channels", "Slack workspaces and WhatsApp numbers, and who answers there."),
    "reports": ("Usage and outcomes", "What it cost and what came of it, by day and by whom."),
    "attention": ("What needs somebody", "Who waits, what is broken, and what is not published."),
    "audit": ("Audit trail", "Who did what, when; and whether the trail is whole."),
    "settings": ("Settings", "The business itself: models, limits, the desk, how long things are kept."),
    "billing": ("Billing", "The plan, how much of it is used, and invoices. What is paid for is changed by people."),
    "team": ("Team", "Who is in it and who is invited. A key does what an admin may, and nothing to owners."),
}
"""Title and introduction of each tag, in the order in which they are shown."""
_EXAMPLES: Final = {"uuid": "0192f0c1-7a5e-7c3b-9d41-5f8e2b6a1c90", "date-time": "2026-03-01T09:30:00Z"}
_DEEPEST: Final = 4
_PLACES: Final = {"path": "address", "query": "query", "header": "headers"}
_JSON: Final = "application/json"
_FORM: Final = "multipart/form-data"


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
    scopes: Sequence[str]
    """One of them is enough."""
    parameters: Sequence[Field]
    body: Sequence[Field]
    status: str
    answer: Sequence[Field]
    example: str
    """Of the answer, as JSON; empty where there is none."""
    media_type: str
    """Of an answer that is no JSON; empty where it is, or where there is nothing in it."""
    curl: str

    @property
    def words(self) -> str:
        """What it is found by."""
        return f"{self.method} {self.path} {self.title} {' '.join(self.scopes)}".lower()


@dataclass(frozen=True)
class Section:
    anchor: str
    title: str
    says: str
    operations: Sequence[Operation]


@dataclass(frozen=True)
class Reference:
    base: str
    sections: Sequence[Section]
    problems: Sequence[tuple[str, str]]
    """Status, and what it means."""

    @property
    def count(self) -> int:
        return sum(len(section.operations) for section in self.sections)


@cache
def read(base_url: str) -> Reference:
    """``base_url``: where the gateway is reached, for the examples."""
    described = _described()
    base = f"{base_url.rstrip('/')}/api/v1"
    book = _Book(described, base)
    by_tag: dict[str, list[Operation]] = {tag: [] for tag in SECTIONS}
    for path, methods in described["paths"].items():
        for method, route in methods.items():
            by_tag.setdefault(route["tags"][0], []).append(book.operation(method, path, route))
    any_route = next(iter(next(iter(described["paths"].values())).values()))
    problems = [(code, said["description"]) for code, said in any_route["responses"].items() if code >= "400"]
    sections = [
        Section(tag, *SECTIONS.get(tag, (tag.capitalize(), "")), operations)
        for tag, operations in by_tag.items()
        if operations
    ]
    return Reference(base, sections, problems)


def looked_for(reference: Reference, said: str) -> Sequence[Section]:
    """Those sections that have a route with all of the words, and of each those routes."""
    words = said.lower().split()[:20]
    shown = [
        replace(section, operations=[each for each in section.operations if all(word in each.words for word in words)])
        for section in reference.sections
    ]
    return [section for section in shown if section.operations]


@cache
def document(base_url: str) -> str:
    """The description itself, with the address at which it is served."""
    servers = [{"url": f"{base_url.rstrip('/')}/api/v1"}]
    return json.dumps({**_described(), "servers": servers}, ensure_ascii=False)


def _described() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(resources.files("portal").joinpath("openapi.json").read_text(encoding="utf-8"))
    return found


class _Book:
    def __init__(self, described: Json, base: str) -> None:
        self._schemas: Json = described["components"]["schemas"]
        self._base = base

    def operation(self, method: str, path: str, described: Json) -> Operation:
        status, answer = next(each for each in described["responses"].items() if each[0] < "300")
        shown, body = _of_content(answer), _of_content(described.get("requestBody", {}))
        parameters = described.get("parameters", [])
        kinds = described.get("requestBody", {}).get("content", {})
        return Operation(
            anchor=re.sub(r"[^a-z0-9]+", "-", f"{method}{path}".lower()).strip("-"),
            method=method.upper(),
            path=path,
            title=described["summary"].capitalize(),
            says=described.get("description", ""),
            scopes=described["security"][0]["HTTPBearer"],
            parameters=[self._parameter(each) for each in parameters],
            body=list(self._fields(body)),
            status=status,
            answer=list(self._fields(shown)),
            example=json.dumps(self._example(shown), indent=2, ensure_ascii=False) if shown else "",
            media_type=next((each for each in answer.get("content", {}) if each != _JSON), ""),
            curl=self._curl(method.upper(), path, parameters, body, kinds),
        )

    def _parameter(self, parameter: Json) -> Field:
        kind = f"{self._type(parameter['schema'])} in the {_PLACES[parameter['in']]}"
        says = parameter.get("description") or parameter["schema"].get("description", "")
        return Field(parameter["name"], kind, parameter.get("required", False), says)

    def _curl(self, method: str, path: str, parameters: Sequence[Json], body: Json | None, kinds: Json) -> str:
        query = [f"{each['name']}={self._example(each['schema'])}" for each in parameters if _is_needed(each, "query")]
        url = self._base + path + (f"?{'&'.join(query)}" if query else "")
        lines = [f'curl "{url}"' if method == "GET" else f'curl -X {method} "{url}"']
        lines.append('-H "Authorization: Bearer $KONSTRUCT_API_KEY"')
        for each in parameters:
            if _is_needed(each, "header"):
                lines.append(f'-H "{each["name"]}: {_EXAMPLES["uuid"]}"')
        if "*/*" in kinds:
            lines.append("--data-binary @file")
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
            return f"list of {self._type(schema['items'])}" if "items" in schema else "list"
        names = {"uuid": "id", "date-time": "time", "binary": "file"}
        return names.get(schema.get("format", ""), str(schema.get("type", "anything")))

    def _fields(self, schema: Json | None, prefix: str = "", depth: int = 0) -> Iterator[Field]:
        """Those of what is inside, too, each by its whole path."""
        found = self._resolved(schema) if schema else {}
        if found.get("type") == "array":
            yield from self._fields(found.get("items", {}), f"{prefix}[].", depth)
            return
        for name, each in found.get("properties", {}).items():
            says = each.get("description", "")
            yield Field(prefix + name, self._type(each), name in found.get("required", ()), says)
            inner = self._resolved(each)
            is_list = inner.get("type") == "array"
            if depth < _DEEPEST:
                item = inner.get("items", {}) if is_list else inner
                yield from self._fields(item, f"{prefix}{name}{'[]' if is_list else ''}.", depth + 1)

    def _example(self, schema: Json, *, only_required: bool = False, depth: int = 0) -> Any:
        found = self._resolved(schema)
        match found:
            case {"enum": [first, *_]} | {"const": first} | {"format": "uuid" | "date-time" as first}:
                return _EXAMPLES.get(first, first)
            case {"properties": properties} if depth < _DEEPEST:
                # Where nothing has to be there, one thing shows how it would be.
                wanted = (found.get("required") or list(properties)[:1]) if only_required else properties
                shown = {name: properties[name] for name in wanted}
                return {
                    name: self._example(each, only_required=only_required, depth=depth + 1)
                    for name, each in shown.items()
                }
            case {"type": "array", "items": items}:
                return [self._example(items, only_required=only_required, depth=depth + 1)] if depth < _DEEPEST else []
        return {"integer": 1, "number": 0.5, "boolean": True, "object": {}, "array": []}.get(found.get("type", ""), "…")


def _of_content(described: Json) -> Json | None:
    content = described.get("content", {})
    schema: Json | None = content.get(_JSON, content.get(_FORM, {})).get("schema")
    return schema or None


def _is_needed(parameter: Json, place: str) -> bool:
    return bool(parameter["in"] == place and parameter.get("required"))
