"""Rules that say when people are brought in, as a manifest has them and an employee's version keeps them."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

from konstruct.escalation import matching

MOST_RULES: Final = 50
MOST_LEAVES: Final = 50
"""Conditions of one rule that hold no others."""
DEEPEST: Final = 5
"""Of ``all`` and ``any`` within each other."""
MOST_TOPICS: Final = 50
"""Different ones of an employee: a judge is asked for each."""
ANY_TOOL: Final = "*"
"""How ``tool_failed: true`` is kept."""

Priority = Literal["low", "normal", "high", "urgent"]

_KEY: Final = re.compile(r"[a-z][a-z0-9-]{0,62}")
_COST: Final = re.compile(r"[0-9]{1,4}(\.[0-9]{1,4})?")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f\u2028\u2029\ud800-\udfff]")


def _wrong(sentence: str) -> PydanticCustomError:
    # A sentence of ours may hold braces, which are not for pydantic to fill.
    return PydanticCustomError("escalation", "{sentence}", {"sentence": sentence})


def _check_key(key: str) -> str:
    if not _KEY.fullmatch(key):
        raise _wrong("must be lower-case letters, digits and hyphens, and begin with a letter")
    return key


def _check_line(text: str) -> str:
    if _CONTROL.search(text):
        raise _wrong("must be one line")
    return text


def _check_word(word: str) -> str:
    if not matching.fold(word):
        raise _wrong("must hold something that can be seen")
    return _check_line(word)


def _check_pattern(pattern: str) -> str:
    problem = matching.complaint(pattern)
    if problem is not None:
        raise _wrong(problem)
    return pattern


def _check_cost(cost: str) -> str:
    if not _COST.fullmatch(cost):
        raise _wrong("must be US dollars, such as 1.50")
    return cost


def _only_true(value: bool) -> bool:
    if not value:
        raise _wrong("can only be true; leave it out otherwise")
    return value


def _one_or_many(value: object) -> object:
    if not isinstance(value, str | list):
        raise _wrong("must be a text or a list of texts")
    return [value] if isinstance(value, str) else value


def _any_or_names(value: object) -> object:
    if value is True:
        return [ANY_TOOL]
    if not isinstance(value, str | list):
        raise _wrong("must be true, a tool's name or a list of them")
    return _one_or_many(value)


_Key = Annotated[str, AfterValidator(_check_key)]
_Name = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_check_line)]
_Word = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_check_word)]
_Pattern = Annotated[str, Field(min_length=1, max_length=matching.LONGEST_PATTERN), AfterValidator(_check_pattern)]
_True = Annotated[bool, AfterValidator(_only_true)]
_Times = Annotated[int, Field(ge=1, le=1_000)]
_Words = Annotated[list[_Word], Field(min_length=1, max_length=100), BeforeValidator(_one_or_many)]
_Topics = Annotated[list[_Word], Field(min_length=1, max_length=MOST_TOPICS), BeforeValidator(_one_or_many)]
_Tools = Annotated[list[_Name], Field(min_length=1, max_length=100), BeforeValidator(_any_or_names)]


class _Part(BaseModel):
    # As the sections of a manifest, which are built of these and so cannot be imported here.
    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, str_strip_whitespace=True, hide_input_in_errors=True
    )

    @model_validator(mode="before")
    @classmethod
    def _empty_is_absent(cls, data: object) -> object:
        return {name: value for name, value in data.items() if value is not None} if isinstance(data, dict) else data


class Condition(_Part):
    """Exactly one of its fields: something that is looked at, or other conditions of which all or any must hold."""

    all: Annotated[list["Condition"], Field(min_length=1, max_length=MOST_LEAVES)] | None = None
    any: Annotated[list["Condition"], Field(min_length=1, max_length=MOST_LEAVES)] | None = None
    asked_for_human: _True | None = None
    keyword: _Words | None = None
    pattern: _Pattern | None = None
    failed_attempts: _Times | None = None
    turns: _Times | None = None
    mood: Literal["negative", "angry"] | None = None
    """What is angry is negative, too."""
    confidence_below: Annotated[float, Field(gt=0, le=1)] | None = None
    tool_failed: _Tools | None = None
    cost_above: Annotated[str, AfterValidator(_check_cost)] | None = None
    """US dollars."""
    outside_policy: _True | None = None
    topic: _Topics | None = None

    @model_validator(mode="after")
    def _check_one(self) -> Self:
        if len(self.model_fields_set) != 1:
            raise _wrong("must be exactly one condition; put several under all or any")
        return self

    @property
    def kind(self) -> str:
        """The name of the one field that is given."""
        return next(iter(self.model_fields_set))

    @property
    def inner(self) -> "list[Condition]":
        """What it is put together of; nothing, if it looks at something itself."""
        return self.all or self.any or []


class HandOff(_Part):
    to: _Key | None = None
    """A group or a person of the tenant's desk; None: its default group."""
    priority: Priority = "normal"


class AskApproval(_Part):
    """The answer of the turn is sent only if a person says yes."""


class Tell(_Part):
    to: _Key | None = None


class Action(_Part):
    """Exactly one of its fields."""

    hand_off: HandOff | None = None
    ask_approval: AskApproval | None = None
    tell: Tell | None = None

    @model_validator(mode="after")
    def _check_one(self) -> Self:
        if len(self.model_fields_set) != 1:
            raise _wrong(
                "must be exactly one of hand_off, ask_approval and tell; write ask_approval as ask_approval: {}"
            )
        return self

    @property
    def kind(self) -> str:
        """The name of the one field that is given."""
        return next(iter(self.model_fields_set))


class Rule(_Part):
    name: _Key
    when: Condition
    then: Action

    @model_validator(mode="after")
    def _check_size(self) -> Self:
        if _depth(self.when) > DEEPEST:
            raise _wrong(f"nests all and any more than {DEEPEST} deep; make several rules of it")
        if sum(1 for _ in leaves(self.when)) > MOST_LEAVES:
            raise _wrong(f"looks at more than {MOST_LEAVES} things; make several rules of it")
        return self

    def content(self) -> dict[str, JsonValue]:
        """As a version keeps it; ``read`` reads it again."""
        return self.model_dump(mode="json", exclude_none=True)


def _depth(condition: Condition) -> int:
    return 1 + max(map(_depth, condition.inner)) if condition.inner else 0


def leaves(condition: Condition) -> Iterator[Condition]:
    """What is looked at, in its order."""
    if not condition.inner:
        yield condition
    for each in condition.inner:
        yield from leaves(each)


def topics(rules: Iterable[Rule]) -> list[str]:
    """All that the rules name, each once, in their order."""
    named = (topic for rule in rules for leaf in leaves(rule.when) for topic in leaf.topic or ())
    return list(dict.fromkeys(named))


def _check_together(rules: list[Rule]) -> list[Rule]:
    names = Counter(rule.name for rule in rules)
    # Values are not quoted in errors, since a secret may stand in the wrong place.
    same = [str(place) for place, rule in enumerate(rules, 1) if names[rule.name] > 1]
    if same:
        raise _wrong(f"must have another name for each rule: see the rules {', '.join(same)}")
    if len(topics(rules)) > MOST_TOPICS:
        raise _wrong(f"names more than {MOST_TOPICS} topics")
    return rules


Rules = Annotated[list[Rule], Field(max_length=MOST_RULES), AfterValidator(_check_together)]


def read(kept: Sequence[Mapping[str, Any]]) -> list[Rule]:
    """The rules of a published version. What is none is passed over: what stands there was not always checked."""
    rules = []
    for each in kept:
        with suppress(ValidationError):
            rules.append(Rule.model_validate(dict(each)))
    return rules
