"""Which tools an employee has: what is built in, what the tenant defined, and what its servers offer."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

from pydantic import JsonValue
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct.billing import entitlements
from konstruct.desk import people
from konstruct.desk.people import Person
from konstruct.ports import ToolSpec
from konstruct.tables import BillingAccount, EmployeeVersion
from konstruct.tables import Tool as ToolRow
from konstruct.tools.builtin import (
    ASK_COLLEAGUE,
    BUILTINS,
    CHOOSABLE,
    READ_RESULT,
    SEARCH_KNOWLEDGE,
    SEND_REPLY,
    asking_spec,
)
from konstruct.tools.http import HttpToolDefinition
from konstruct.tools.policy import Approval, Risk, acts, may_be, usual
from konstruct.tools.schemas import canonical

ATTEMPTS: Final = 3
"""At a call that may be repeated, or that certainly did not get there."""
BUILTIN_SECONDS: Final = 30.0
SERVER_SECONDS: Final = 60.0

_NOT_IN_NAMES = re.compile(r"[^a-zA-Z0-9_-]")
_LONGEST_NAME: Final = 64


@dataclass(frozen=True)
class Tool:
    """A tool as one employee has it."""

    spec: ToolSpec
    kind: Literal["builtin", "http", "mcp"]
    risk: Risk
    approval: Approval
    is_untrusted: bool
    """Whether strangers may have written what it gives back."""
    is_repeatable: bool
    """Whether calling it twice with the same idempotency key does no more than calling it once."""
    timeout: float
    """Seconds."""
    tool_id: UUID | None = None
    remote_name: str = ""
    """What its server calls it."""
    digest: str = ""
    """Of what it does: another one is another tool, whatever it is called."""
    result_schema: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Listed:
    """A tool of the tenant, as operators are shown it."""

    name: str
    kind: str
    description: str
    risk: str
    state: str
    """``active``; ``down`` or ``refused``: its server; ``changed``: it is no longer what was accepted; ``removed``."""
    reason: str | None
    listed_at: datetime | None
    offered: dict[str, Any] | None = None
    """What a server offers now, of a tool that has changed: its description, schemas and digest."""


def model_name(key: str, name: str) -> str:
    """What a model calls a server's tool: any name becomes one that every provider takes, and stays one of its own."""
    plain = f"{key}__{_NOT_IN_NAMES.sub('_', name)}"
    if len(plain) <= _LONGEST_NAME and plain == f"{key}__{name}":
        return plain
    return f"{plain[: _LONGEST_NAME - 9]}_{hashlib.sha256(f'{key}/{name}'.encode()).hexdigest()[:8]}"


async def toolbox(session: AsyncSession, version: EmployeeVersion) -> dict[str, Tool]:
    """The tools that this employee may use now, by the names that models know; what is not to be had is left out."""
    chosen = {
        name: approval for name, approval in map(_choice, version.tools) if name in CHOOSABLE or name not in BUILTINS
    }
    rows = await _rows(session, [name for name in chosen if name not in BUILTINS])
    colleagues = (await people.settings(session)).people if ASK_COLLEAGUE in chosen else ()
    found: dict[str, Tool] = {}
    for name, approval in chosen.items():
        tool = _builtin(name, version, colleagues) if name in BUILTINS else _own(name, rows)
        if tool is not None:
            wanted = approval or tool.approval
            found[tool.spec.name] = replace(tool, approval=wanted if may_be(tool.risk, wanted) else "always")
    if any(tool.kind != "builtin" or tool.spec.name == SEARCH_KNOWLEDGE for tool in found.values()):
        found[READ_RESULT] = _of_builtin(READ_RESULT)
    return found


async def called(session: AsyncSession, version: EmployeeVersion, name: str) -> Tool | None:
    """As in ``toolbox``, for a call that was asked for, be it by a model or by a rule."""
    return sending_reply() if name == SEND_REPLY else (await toolbox(session, version)).get(name)


def sending_reply() -> Tool:
    """What a rule calls that holds an answer back; models are not shown it."""
    return _of_builtin(SEND_REPLY)


async def listing(session: AsyncSession) -> list[Listed]:
    """All tools of the session's tenant, removed ones among them."""
    rows = await session.scalars(select(ToolRow).order_by(col(ToolRow.key)))
    return [each for row in rows for each in _listed(row)]


def _choice(entry: dict[str, Any] | str) -> tuple[str, Approval | None]:
    return (entry, None) if isinstance(entry, str) else (entry["name"], entry.get("approval"))


async def _rows(session: AsyncSession, names: Sequence[str]) -> dict[str, ToolRow]:
    if not names:
        return {}
    keys = {name.partition("/")[0] for name in names}
    query = (
        select(ToolRow, BillingAccount)
        .outerjoin(BillingAccount, col(BillingAccount.tenant_id) == col(ToolRow.tenant_id))
        .where(col(ToolRow.key).in_(keys), col(ToolRow.status).in_(("active", "down")))
    )
    found = (await session.execute(query)).all()
    if not found or "tools" not in (await entitlements.given(session, found[0][1])).features:
        # They rest until the plan includes them again.
        return {}
    return {row.key: row for row, _ in found}


def _builtin(name: str, version: EmployeeVersion, colleagues: Sequence[Person]) -> Tool | None:
    """None where there is nothing to look through, or nobody to ask."""
    if name == ASK_COLLEAGUE:
        return replace(_of_builtin(name), spec=asking_spec(colleagues)) if colleagues else None
    return None if name == SEARCH_KNOWLEDGE and not version.knowledge else _of_builtin(name)


def _of_builtin(name: str) -> Tool:
    builtin = BUILTINS[name]
    return Tool(
        spec=builtin.spec,
        kind="builtin",
        risk=builtin.risk,
        approval=builtin.approval or usual(builtin.risk),
        is_untrusted=builtin.is_untrusted,
        is_repeatable=True,
        timeout=BUILTIN_SECONDS,
    )


def _own(name: str, rows: Mapping[str, ToolRow]) -> Tool | None:
    key, _, remote = name.partition("/")
    row = rows.get(key)
    if row is None:
        return None
    if row.kind == "http":
        return None if remote else _http(row)
    return _served(row, remote)


def _http(row: ToolRow) -> Tool:
    definition = HttpToolDefinition.parse(row.definition["request"])
    risk: Risk = row.definition["risk"]
    return Tool(
        spec=ToolSpec(row.key, row.definition["description"], definition.parameters),
        kind="http",
        risk=risk,
        approval=usual(risk),
        is_untrusted=True,
        is_repeatable=definition.sends_idempotency_key or (definition.method in ("GET", "HEAD") and not acts(risk)),
        timeout=definition.timeout_seconds,
        tool_id=row.id,
        result_schema=definition.result_schema,
        digest=_digest(row.definition),
    )


def _served(row: ToolRow, remote: str) -> Tool | None:
    """None for what its server does not offer, or offers in another form than was accepted."""
    offered, settings = row.listing.get(remote), row.definition.get("tools", {}).get(remote, {})
    if offered is None or offered.get("state", "accepted") != "accepted":
        return None
    risk: Risk = settings.get("risk", "sends")
    return Tool(
        spec=ToolSpec(model_name(row.key, remote), offered["description"], offered["parameters"]),
        kind="mcp",
        risk=risk,
        approval=usual(risk),
        is_untrusted=True,
        is_repeatable=bool(settings.get("repeatable", risk in ("harmless", "reads"))),
        timeout=SERVER_SECONDS,
        tool_id=row.id,
        remote_name=remote,
        digest=_digest([row.definition["url"], offered["digest"]]),
        result_schema=offered.get("result_schema"),
    )


def _digest(value: JsonValue) -> str:
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def _listed(row: ToolRow) -> list[Listed]:
    if row.kind == "http":
        described, risk = row.definition["description"], row.definition["risk"]
        return [Listed(row.key, "http", described, risk, row.status, row.status_reason, row.listed_at)]
    settings = row.definition.get("tools", {})
    offered = [
        Listed(
            name=f"{row.key}/{name}",
            kind="mcp",
            description=each["description"],
            risk=settings.get(name, {}).get("risk", "sends"),
            state=row.status if each.get("state", "accepted") == "accepted" else each["state"],
            reason=row.status_reason,
            listed_at=row.listed_at,
            offered=each["offered"] if each.get("state") == "changed" else None,
        )
        for name, each in sorted(row.listing.items())
    ]
    return offered or [Listed(row.key, "mcp", "", "", row.status, row.status_reason, row.listed_at)]
