"""An employee with tools, for a test: what it is given, what a model asks of it, and what came of that."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from pydantic import SecretStr
from sqlmodel import col, select

from konstruct import conversations, employees
from konstruct.conversations import Turn
from konstruct.identity import new_id
from konstruct.inbox import Accepted
from konstruct.ports import ToolCall
from konstruct.source_ports import McpTool
from konstruct.tables import Approval, Employee, EmployeeVersion, Tenant
from konstruct.tables import Tool as ToolRow
from konstruct.tables import ToolCall as CallRow
from konstruct.tools import calls, defining, proposing, registry
from konstruct.tools.calls import Kept, Outcome, PastStep, Proposal
from konstruct.tools.defining import Definition
from konstruct.tools.registry import Tool
from tests.support.office import Office

DAYS = timedelta(days=3)
OBJECT: dict[str, Any] = {"type": "object"}


async def publish(
    office: Office,
    *tools: Any,
    knowledge: Sequence[str] = (),
    caps: Mapping[str, Any] | None = None,
    escalation: Sequence[Mapping[str, Any]] = (),
) -> None:
    """A new version of the office's employee, which has these tools and these rules of escalation."""
    async with office.session() as session:
        employee = await session.get_one(Employee, (office.tenant_id, office.employee_id))
        version = (
            await session.scalars(
                select(EmployeeVersion)
                .where(EmployeeVersion.employee_id == office.employee_id)
                .where(EmployeeVersion.number == employee.published_version)
            )
        ).one()
        employee.published_version += 1
        content = version.model_dump() | {
            "id": new_id(),
            "number": employee.published_version,
            "tools": [each if isinstance(each, dict) else {"name": each} for each in tools],
            "knowledge": list(knowledge),
            "caps": dict(caps or {}),
            "escalation": [dict(each) for each in escalation],
        }
        session.add(EmployeeVersion(**content))


def over_http(url: str, method: str = "GET", risk: str = "reads", **request: Any) -> Definition:
    content: dict[str, Any] = {
        "description": f"Asks {method}.",
        "risk": risk,
        "request": {"method": method, "url": url, **request},
    }
    return Definition("http", content)


def at_server(url: str, **tools: dict[str, Any]) -> Definition:
    return Definition("mcp", {"url": url, "tools": dict(tools)}, SecretStr("token-of-acme"))


async def define(office: Office, key: str, definition: Definition, secret: str | None = None) -> UUID:
    if secret is not None:
        definition = Definition(definition.kind, definition.content, SecretStr(secret))
    async with office.session() as session:
        tool, _ = await defining.put(session, office.vault, office.tenant_id, key, definition, "test")
        return tool.id


def offered(name: str, description: str = "Does it.", digest: str = "1", **more: Any) -> McpTool:
    return McpTool(name, description, more.get("parameters", OBJECT), more.get("result_schema"), f"{name}-{digest}")


async def toolbox(office: Office, asked: Accepted) -> dict[str, Tool]:
    async with office.session() as session:
        return await registry.toolbox(session, await employees.serving(session, asked.conversation_id))


@dataclass
class Job:
    """One turn of a conversation: each ``step`` is what a model asks to have done next."""

    office: Office
    asked: Accepted
    turn_id: UUID = field(default_factory=new_id)
    steps: int = 0

    async def step(
        self, *wanted: ToolCall | str, text: str = "", is_untrusted: bool = False, expires_in: timedelta = DAYS
    ) -> Kept:
        """A name alone is a call without arguments."""
        turn = await self.office.begin(self.asked, self.turn_id)
        assert isinstance(turn, Turn)
        named = [
            each if isinstance(each, ToolCall) else ToolCall(f"call_{self.steps}_{place}", each, "{}")
            for place, each in enumerate(wanted)
        ]
        proposals = proposing.propose(
            named, await toolbox(self.office, self.asked), await self.past(), is_untrusted=is_untrusted
        )
        kept = await self.keep(*proposals, text=text, after_seq=turn.asked_seqs[-1], expires_in=expires_in)
        self.steps += 1
        return kept

    async def keep(
        self, *proposals: Proposal, text: str = "", after_seq: int = 1, expires_in: timedelta = DAYS
    ) -> Kept:
        """As an attempt does that has thought to its end, whatever became of its turn meanwhile."""
        async with self.office.session() as session:
            return await calls.keep_step(
                session,
                self.office.vault,
                self.asked.conversation_id,
                self.turn_id,
                self.steps,
                text=text,
                link="openai/gpt-5.4",
                after_seq=after_seq,
                proposals=proposals,
                expires_after=expires_in,
            )

    async def past(self) -> list[PastStep]:
        async with self.office.session() as session:
            return await calls.of_turn(session, self.office.vault, self.turn_id)

    async def told(self) -> list[str]:
        """What the model hears of each call of the latest step."""
        return [call.result for call in (await self.past())[-1].calls]


async def job(office: Office, text: str = "Do it, please", *, root: str = "1.0", contact: str = "U1") -> Job:
    return Job(office, await office.say(text, root=root, contact=contact))


async def settle(office: Office, call_id: UUID, outcome: Outcome) -> None:
    async with office.session() as session:
        await calls.settle(session, office.vault, call_id, outcome)


async def call_states(office: Office) -> list[str]:
    """In the order in which they were asked for."""
    async with office.session() as session:
        rows = await session.scalars(
            select(CallRow).order_by(col(CallRow.created_at), col(CallRow.step), col(CallRow.position))
        )
        return [row.state for row in rows]


async def call_row(office: Office, call_id: UUID) -> CallRow:
    async with office.session() as session:
        return await session.get_one(CallRow, (office.tenant_id, call_id))


async def approval_row(office: Office, approval_id: UUID) -> Approval:
    async with office.session() as session:
        return await session.get_one(Approval, (office.tenant_id, approval_id))


async def tool_row(office: Office, key: str) -> ToolRow:
    async with office.session() as session:
        return (await session.scalars(select(ToolRow).where(ToolRow.key == key))).one()


async def is_tainted(office: Office, asked: Accepted) -> bool:
    async with office.session() as session:
        return (await conversations.lock(session, asked.conversation_id)).untrusted_at is not None


async def set_tenant(office: Office, **values: Any) -> None:
    async with office.session() as session:
        tenant = await session.get_one(Tenant, office.tenant_id)
        for name, value in values.items():
            setattr(tenant, name, value)
