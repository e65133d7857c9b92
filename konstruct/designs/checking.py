"""What keeps a draft from being published: each thing with the field that it is about and a sentence."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct import manifest
from konstruct.designs.content import Content
from konstruct.desk import people
from konstruct.desk.people import Desk
from konstruct.documents import Loc
from konstruct.errors import BadInput
from konstruct.manifest.fields import instead
from konstruct.manifest.sections import Employee
from konstruct.tables import KnowledgeSource, Tenant
from konstruct.tools import registry
from konstruct.tools.builtin import BUILTINS, CHOOSABLE
from konstruct.tools.policy import Approval, Risk, may_be, usual
from konstruct.tools.registry import Listed


@dataclass(frozen=True)
class ToolChoice:
    name: str
    kind: str
    description: str
    risk: Risk
    approval: Approval
    """What holds where the employee's own choice says nothing."""
    reason: str | None = None
    """Why it is not to be had at the moment."""


@dataclass(frozen=True)
class SourceChoice:
    key: str
    title: str
    kind: str
    status: str


@dataclass(frozen=True)
class Surroundings:
    """What a tenant has that its employees can be given."""

    tools: tuple[ToolChoice, ...]
    sources: tuple[SourceChoice, ...]
    desk: Desk
    tenant_name: str
    time_zone: str
    models: tuple[str, ...]
    """Of the tenant, for employees who name none."""


@dataclass(frozen=True)
class Problem:
    loc: Loc
    """The way to the value: the field's name, and for parts of it what leads there."""
    sentence: str
    is_missing: bool
    """It is not there yet, as in every draft that was just begun; else it is there and wrong."""

    @property
    def field(self) -> str:
        return str(self.loc[0]) if self.loc else ""


async def surroundings(session: AsyncSession) -> Surroundings:
    """Of the session's tenant."""
    tenant = (await session.scalars(select(Tenant))).one()
    rows = await session.scalars(
        select(KnowledgeSource).where(col(KnowledgeSource.status) != "removed").order_by(col(KnowledgeSource.key))
    )
    listed = [each for each in await registry.listing(session) if each.state != "removed" and each.risk]
    return Surroundings(
        tools=(*_builtins(), *map(_own, listed)),
        sources=tuple(SourceChoice(row.key, row.title, row.kind, row.status) for row in rows),
        desk=people.read(tenant.desk, tenant.time_zone),
        tenant_name=tenant.name,
        time_zone=tenant.time_zone,
        models=tuple(tenant.models),
    )


def _builtins() -> Iterator[ToolChoice]:
    for name, builtin in BUILTINS.items():
        if name in CHOOSABLE:
            approval = builtin.approval or usual(builtin.risk)
            yield ToolChoice(name, "builtin", builtin.spec.description, builtin.risk, approval)


def _own(tool: Listed) -> ToolChoice:
    risk: Risk = tool.risk  # type: ignore[assignment]  # Its table holds no other.
    reason = None if tool.state == "active" else tool.reason or tool.state
    return ToolChoice(tool.name, tool.kind, tool.description, risk, usual(risk), reason)


def problems(content: Content, around: Surroundings) -> list[Problem]:
    """In the order of the form; none of one that can be published."""
    found: list[Problem] = []
    try:
        Employee.model_validate(_given(content), context=_context(around))
    except ValidationError as error:
        found = [Problem(*each) for each in map(_explained, error.errors(include_url=False, include_input=False))]
    found += _of_tools(content, around)
    found += _of_rules(content, around.desk)
    order = list(content)
    return sorted(found, key=lambda each: order.index(each.field) if each.field in order else len(order))


def check(content: Content, around: Surroundings) -> None:
    """Raises BadInput with all that is missing or wrong."""
    found = problems(content, around)
    if found:
        raise BadInput("\n".join(f"{label(each.loc)} {each.sentence}." for each in found))


def label(loc: Loc) -> str:
    """What people call it."""
    name = str(loc[0]).replace("_", " ").capitalize() if loc else "It"
    if len(loc) > 1 and isinstance(loc[1], int):
        name += f" {loc[1] + 1}"
    return name


def _given(content: Content) -> dict[str, Any]:
    """Empty texts that must be there are missing, in a form."""
    left_out = {"picture"} | {name for name in ("name", "role", "system_prompt") if not content[name]}
    if not content["hours"]:
        left_out.add("hours")
    return {name: value for name, value in content.items() if name not in left_out}


def _context(around: Surroundings) -> Mapping[str, Any]:
    tools = {tool.name.partition("/")[0]: tool.kind for tool in around.tools if tool.kind != "builtin"}
    return {"environ": {}, "tools": tools, "knowledge": [source.key for source in around.sources]}


def _explained(problem: Any) -> tuple[Loc, str, bool]:
    loc, message = manifest.explain(problem)
    return loc, message, problem["type"] == "missing" and len(loc) == 1


def _of_tools(content: Content, around: Surroundings) -> Iterator[Problem]:
    risks = {tool.name: tool.risk for tool in around.tools}
    for place, tool in enumerate(content["tools"]):
        risk = risks.get(str(tool.get("name"))) if isinstance(tool, dict) else None
        if risk and (approval := tool.get("approval")) and not may_be(risk, approval):
            told = "must be always asked for first: what it does cannot be taken back"
            yield Problem(("tools", place, "approval"), told, False)


def _of_rules(content: Content, desk: Desk) -> Iterator[Problem]:
    known = [*(group.key for group in desk.groups), *(person.key for person in desk.people)]
    for place, rule in enumerate(content["escalation"]):
        then = rule.get("then") if isinstance(rule, dict) else None
        for name, action in then.items() if isinstance(then, dict) else ():
            to = action.get("to") if isinstance(action, dict) else None
            if isinstance(to, str) and to not in known:
                told = f"names nobody of the hand-off groups{instead(to, known)}"
                yield Problem(("escalation", place, "then", name, "to"), told, False)
