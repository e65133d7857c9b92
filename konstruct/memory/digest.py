"""What a model is asked behind the scenes: which facts a conversation holds, and what its older part comes to.

Prompts and the reading of answers alone. What a model answers here is untrusted: it can only name what it was shown.
"""

import json
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from string import Template
from typing import Any, Final
from uuid import UUID

from pydantic import BaseModel, Field, ValidationError

from konstruct.memory.keeping import Fact
from konstruct.memory.recalling import Recalled
from konstruct.models.context import count_tokens
from konstruct.ports import ChatMessage
from konstruct.window import Line

Said = tuple[Line, str]
"""A line with its text."""

MOST_FACTS: Final = 20
LONGEST_FACT: Final = 500
SUMMARY_TOKENS: Final = 600
LONGEST_SUMMARY: Final = 4_000
"""Characters, whatever a model makes of the words that it is given."""
LONGEST_LINE: Final = 1_500
"""Characters of one message that a model is shown behind the scenes."""
LONGEST_EARLIER: Final = 300
"""The same, of what was said long before."""

_PROMPTS = resources.files("konstruct.prompts")
_FACTS = Template(_PROMPTS.joinpath("facts.md").read_text())
_SUMMARY = Template(_PROMPTS.joinpath("summary.md").read_text())
_BY = {"contact": "person", "employee": "employee", "agent": "colleague", "system": "note"}


@dataclass(frozen=True)
class Findings:
    facts: list[Fact] = field(default_factory=list)
    forget_memories: list[UUID] = field(default_factory=list)
    forget_messages: list[UUID] = field(default_factory=list)


class Unreadable(Exception):
    """The model did not answer in the form that it was asked for; says how."""


class _Fact(BaseModel):
    text: str
    source: str = ""
    confidence: float = Field(default=0.8, ge=0, le=1)
    replaces: list[str] = []


class _Findings(BaseModel):
    facts: list[_Fact] = []
    forget: list[str] = []


@dataclass(frozen=True)
class Labelled:
    """What a model is shown of memory, each with a label, so that it can name it without knowing an id."""

    known: Mapping[str, Recalled]
    earlier: Mapping[str, Recalled]
    new: Mapping[str, Said]

    @classmethod
    def of(cls, known: Sequence[Recalled], earlier: Sequence[Recalled], new: Sequence[Said]) -> "Labelled":
        return cls(
            {f"K{number}": fact for number, fact in enumerate(known, 1)},
            {f"S{number}": saying for number, saying in enumerate(earlier, 1)},
            {f"N{number}": said for number, said in enumerate(new, 1)},
        )


def facts_prompt(employee: str, tenant: str, labelled: Labelled) -> list[ChatMessage]:
    parts = [
        "Known facts:",
        *(f"{label} ({fact.happened_at:%Y-%m-%d}): {_flat(fact.text)}" for label, fact in labelled.known.items()),
        "",
        "Earlier sayings that may matter:",
        *(
            f"{label} ({saying.happened_at:%Y-%m-%d}, {_BY[saying.speaker]}): {_flat(saying.text)[:LONGEST_EARLIER]}"
            for label, saying in labelled.earlier.items()
        ),
        "",
        "New lines:",
        *(
            f"{label} ({line.at:%Y-%m-%d}, {_BY[line.author]}): {_flat(text)[:LONGEST_LINE]}"
            for label, (line, text) in labelled.new.items()
        ),
    ]
    system = _FACTS.substitute(employee=employee, tenant=tenant).strip()
    return [ChatMessage("system", system), ChatMessage("user", "\n".join(parts))]


def read_findings(answer: str, labelled: Labelled) -> Findings:
    """Raises Unreadable. Labels that were not shown are passed over."""
    try:
        found = _Findings.model_validate(_json(answer))
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        raise Unreadable(f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}") from None
    latest = list(labelled.new.values())[-1][0]
    forgotten = set(found.forget)
    return Findings(
        facts=[
            Fact(
                text=_flat(fact.text)[:LONGEST_FACT],
                source=labelled.new[fact.source][0] if fact.source in labelled.new else latest,
                confidence=fact.confidence,
                replaces=tuple(labelled.known[label].memory_id for label in fact.replaces if label in labelled.known),
            )
            for fact in found.facts[:MOST_FACTS]
            if fact.source not in forgotten and _flat(fact.text)
        ],
        forget_memories=[
            memory.memory_id for label, memory in {**labelled.known, **labelled.earlier}.items() if label in forgotten
        ],
        forget_messages=[line.message_id for label, (line, _) in labelled.new.items() if label in forgotten],
    )


def _json(answer: str) -> Any:
    """The object in an answer, which some models put into a fence or a sentence."""
    start, end = answer.find("{"), answer.rfind("}")
    try:
        return json.loads(answer[start : end + 1], parse_constant=lambda _: None)
    except (ValueError, RecursionError):
        raise Unreadable("It is no JSON object.") from None


def summary_prompt(employee: str, tenant: str, before: str, lines: Sequence[Said]) -> list[ChatMessage]:
    parts = [
        *(["Notes so far:", before, ""] if before else []),
        "The chat goes on:",
        *(f"{_BY[line.author]} ({line.at:%Y-%m-%d}): {_flat(text)[:LONGEST_LINE]}" for line, text in lines),
    ]
    system = _SUMMARY.substitute(employee=employee, tenant=tenant).strip()
    return [ChatMessage("system", system), ChatMessage("user", "\n".join(parts))]


def excerpt(before: str, lines: Sequence[Said]) -> str:
    """A summary made without a model: what the person said, shortened, the oldest left out when it grows too long."""
    kept = before.splitlines()
    kept += [f"- {line.at:%Y-%m-%d}: {_flat(text)[:160]}" for line, text in lines if line.author == "contact"]
    while len(kept) > 1 and count_tokens("\n".join(kept)) > SUMMARY_TOKENS:
        del kept[0]
    return "\n".join(kept)


def _flat(text: str) -> str:
    return " ".join(text.split())


_FORGET_ALL: Final = frozenset(
    {
        "forget everything",
        "forget everything about me",
        "forget everything you know about me",
        "forget all about me",
        "forget me",
        "delete everything you know about me",
        "vergiss alles",
        "vergiss alles über mich",
        "vergiss mich",
        "vergessen sie alles",
        "vergessen sie alles über mich",
        "oublie tout",
        "oubliez tout",
        "oubliez tout ce que vous savez de moi",
        "olvida todo",
        "olvídalo todo",
        "olvide todo",
        "dimentica tutto",
        "vergeet alles",
        "esqueça tudo",
    }
)


def asks_to_forget_all(text: str) -> bool:
    """The plainest of all wishes is understood without a model."""
    # Some keyboards write a letter and its accent as two characters.
    letters = unicodedata.normalize("NFC", text.lower())
    words = "".join(character if character.isalpha() else " " for character in letters).split()
    while words and words[0] in ("please", "bitte", "ok", "now", "and"):
        del words[0]
    while words and words[-1] in ("please", "bitte", "now", "favor", "por"):
        del words[-1]
    return " ".join(words) in _FORGET_ALL
