"""What an employee is, as the API takes it and gives it: the fields of a draft and of a version."""

from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Path
from pydantic import Field, WithJsonSchema

from gateway.api.shapes import Given, Shown
from konstruct.designs.comparing import Difference as Differing
from konstruct.escalation.rules import Rules
from konstruct.manifest.desk import Hours
from konstruct.manifest.sections import Caps
from konstruct.tools.policy import Approval

EmployeeKey = Annotated[str, Path(min_length=1, max_length=100, description="The employee's key.")]

RULES_SCHEMA: Final = {
    "type": "array",
    "items": {"type": "object"},
    "description": "The first whose conditions hold is acted on. Each has a name, when and then, as in a manifest: "
    '{"name": "refund", "when": {"keyword": ["refund"]}, "then": {"hand_off": {"priority": "high"}}}.',
}


class Content(Shown):
    name: str
    picture: UUID | None
    role: str
    language: str = Field(description="Of its answers, as de; empty for whichever it is written to in.")
    persona: str
    system_prompt: str = Field(description="Its instructions.")
    greeting: str
    suggested_prompts: list[str]
    models: list[str] = Field(description="In the order in which they are asked; the business's own if there is none.")
    tools: list[dict[str, Any]] = Field(description="Each with its name, and its approval where that is not the usual.")
    knowledge: list[str] = Field(description="Keys of sources.")
    caps: dict[str, Any] = Field(description="Of one turn: steps, and cost in US dollars.")
    escalation: list[dict[str, Any]] = Field(description="Rules in their order.")
    hours: dict[str, Any] = Field(description="When it answers; empty for always.")
    away_reply: str


class GivenTool(Given):
    name: Annotated[str, Field(min_length=1, max_length=300, description="Of what a server offers, server/tool.")]
    approval: Annotated[Approval | None, Field(description="As its risk says if left out.")] = None


class Fields(Given):
    """Those of an employee that somebody sets; what is left out stays as it is."""

    name: str = ""
    role: str = ""
    language: str = ""
    persona: str = ""
    system_prompt: str = ""
    greeting: str = ""
    suggested_prompts: list[str] = Field([], max_length=4)
    models: list[str] = Field([], description="Such as anthropic/claude-sonnet-4-5, the first choice first.")
    tools: list[GivenTool] = Field([], max_length=100)
    knowledge: list[str] = Field([], description="Keys of sources.")
    caps: Caps = Field(Caps(), description="Of one turn: steps, and cost in US dollars.")
    escalation: Annotated[Rules, WithJsonSchema(RULES_SCHEMA)] = Field([])
    hours: Annotated[Hours | None, Field(description="Null for always.")] = None
    away_reply: str = ""

    def content(self) -> dict[str, Any]:
        """What was said, as a draft keeps it."""
        kept = self.model_dump(exclude_unset=True, exclude={"tools", "caps", "escalation", "hours"})
        written = {
            "tools": [tool.model_dump(exclude_none=True) for tool in self.tools],
            "caps": self.caps.model_dump(exclude_none=True),
            "escalation": [rule.content() for rule in self.escalation],
            "hours": self.hours.model_dump(exclude_none=True, exclude_defaults=True) if self.hours else {},
        }
        return kept | {name: value for name, value in written.items() if name in self.model_fields_set}


class Draft(Shown):
    key: str
    revision: int = Field(description="Raised with every change. A change names the one that it was made to.")
    is_open: bool = Field(description="Whether it is other than what is published.")
    is_behind: bool = Field(description="Whether another version was published since it was begun.")
    base_version: int
    published_version: int
    saved_by: str
    saved_at: datetime | None
    was_discarded: bool = Field(description="Whether what was in it can be brought back.")
    content: Content


class Piece(Shown):
    kind: str = Field(description="same, removed or added.")
    text: str


class Difference(Shown):
    field: str
    label: str
    pieces: list[Piece] = Field(description="Of a text, in its order.")
    lines: list[Piece] = Field(description="Of a list, one an entry.")

    @classmethod
    def of(cls, differing: Differing) -> "Difference":
        return cls.model_validate(differing)
