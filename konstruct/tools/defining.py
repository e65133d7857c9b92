"""Tools that a tenant defines, and servers that offer some: what they are, their secrets, and whether they are good."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal
from uuid import UUID

import structlog
from pydantic import JsonValue, SecretStr
from sqlalchemy import bindparam, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct import audit
from konstruct.billing import enforcing
from konstruct.db import Database
from konstruct.errors import BadInput, Conflict, NotFound
from konstruct.source_ports import McpServer, McpTool
from konstruct.tables import Tool
from konstruct.tables.base import utc_now
from konstruct.tools import schemas
from konstruct.tools.schemas import without_patterns
from konstruct.vault import Vault

SECRETS: Final = "tool"
"""What the vault calls the purpose of a tool's secrets."""
AUTH: Final = "auth"
"""The one secret that a tool has."""

_TOOL = select(Tool).where(col(Tool.id) == bindparam("tool_id"))

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Definition:
    """A tool as its operator wrote it. ``content`` is checked before it comes here."""

    kind: Literal["http", "mcp"]
    content: Mapping[str, JsonValue]
    secret: SecretStr | None = field(default=None, repr=False)


async def get(session: AsyncSession, tool_id: UUID) -> Tool:
    """Raises NotFound when the session's tenant has no such tool."""
    tool = (await session.execute(_TOOL, {"tool_id": tool_id})).scalar_one_or_none()
    if tool is None:
        raise NotFound("There is no such tool.")
    return tool


async def called(session: AsyncSession, key: str, *, lock: bool = False) -> Tool:
    """Raises NotFound when the session's tenant has no such tool."""
    query = select(Tool).where(col(Tool.key) == key, col(Tool.status) != "removed")
    tool = await session.scalar(query.with_for_update(key_share=True) if lock else query)
    if tool is None:
        raise NotFound(f"There is no tool {key!r}.")
    return tool


async def listing(session: AsyncSession) -> list[Tool]:
    """By their keys, without those that were removed."""
    return list(await session.scalars(select(Tool).where(col(Tool.status) != "removed").order_by(col(Tool.key))))


async def secrets(session: AsyncSession, vault: Vault, tool: Tool) -> dict[str, SecretStr]:
    if tool.sealed_secrets is None:
        return {}
    return await vault.open(session, tool.tenant_id, SECRETS, tool.id, tool.sealed_secrets)


async def put(
    session: AsyncSession, vault: Vault, tenant_id: UUID, key: str, definition: Definition, actor: str
) -> tuple[Tool, list[str] | None]:
    """The tool, made or altered to be so, and the names of what was altered; None when it was made. Raises OverPlan
    for one more where the plan includes none."""
    tool = await session.scalar(select(Tool).where(col(Tool.key) == key).with_for_update(key_share=True))
    is_new = tool is None
    if tool is None or tool.status == "removed":
        await enforcing.require_feature(session, "tools")
    if tool is None:
        tool = Tool(tenant_id=tenant_id, key=key, kind=definition.kind)
        session.add(tool)
    fields = [] if is_new or tool.status != "removed" else ["made again"]
    if tool.kind != definition.kind or tool.definition.get("url") != definition.content.get("url"):
        # What another server offers was never accepted.
        tool.kind, tool.listing, tool.listed_at = definition.kind, {}, None
    if tool.definition != definition.content:
        fields += [name for name, value in definition.content.items() if tool.definition.get(name) != value]
        fields += [name for name in tool.definition if name not in definition.content]
        tool.definition = dict(definition.content)
    fields += await _keep_secret(session, vault, tool, definition.secret)
    if is_new or fields:
        tool.looked_at = None
        if tool.status in ("removed", "refused"):
            tool.status, tool.status_reason, tool.status_changed_at = "active", None, utc_now()
        _record(session, tool, "tool.created" if is_new else "tool.changed", actor, fields=fields)
    return tool, None if is_new else fields


async def remove(session: AsyncSession, key: str, actor: str) -> None:
    """No employee has it any more; what was done with it stays on record. Raises NotFound."""
    tool = await called(session, key)
    tool.status, tool.status_reason, tool.status_changed_at = "removed", None, utc_now()
    tool.sealed_secrets = None
    _record(session, tool, "tool.removed", actor)


async def mark(session: AsyncSession, tool_id: UUID, status: str, reason: str | None) -> None:
    """How its server answered last. What is removed stays so."""
    tool = await session.scalar(_TOOL.with_for_update(key_share=True), {"tool_id": tool_id})
    if tool is None or tool.status in ("removed", status):
        return
    tool.status, tool.status_reason, tool.status_changed_at = status, reason, utc_now()
    log.warning("tool_server", tenant_id=str(tool.tenant_id), tool=tool.key, status=status)
    _record(session, tool, f"tool.{status}", "runtime")


def server(tool: Tool, opened: Mapping[str, SecretStr]) -> McpServer:
    headers: dict[str, str] = {}
    auth, secret = tool.definition.get("auth") or {}, opened.get(AUTH)
    if secret is not None:
        value = secret.get_secret_value()
        is_bearer = auth.get("kind", "bearer") == "bearer"
        headers = {"Authorization": f"Bearer {value}"} if is_bearer else {auth["name"]: value}
    return McpServer(tool.definition["url"], headers)


async def keep_listing(
    session: AsyncSession, tool_id: UUID, offered: Sequence[McpTool], *, url: str | None = None
) -> list[str]:
    """Takes in what a server offers, unless it is no longer the one at ``url``, which was asked.

    What is new is accepted, since no employee has it before somebody gives it to one; what is no longer what was
    accepted is put aside until an operator looks at it. Gives the names of those.
    """
    tool = (await session.execute(_TOOL.with_for_update(key_share=True), {"tool_id": tool_id})).scalar_one()
    if url not in (None, tool.definition.get("url")):
        return []
    by_name = {each.name: each for each in offered if _is_usable(each)}
    listing: dict[str, Any] = {}
    for name in [*tool.listing, *(name for name in by_name if name not in tool.listing)]:
        known, now = tool.listing.get(name), by_name.get(name)
        if now is None:
            listing[name] = {**tool.listing[name], "state": "gone"}
        elif known is None or known["digest"] == now.digest:
            listing[name] = _entry(now)
        else:
            listing[name] = {**known, "state": "changed", "offered": _entry(now)}
    changed = sorted(
        name
        for name, entry in listing.items()
        if entry["state"] == "changed" and tool.listing.get(name, {}).get("state") != "changed"
    )
    if changed:
        log.warning("server_tools_changed", tenant_id=str(tool.tenant_id), tool=tool.key, tools=changed)
    if listing != tool.listing:
        _record(session, tool, "tool.listed", "runtime", tools=len(by_name), changed=changed)
    tool.listing, tool.listed_at = listing, utc_now()
    return changed


async def servers_to_look_at(database: Database, at_most: int) -> list[tuple[UUID, UUID]]:
    """(tenant, tool) of all tenants' servers that are to be asked what they offer."""
    async with database.system_session() as session:
        rows = await session.execute(text("select * from servers_to_look_at(:at_most)"), {"at_most": at_most})
        return [(tenant_id, tool_id) for tenant_id, tool_id in rows]


async def note_looked(session: AsyncSession, tool_id: UUID) -> None:
    (await get(session, tool_id)).looked_at = utc_now()


async def accept(session: AsyncSession, key: str, name: str, digest: str, actor: str) -> None:
    """An operator takes a server's tool as it was offered when they looked: ``digest`` says what that was.

    Raises:
        NotFound: there is nothing to accept.
        Conflict: the server offers something else by now.
    """
    tool = await called(session, key, lock=True)
    entry = tool.listing.get(name)
    if entry is None or entry["state"] != "changed":
        raise NotFound(f"There is no change of {key}/{name} to accept.")
    if entry["offered"]["digest"] != digest:
        raise Conflict(f"{key}/{name} is not offered with this digest (any more): look at it again.")
    tool.listing = {**tool.listing, name: entry["offered"]}
    _record(session, tool, "tool.accepted", actor, name=name, digest=entry["offered"]["digest"])


def _is_usable(offered: McpTool) -> bool:
    """What has a schema that is none, or that takes for ever, is not offered to any model."""
    try:
        for schema in (offered.parameters, offered.result_schema):
            if schema is not None:
                schemas.check(schema)
    except BadInput:
        return False
    return True


def _entry(offered: McpTool) -> dict[str, Any]:
    return {
        "description": offered.description,
        "parameters": without_patterns(dict(offered.parameters)),
        "result_schema": without_patterns(dict(offered.result_schema)) if offered.result_schema else None,
        "digest": offered.digest,
        "state": "accepted",
    }


async def _keep_secret(session: AsyncSession, vault: Vault, tool: Tool, secret: SecretStr | None) -> list[str]:
    known = (await secrets(session, vault, tool)).get(AUTH)
    if known == secret:
        return []
    tool.sealed_secrets = None
    if secret is not None:
        tool.sealed_secrets = await vault.seal(session, tool.tenant_id, SECRETS, tool.id, {AUTH: secret})
    return ["secret replaced" if known and secret else "secret"]


def _record(session: AsyncSession, tool: Tool, action: str, actor: str, **detail: Any) -> None:
    audit.record(
        session, tenant_id=tool.tenant_id, actor=actor, action=action, tool_id=str(tool.id), key=tool.key, **detail
    )
