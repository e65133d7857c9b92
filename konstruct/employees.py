"""Employees as they are published, and what a model is told of who it is."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from importlib import resources
from string import Template
from typing import Final
from uuid import UUID

from sqlalchemy import and_, func
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct.designs.content import as_version, blank
from konstruct.desk import hours, texts
from konstruct.errors import NotFound
from konstruct.identity import ConnectionId
from konstruct.languages import LANGUAGES
from konstruct.tables import Connection, Conversation, Employee, EmployeeVersion, Rehearsal

REHEARSED: Final = 0
"""The number of a version that was never published, and answers in rehearsals alone."""

AWAY_REPLY: Final = "I am not here right now. I am back on {back}. Please write again then."
"""Where the operator wrote none. ``{back}``: when its hours begin next."""

_PROMPTS = resources.files("konstruct.prompts")
_FULL = Template(_PROMPTS.joinpath("employee.md").read_text())
_SHORT = Template(_PROMPTS.joinpath("employee_short.md").read_text())
_SCOPE = Template(_PROMPTS.joinpath("scope.md").read_text())
_SCOPE_SHORT = Template(_PROMPTS.joinpath("scope_short.md").read_text())
_REMEMBERED = Template(_PROMPTS.joinpath("remembered.md").read_text())
_REMEMBERED_SHORT = Template(_PROMPTS.joinpath("remembered_short.md").read_text())
_EARLIER = Template(_PROMPTS.joinpath("earlier.md").read_text())


def system_prompt(
    version: EmployeeVersion,
    tenant_name: str,
    *,
    short: bool = False,
    functions: Sequence[str] = (),
    notes: str = "",
    summary: str = "",
) -> str:
    """``short`` is for small local models, which lose themselves in anything longer. ``functions``: what they may be
    asked, if not anything. What is remembered comes last, so that a provider can keep what comes before it."""
    template = _SHORT if short else _FULL
    language = LANGUAGES.get(version.language)
    who = template.substitute(
        name=version.name,
        role=version.role,
        tenant=tenant_name,
        persona=version.persona,
        instructions=version.system_prompt,
        language=f"in {language}, whatever language it was asked in" if language else "in the language it was asked in",
    )
    if short and language:
        who = f"{who.strip()}\nAnswer in {language}."
    scope = ""
    if functions:
        of_small = _SCOPE_SHORT.substitute(functions="; ".join(functions))
        scope = of_small if short else _SCOPE.substitute(functions="\n".join(f"- {each}" for each in functions))
    parts = [
        who,
        scope,
        _EARLIER.substitute(summary=summary) if summary else "",
        (_REMEMBERED_SHORT if short else _REMEMBERED).substitute(notes=notes) if notes else "",
    ]
    return "\n\n".join(part.strip() for part in parts if part)


@dataclass(frozen=True)
class Caps:
    """What one turn may take, so that a model that goes round in circles costs only so much."""

    steps: int = 8
    """Model calls that end in calls of tools."""
    cost: Decimal = Decimal("0.50")
    """US dollars for models, as far as prices are known."""

    @classmethod
    def of(cls, version: EmployeeVersion) -> "Caps":
        chosen = version.caps
        return cls(steps=chosen.get("steps") or cls.steps, cost=Decimal(chosen.get("cost") or cls.cost))


# For statements about conversations: who is published there, if anybody, and the draft that is rehearsed there.
IS_PUBLISHED: Final = and_(
    col(EmployeeVersion.tenant_id) == col(Employee.tenant_id),
    col(EmployeeVersion.employee_id) == col(Employee.id),
    col(EmployeeVersion.number) == col(Employee.published_version),
)
IS_REHEARSED: Final = and_(
    col(Rehearsal.tenant_id) == col(Conversation.tenant_id), col(Rehearsal.conversation_id) == col(Conversation.id)
)
NAME: Final = func.coalesce(col(Rehearsal.content)["name"].astext, col(EmployeeVersion.name))


def answering(published: EmployeeVersion | None, rehearsal: Rehearsal | None) -> EmployeeVersion:
    """Who answers where these were found: what is rehearsed there, or else what is published. Raises NotFound where
    there is neither."""
    if rehearsal is not None:
        # What was frozen before a field came to be has it, too.
        content = {**blank(), **rehearsal.content}
        return as_version(content, rehearsal.tenant_id, rehearsal.employee_id, REHEARSED)
    if published is None:
        raise NotFound("This employee is not published.")
    return published


def away(version: EmployeeVersion, time_zone: str, at: datetime) -> str | None:
    """What it says instead of an answer where it is outside its hours; None within them.

    Args:
        time_zone: The tenant's, which holds where the hours name none.
    """
    if not version.hours:
        return None
    time_zone = version.hours.get("time_zone", time_zone)
    days = {day: spans for day, spans in version.hours.items() if day in hours.DAYS}
    kept = hours.read(time_zone, days, version.hours.get("closed", ()))
    back = hours.opens_next(kept, at)
    if back == at:
        return None
    when = texts.moment(back, time_zone) if back else "a day that is not known yet"
    # Only this one mark is filled: an operator may write other braces.
    return (version.away_reply or AWAY_REPLY).replace("{back}", when)


async def serving(session: AsyncSession, conversation_id: UUID) -> EmployeeVersion:
    """Who answers in a conversation, as it is published now, or rehearsed. Raises NotFound when there is no such
    conversation."""
    found = (
        await session.execute(
            select(EmployeeVersion, Rehearsal)
            .select_from(Conversation)
            .join(Employee, col(Employee.id) == col(Conversation.employee_id))
            .outerjoin(EmployeeVersion, IS_PUBLISHED)
            .outerjoin(Rehearsal, IS_REHEARSED)
            .where(col(Conversation.id) == conversation_id)
        )
    ).one_or_none()
    if found is None:
        raise NotFound("There is no such conversation.")
    return answering(*found)


async def opening(session: AsyncSession, connection_id: ConnectionId) -> tuple[str, list[str]]:
    """What the employee of a connection greets people with (it may be empty), and what it offers to be asked."""
    greeting, prompts = (
        await session.execute(
            select(EmployeeVersion.greeting, EmployeeVersion.suggested_prompts)
            .join(Employee, col(Employee.id) == col(EmployeeVersion.employee_id))
            .join(Connection, col(Connection.employee_id) == col(Employee.id))
            .where(col(Connection.id) == connection_id)
            .where(col(EmployeeVersion.number) == col(Employee.published_version))
        )
    ).one()
    return greeting, prompts
