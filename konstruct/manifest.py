"""A tenant as a file: what may stand in it, and errors that name file, line and field. Knows no database.

Values are never quoted in errors, since any of them may turn out to be a secret in the wrong place.
"""

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    PrivateAttr,
    SecretStr,
    ValidationError,
    ValidationInfo,
    model_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from konstruct import limits
from konstruct.documents import Document, Loc
from konstruct.errors import BadInput
from konstruct.models.links import PROVIDERS

LARGEST_FILE: Final = 1_000_000

_VARIABLE: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")

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
}


def _like(pattern: str, hint: str) -> AfterValidator:
    shape = re.compile(pattern)

    def check(value: str) -> str:
        if not shape.fullmatch(value):
            raise PydanticCustomError("shape", hint)
        return value

    return AfterValidator(check)


def _check_limit(value: str) -> str:
    try:
        limits.parse(value)
    except BadInput:
        raise PydanticCustomError("limit", "must be a number in a time, such as 20/minute or 100/10 seconds") from None
    return value


def _check_employee(value: str, info: ValidationInfo[Any]) -> str:
    employees = info.context["employees"]
    if value not in employees:
        raise PydanticCustomError("employee", f"there is no such employee{_instead(value, employees)}")
    return value


def _take_from_environment(value: object, info: ValidationInfo[Any]) -> object:
    if not isinstance(value, str) or "${" not in value:
        return value
    variable = _VARIABLE.fullmatch(value.strip())
    if variable is None:
        raise PydanticCustomError("variable", "must be ${NAME} alone, with nothing before or after it")
    secret = info.context["environ"].get(variable[1], "").strip()
    if not secret:
        raise PydanticCustomError("variable", f"the environment variable {variable[1]} is not set")
    return SecretStr(secret)


def _check_bot_token(value: SecretStr) -> SecretStr:
    # A token that rotates has the longer prefix. Users' and app-level tokens are pasted here by mistake.
    if not re.fullmatch(r"(xoxe\.)?xoxb-[!-~]+", value.get_secret_value()):
        raise PydanticCustomError("token", "is no bot token: those begin with xoxb-")
    return value


def _instead(word: str, words: Iterable[str]) -> str:
    close = get_close_matches(word, list(words), n=1)
    return f'; did you mean "{close[0]}"?' if close else ""


_ONE_LINE: Final = _like(r"[^\x00-\x1f\x7f\u2028\u2029]*", "must be one line")

Key = Annotated[
    str, _like(r"[a-z][a-z0-9-]{0,62}", "must be lower-case letters, digits and hyphens, and begin with a letter")
]
EmployeeKey = Annotated[str, AfterValidator(_check_employee)]
ModelName = Annotated[
    str,
    _like(
        rf"({'|'.join(PROVIDERS)})/\S{{1,100}}",
        f"must be provider/model, where the provider is one of {', '.join(PROVIDERS)}",
    ),
]
LimitText = Annotated[str, AfterValidator(_check_limit)]
Line = Annotated[str, Field(min_length=1, max_length=80), _ONE_LINE]
BotToken = Annotated[SecretStr, AfterValidator(_check_bot_token), BeforeValidator(_take_from_environment)]

TeamId = Annotated[str, _like("T[A-Z0-9]{1,30}", "must be a workspace's id such as T012AB3CD")]
EnterpriseId = Annotated[str, _like("E[A-Z0-9]{1,30}", "must be an organization's id such as E012AB3CD")]
AppId = Annotated[str, _like("A[A-Z0-9]{1,30}", "must be an app's id such as A012AB3CD")]
UserId = Annotated[str, _like("[UW][A-Z0-9]{1,30}", "must be a user's id such as U012AB3CD")]
BotId = Annotated[str, _like("B[A-Z0-9]{1,30}", "must be a bot's id such as B012AB3CD")]
ChannelId = Annotated[str, _like("[CGD][A-Z0-9]{1,30}", "must be a channel's id such as C024BE91L, not its name")]


class Section(BaseModel):
    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, str_strip_whitespace=True, hide_input_in_errors=True
    )

    @model_validator(mode="before")
    @classmethod
    def _empty_is_absent(cls, data: object) -> object:
        return {name: value for name, value in data.items() if value is not None} if isinstance(data, dict) else data


class Limits(Section):
    tenant: LimitText | None = None
    connection: LimitText | None = None
    contact: LimitText | None = None


class Employee(Section):
    """Its fields are those of a published version, by the same names."""

    name: Line
    role: Annotated[str, Field(min_length=1, max_length=120), _ONE_LINE]
    persona: Annotated[str, Field(max_length=2_000)] = ""
    system_prompt: Annotated[str, Field(min_length=1, max_length=20_000)]
    greeting: Annotated[str, Field(max_length=2_000)] = ""
    suggested_prompts: Annotated[list[Line], Field(max_length=4)] = []
    models: Annotated[list[ModelName], Field(max_length=10)] = []
    tools: list[Line] = []
    escalation: list[dict[str, JsonValue]] = []


class SlackConnection(Section):
    kind: Literal["slack"]
    bot_token: BotToken
    team_id: TeamId | None = None
    enterprise_id: EnterpriseId | None = None
    app_id: AppId | None = None
    bot_user_id: UserId | None = None
    bot_id: BotId | None = None
    employee: EmployeeKey
    channels: dict[ChannelId, EmployeeKey] = {}


class ConsoleConnection(Section):
    kind: Literal["console"]
    employee: EmployeeKey


_KINDS: Final[dict[str, type[Section]]] = {"slack": SlackConnection, "console": ConsoleConnection}


class Manifest(Section):
    tenant: Annotated[
        str, _like(r"[a-z][a-z0-9-]{1,62}", "must be 2 to 63 lower-case letters, digits and hyphens, a letter first")
    ]
    name: Line
    models: Annotated[list[ModelName], Field(max_length=10)] = []
    limits: Limits = Limits()
    employees: Annotated[dict[Key, Employee], Field(min_length=1)]
    connections: dict[Key, Annotated[SlackConnection | ConsoleConnection, Field(discriminator="kind")]] = {}

    _document: Document = PrivateAttr()

    def error(self, loc: Loc, message: str) -> BadInput:
        """For what turns out to be wrong with the file only when it is applied."""
        return BadInput(self._document.sentence(loc, message))


def read(path: Path, environ: Mapping[str, str]) -> Manifest:
    """Raises BadInput with one line for each thing that is wrong."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror}.") from error
    if len(content) > LARGEST_FILE:
        raise BadInput(f"{path}: is larger than {LARGEST_FILE:,} bytes.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = 1 + content.count(b"\n", 0, error.start)
        raise BadInput(f"{path}:{line}: is not UTF-8 text.") from None
    return parse(text, str(path), environ)


def parse(text: str, name: str, environ: Mapping[str, str]) -> Manifest:
    """``name`` is what errors call the text; ``environ`` is where ``${NAME}`` is looked up. Raises as ``read`` does."""
    document = Document(text, name)
    employees = document.data.get("employees")
    context = {"environ": environ, "employees": list(employees) if isinstance(employees, dict) else []}
    manifest = None
    try:
        manifest = Manifest.model_validate(document.data, context=context)
    except ValidationError as error:
        for problem in error.errors(include_url=False, include_input=False):
            document.complain(*_explain(problem))
    if manifest is None or document.has_problems:
        # Raised out here, so that no traceback leads to the values that were refused.
        raise BadInput(document.report())
    manifest._document = document
    return manifest


def _explain(problem: ErrorDetails) -> tuple[Loc, str]:
    loc, kind = problem["loc"], problem["type"]
    if kind == "extra_forbidden":
        return loc, f"unknown field{_instead(str(loc[-1]), _fields(loc[:-1]))}"
    if kind.startswith("union_tag"):
        return (*loc, "kind"), f"must be one of {', '.join(_KINDS)}"
    if loc[-1:] == ("[key]",):
        loc = loc[:-1]
    if kind in _MESSAGES:
        return loc, _MESSAGES[kind].format(most=problem.get("ctx", {}).get("max_length"))
    return loc, problem["msg"]


def _fields(loc: Loc) -> Iterable[str]:
    match loc:
        case ():
            return Manifest.model_fields
        case ("limits",):
            return Limits.model_fields
        case ("employees", _):
            return Employee.model_fields
        case ("connections", _, str(kind)):
            return _KINDS[kind].model_fields
    raise AssertionError(f"The schema has no section at {loc}.")
