"""A tenant as a file: what may stand in it, and errors that name file, line and field. Knows no database.

Values are never quoted in errors, since any of them may turn out to be a secret in the wrong place.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, Field, PrivateAttr, ValidationError
from pydantic_core import ErrorDetails

from konstruct.documents import Document, Loc
from konstruct.errors import BadInput
from konstruct.escalation.rules import Action, Condition, HandOff, Rule, Rules, Tell
from konstruct.manifest.desk import Desk, Group, Hours, Person, problems
from konstruct.manifest.fields import Key, Line, ModelName, Section, TimeZone, instead, like
from konstruct.manifest.sections import (
    KINDS,
    Approvals,
    Caps,
    ConsoleConnection,
    Employee,
    EmployeeTool,
    HttpTool,
    Limits,
    McpTools,
    ReengageTemplate,
    Retention,
    SlackConnection,
    Source,
    WhatsAppConnection,
)
from konstruct.tools.builtin import BUILTINS
from konstruct.tools.http_definition import Auth
from konstruct.tools.policy import Risk, may_be

LARGEST_FILE: Final = 1_000_000

_MESSAGES: Final = {
    "missing": "is missing",
    "string_too_short": "is empty",
    "string_too_long": "is longer than {most:,} characters",
    "string_type": "must be text; if it looks like a number, put it in quotes",
    "too_short": "needs at least one entry",
    "too_long": "has more than {most} entries",
    "list_type": "must be a list",
    "dict_type": "must hold names and values",
    "model_type": "must hold names and values",
    "model_attributes_type": "must hold names and values",
    "bool_type": "must be true or false",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
}


class Manifest(Section):
    tenant: Annotated[
        str, like(r"[a-z][a-z0-9-]{1,62}", "must be 2 to 63 lower-case letters, digits and hyphens, a letter first")
    ]
    name: Line
    models: Annotated[list[ModelName], Field(max_length=10, default_factory=list)]
    limits: Limits = Limits()
    time_zone: TimeZone = "UTC"
    approvals: Approvals = Approvals()
    desk: Desk = Desk()
    retention: Retention = Retention()
    tools: dict[Key, Annotated[HttpTool | McpTools, Field(discriminator="kind")]] = Field(default_factory=dict)
    knowledge: dict[Key, Source] = Field(default_factory=dict)
    employees: Annotated[dict[Key, Employee], Field(min_length=1)]
    connections: dict[
        Key, Annotated[SlackConnection | WhatsAppConnection | ConsoleConnection, Field(discriminator="kind")]
    ] = Field(default_factory=dict)

    _document: Document = PrivateAttr()

    def error(self, loc: Loc, message: str) -> BadInput:
        """For what turns out to be wrong with the file only when it is applied."""
        return BadInput(self._document.sentence(loc, message))


class _RulesFile(Section):
    escalation: Rules


def read(path: Path, environ: Mapping[str, str]) -> Manifest:
    """Raises BadInput with one line for each thing that is wrong."""
    return parse(text_of(path), str(path), environ)


def read_rules(path: Path) -> list[Rule]:
    """Of a file that holds ``escalation`` as an employee does, and nothing else. Raises as ``read`` does."""
    document = Document(text_of(path), str(path))
    found: list[Rule] = []
    try:
        found = _RulesFile.model_validate(document.data).escalation
    except ValidationError as error:
        for problem in error.errors(include_url=False, include_input=False):
            document.complain(*explain(problem))
    if document.has_problems:
        raise BadInput(document.report())
    return found


def text_of(path: Path) -> str:
    """Raises BadInput where it cannot be read, or is larger than a file of settings may be."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror}.") from error
    if len(content) > LARGEST_FILE:
        raise BadInput(f"{path}: is larger than {LARGEST_FILE:,} bytes.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = 1 + content.count(b"\n", 0, error.start)
        raise BadInput(f"{path}:{line}: is not UTF-8 text.") from None


def parse(text: str, name: str, environ: Mapping[str, str]) -> Manifest:
    """``name`` is what errors call the text; ``environ`` is where ``${NAME}`` is looked up. Raises as ``read`` does."""
    document = Document(text, name)
    context = {
        "environ": environ,
        "employees": list(_kinds(document, "employees")),
        "knowledge": list(_kinds(document, "knowledge")),
        "tools": _kinds(document, "tools"),
    }
    manifest = None
    try:
        manifest = Manifest.model_validate(document.data, context=context)
    except ValidationError as error:
        for problem in error.errors(include_url=False, include_input=False):
            document.complain(*explain(problem))
    if manifest is not None:
        _check_together(manifest, document)
    if manifest is None or document.has_problems:
        # Raised out here, so that no traceback leads to the values that were refused.
        raise BadInput(document.report())
    manifest._document = document
    return manifest


def _kinds(document: Document, section: str) -> dict[str, str]:
    """The names in a section, each with the kind that it says it is of."""
    entries = document.data.get(section)
    if not isinstance(entries, dict):
        return {}
    return {name: str(entry.get("kind")) if isinstance(entry, dict) else "" for name, entry in entries.items()}


def _check_together(manifest: Manifest, document: Document) -> None:
    for key, source in manifest.knowledge.items():
        if (source.kind == "files") != (source.url is None):
            document.complain(("knowledge", key, "url"), "is for a page or a sitemap, which need it; files have none")
    _check_tools(manifest, document)
    for section, shown in (("approvals", manifest.approvals), ("desk", manifest.desk)):
        if (shown.connection is None) != (shown.channel is None):
            document.complain((section,), "needs both connection and channel, or neither")
        if shown.connection is not None and not isinstance(manifest.connections.get(shown.connection), SlackConnection):
            document.complain((section, "connection"), "is no Slack connection of this file")
    escalations = {key: employee.content()["escalation"] for key, employee in manifest.employees.items()}
    for where, message in problems(manifest.desk, escalations):
        document.complain(where, message)


def _check_tools(manifest: Manifest, document: Document) -> None:
    for key, tool in manifest.tools.items():
        if key in BUILTINS:
            document.complain(("tools", key), "is what a built-in tool is called; give it a name of its own")
        if isinstance(tool, HttpTool) and (tool.auth.kind == "none") != (tool.secret is None):
            lacks = "is missing: auth says where it goes"
            document.complain(
                ("tools", key, "secret"), lacks if tool.secret is None else "is given, and auth says not where it goes"
            )
    for name, employee in manifest.employees.items():
        for place, chosen in enumerate(employee.tools):
            risk = _risk(manifest, chosen)
            if chosen.approval and risk and not may_be(risk, chosen.approval):
                where = ("employees", name, "tools", place, "approval")
                document.complain(where, "must be always: what this tool does cannot be taken back")


def _risk(manifest: Manifest, chosen: EmployeeTool) -> Risk | None:
    key, _, remote = chosen.name.partition("/")
    tool = manifest.tools.get(key)
    if isinstance(tool, McpTools):
        return tool.tools[remote].risk if remote in tool.tools else None
    return tool.risk if tool else None


def explain(problem: ErrorDetails) -> tuple[Loc, str]:
    """Where, and what is wrong there: words that go on from the name of the field."""
    """Where in the file it is, and what is wrong there, in words to be read after the field's name."""
    loc, kind = problem["loc"], problem["type"]
    if kind == "extra_forbidden":
        return loc, f"unknown field{instead(str(loc[-1]), _fields(loc[:-1]))}"
    if kind.startswith("union_tag"):
        return (*loc, "kind"), f"must be one of {', '.join(KINDS[str(loc[0])])}"
    if kind == "literal_error":
        return loc, f"must be {problem['ctx']['expected'].replace(chr(39), '')}"
    if loc[-1:] == ("[key]",):
        loc = loc[:-1]
    if kind in _MESSAGES:
        context = problem.get("ctx", {})
        return loc, _MESSAGES[kind].format(most=context.get("max_length"), **context)
    if len(loc) == 3 and loc[-1] in KINDS.get(str(loc[0]), ()):
        # What is wrong with all of it: the kind that the schema was chosen by is no part of the file.
        loc = loc[:-1]
    return loc, problem["msg"]


def _fields(loc: Loc) -> Iterable[str]:
    """What the section at ``loc`` may hold."""
    match loc:
        case ():
            return Manifest.model_fields
        case ("connections" | "tools" as section, _, str(kind), *inner):
            found: type[BaseModel] = KINDS[section][kind]
        case ("desk", "people", _, *inner):
            found = Person
        case ("desk", "groups", _, *inner):
            found = Hours if inner else Group
        case (str(section), *inner):
            found = _SECTIONS[section]
        case _:
            return ()
    return _INNER.get(next((name for name in reversed(inner) if name in _INNER), ""), found).model_fields


_SECTIONS: Final[dict[str, type[BaseModel]]] = {
    "approvals": Approvals,
    "desk": Desk,
    "employees": Employee,
    "escalation": Rule,
    "knowledge": Source,
    "limits": Limits,
    "retention": Retention,
}
_INNER: Final[dict[object, type[BaseModel]]] = {
    "caps": Caps,
    "hours": Hours,
    "auth": Auth,
    "reengage_template": ReengageTemplate,
    "escalation": Rule,
    "when": Condition,
    "all": Condition,
    "any": Condition,
    "then": Action,
    "hand_off": HandOff,
    "tell": Tell,
}
"""Sections within others, by the name of the field that they are in."""
