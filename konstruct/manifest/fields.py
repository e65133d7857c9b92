"""What single fields of a manifest may hold. Errors quote no value: any may be a secret in the wrong place."""

import re
from collections.abc import Iterable
from datetime import timedelta
from difflib import get_close_matches
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationInfo,
    model_validator,
)
from pydantic_core import PydanticCustomError

from konstruct import limits
from konstruct.errors import BadInput
from konstruct.languages import LANGUAGES
from konstruct.models.links import PROVIDERS
from konstruct.tools.builtin import CHOOSABLE

CHANNEL_ID: Final = re.compile("[CGD][A-Z0-9]{1,30}")
_VARIABLE: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_DURATION: Final = re.compile(r"([0-9]{1,4}) (minute|hour|day|week)s?")


def like(pattern: str, hint: str) -> AfterValidator:
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
        raise PydanticCustomError("employee", f"there is no such employee{instead(value, employees)}")
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


def instead(word: str, words: Iterable[str]) -> str:
    close = get_close_matches(word, list(words), n=1)
    return f'; did you mean "{close[0]}"?' if close else ""


ONE_LINE: Final = like(r"[^\x00-\x1f\x7f\u2028\u2029]*", "must be one line")

Key = Annotated[
    str, like(r"[a-z][a-z0-9-]{0,62}", "must be lower-case letters, digits and hyphens, and begin with a letter")
]
EmployeeKey = Annotated[str, AfterValidator(_check_employee)]
ModelName = Annotated[
    str,
    like(
        rf"({'|'.join(PROVIDERS)})/\S{{1,100}}",
        f"must be provider/model, where the provider is one of {', '.join(PROVIDERS)}",
    ),
]
LimitText = Annotated[str, AfterValidator(_check_limit)]
Line = Annotated[str, Field(min_length=1, max_length=80), ONE_LINE]
Functions = Annotated[list[Annotated[str, Field(min_length=1, max_length=120), ONE_LINE]], Field(max_length=10)]
BotToken = Annotated[SecretStr, AfterValidator(_check_bot_token), BeforeValidator(_take_from_environment)]

TeamId = Annotated[str, like("T[A-Z0-9]{1,30}", "must be a workspace's id such as T012AB3CD")]
EnterpriseId = Annotated[str, like("E[A-Z0-9]{1,30}", "must be an organization's id such as E012AB3CD")]
AppId = Annotated[str, like("A[A-Z0-9]{1,30}", "must be an app's id such as A012AB3CD")]
UserId = Annotated[str, like("[UW][A-Z0-9]{1,30}", "must be a user's id such as U012AB3CD")]
BotId = Annotated[str, like("B[A-Z0-9]{1,30}", "must be a bot's id such as B012AB3CD")]
MetaId = Annotated[str, like("[0-9]{5,30}", "must be the digits that Meta shows as the id, in quotes")]
TemplateName = Annotated[str, like("[a-z0-9_]{1,512}", "must be a template's name: lower-case letters, digits and _")]
TemplateLanguage = Annotated[str, like("[a-z]{2,3}(_[A-Z]{2})?", "must be a template's language such as en or en_US")]
ChannelId = Annotated[str, like(CHANNEL_ID.pattern, "must be a channel's id such as C024BE91L, not its name")]


def _check_tool(value: str, info: ValidationInfo[Any]) -> str:
    """A server's tools are known only when it was asked; that there is such a server is known now."""
    own: dict[str, str] = info.context["tools"]
    key, slash, _ = value.partition("/")
    if own.get(key) == "mcp" and not slash:
        raise PydanticCustomError("tool", f'is a server: name one of its tools, as "{key}/..."')
    if value not in CHOOSABLE and key not in own:
        raise PydanticCustomError("tool", f"there is no such tool{instead(value, [*CHOOSABLE, *own])}")
    return value


def _check_source(value: str, info: ValidationInfo[Any]) -> str:
    sources = info.context["knowledge"]
    if value not in sources:
        raise PydanticCustomError("source", f"there is no such source of knowledge{instead(value, sources)}")
    return value


def _check_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        raise PydanticCustomError("zone", "must be a time zone as the IANA names it, such as Europe/Vienna") from None
    return value


def _check_language(value: str) -> str:
    if value and value not in LANGUAGES:
        raise PydanticCustomError("language", "must be a language's two letters, such as de, or be left out")
    return value


def _read_duration(value: object) -> object:
    found = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None or int(found[1]) == 0:
        raise PydanticCustomError("duration", "must be a time such as 30 minutes, 6 hours or 3 days")
    return timedelta(**{f"{found[2]}s": int(found[1])})


ToolName = Annotated[str, Field(min_length=1, max_length=200), ONE_LINE, AfterValidator(_check_tool)]
SourceKey = Annotated[str, AfterValidator(_check_source)]
Language = Annotated[str, AfterValidator(_check_language)]
TimeZone = Annotated[str, AfterValidator(_check_zone)]
Duration = Annotated[timedelta, BeforeValidator(_read_duration)]
Secret = Annotated[SecretStr, BeforeValidator(_take_from_environment)]


class Section(BaseModel):
    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, str_strip_whitespace=True, hide_input_in_errors=True
    )

    @model_validator(mode="before")
    @classmethod
    def _empty_is_absent(cls, data: object) -> object:
        return {name: value for name, value in data.items() if value is not None} if isinstance(data, dict) else data
