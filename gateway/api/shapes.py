"""What goes in and out of the API: bodies read strictly, pages, and one shape for all that goes wrong."""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar
from uuid import UUID

from fastapi import Header, Path, Request
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
)
from pydantic_core import PydanticCustomError

from gateway import bodies
from konstruct.errors import BadInput

T = TypeVar("T", bound="Given")

SourceKey = Annotated[str, Path(pattern="^[a-z][a-z0-9-]{0,62}$")]

_KEY = Header(
    alias="Idempotency-Key",
    min_length=1,
    max_length=200,
    pattern="^[!-~]+$",
    description="Of your choice, another one for each thing that is done: the same again changes nothing.",
)
IdempotencyKey = Annotated[str, _KEY]
OptionalIdempotencyKey = Annotated[str | None, _KEY]
"""Where the same again does no harm without one, either."""

_NUMBER = re.compile(r"\s*[-+.\d_e]+\s*", re.IGNORECASE)


def _no_number(said: object) -> object:
    """It would be taken for seconds since 1970, or for thousandths of them."""
    if isinstance(said, str) and _NUMBER.fullmatch(said):
        raise PydanticCustomError("moment", "is to be a moment, such as 2026-11-01T09:00:00Z")
    return said


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise PydanticCustomError("moment", "is to be a moment between the years 1 and 9999, in UTC") from error


Moment = Annotated[AwareDatetime, BeforeValidator(_no_number), AfterValidator(_in_utc)]

_SAYS = {"extra_forbidden": "is not known here", "missing": "is missing"}


class Given(BaseModel):
    """What somebody sends. A field that is not known is a mistake of theirs, and not to be passed over."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    @field_validator("*", mode="before")
    @classmethod
    def _no_nul(cls, said: object) -> object:
        """Before an answer is begun that would break off when the database refuses it."""
        if isinstance(said, str) and "\0" in said:
            raise PydanticCustomError("nul", "holds a NUL character")
        return said


class Shown(BaseModel):
    """What is sent, made of something of ours by its fields' names: what is not named here stays inside."""

    model_config = ConfigDict(from_attributes=True)


class Page(Given):
    limit: Annotated[int, Field(ge=1, le=100)] = 50
    before: UUID | None = Field(None, description="The `next` of the page before.")


class Problem(BaseModel):
    error: str = Field(description="A sentence that says what to do.")
    request_id: str = Field(description="To be named when asking for help.")
    fields: dict[str, str] | None = Field(None, description="A sentence for each field, where it is about some.")


PROBLEMS: dict[int | str, dict[str, Any]] = {
    401: {"model": Problem, "description": "There is no key in the request, or none that is valid."},
    402: {"model": Problem, "description": "The tenant's plan does not include it; the sentence says what would."},
    403: {"model": Problem, "description": "The key lacks the scope."},
    404: {"model": Problem, "description": "The tenant has no such thing."},
    408: {"model": Problem, "description": "The body did not come in time."},
    409: {"model": Problem, "description": "It is not as the request takes it to be."},
    413: {"model": Problem, "description": "The body is too large."},
    422: {"model": Problem, "description": "Something in the request cannot be used."},
    429: {"model": Problem, "description": "The key is used too often; Retry-After says how long to wait, in seconds."},
    502: {"model": Problem, "description": "A channel that was asked does not do it; the sentence says why."},
    503: {"model": Problem, "description": "A part of ours does not answer; the same may be asked again."},
}


async def read(request: Request, of: type[T]) -> T:
    """The body; read by the routes themselves, when it is known who asks. Raises BadInput."""
    raw = await bodies.read(request)
    bodies.parse_json(raw)
    try:
        # Neither 0 nor "no" is false: what is taken is what is described.
        return of.model_validate_json(raw, strict=True)
    except ValidationError as error:
        raise BadInput(sentence(error.errors(include_url=False, include_input=False))) from None


def takes(of: type[Given]) -> dict[str, Any]:
    """The body in the API's description, which cannot know of it by itself."""
    schema = of.model_json_schema()
    content = {"application/json": {"schema": _whole(schema, schema.pop("$defs", {}))}}
    return {"requestBody": {"required": True, "content": content}}


def _whole(schema: Any, parts: Mapping[str, Any]) -> Any:
    """With its parts where they are named: a description has another place for them than a schema alone."""
    if isinstance(schema, list):
        return [_whole(each, parts) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _whole(parts[schema["$ref"].rpartition("/")[2]], parts) | {
            name: each for name, each in schema.items() if name != "$ref"
        }
    return {name: _whole(each, parts) for name, each in schema.items()}


def sentence(problems: Iterable[Mapping[str, Any]]) -> str:
    """What is wrong, field by field, without what was sent."""
    return " ".join(f"{_where(problem['loc'])}: {_SAYS.get(problem['type'], problem['msg'])}." for problem in problems)


def _where(loc: Iterable[object]) -> str:
    return ".".join(str(part) for part in loc if part not in ("query", "path", "body")) or "The body"
