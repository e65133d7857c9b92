"""A person's yes or no to what an employee is about to do: what is shown of it, and that it counts once."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct import audit
from konstruct.errors import Conflict, NotFound
from konstruct.tables import Approval, Conversation, EmployeeVersion, Tenant, ToolCall
from konstruct.tables.base import utc_now
from konstruct.vault import Vault

ARGUMENTS: Final = "arguments"
NOTE: Final = "approval note"

State = Literal["waiting", "approved", "denied", "expired"]


@dataclass(frozen=True)
class Asked:
    """An approval as people are shown it, opened."""

    tenant_id: UUID
    approval_id: UUID
    conversation_id: UUID
    call_id: UUID
    employee: str
    tool: str
    risk: str
    reason: str
    arguments: str
    """Canonical JSON, indented, whole."""
    fingerprint: str
    """What a decision must name."""
    state: State
    decided_by: str | None
    decided_at: datetime | None
    note: str
    expires_at: datetime
    created_at: datetime
    call_state: str


@dataclass(frozen=True)
class ApprovalSettings:
    connection_key: str
    channel: str
    deciders: tuple[str, ...]
    """Ids of people, as the connection's channel knows them."""
    expires_after: timedelta


async def settings(session: AsyncSession) -> ApprovalSettings:
    """Of the session's tenant."""
    chosen = (await session.execute(select(Tenant.approvals))).scalar_one()
    return ApprovalSettings(
        connection_key=chosen.get("connection", ""),
        channel=chosen.get("channel", ""),
        deciders=tuple(chosen.get("deciders", ())),
        expires_after=timedelta(days=1),
    )


async def find(session: AsyncSession, vault: Vault, approval_id: UUID) -> Asked:
    """Raises NotFound."""
    row = await session.scalar(select(Approval).where(col(Approval.id) == approval_id))
    if row is None:
        raise NotFound("There is no such approval.")
    return await _opened(session, vault, row)


async def listing(
    session: AsyncSession, vault: Vault, *, state: str | None = None, limit: int = 50, before: UUID | None = None
) -> list[Asked]:
    """Newest first; ``before``: only what is older than this one."""
    query = select(Approval).order_by(col(Approval.id).desc()).limit(limit)
    if state is not None:
        query = query.where(col(Approval.state) == state)
    if before is not None:
        query = query.where(col(Approval.id) < before)
    return [await _opened(session, vault, row) for row in (await session.scalars(query)).all()]


async def decide(
    session: AsyncSession, vault: Vault, approval_id: UUID, *, is_yes: bool, fingerprint: str, by: str, note: str = ""
) -> Asked:
    """Counts once, and only for what was shown.

    Raises:
        NotFound: there is no such approval.
        Conflict: somebody decided before, it expired, or the fingerprint is of something else.
    """
    row = await session.scalar(select(Approval).where(col(Approval.id) == approval_id).with_for_update())
    if row is None:
        raise NotFound("There is no such approval.")
    if row.state in ("approved", "denied"):
        raise Conflict(f"It was {row.state} by {row.decided_by} already.")
    if row.state == "expired" or row.expires_at <= utc_now():
        raise Conflict("It has expired: nobody had decided in time.")
    if row.fingerprint != fingerprint:
        raise Conflict("This decision is about something else than what is asked; look at it again.")
    row.state = "approved" if is_yes else "denied"
    row.decided_by, row.decided_at = by, utc_now()
    if note:
        cipher = await vault.cipher(session, row.tenant_id, row.contact_id)
        row.sealed_note = cipher.seal(NOTE, row.id, note)
    audit.record(
        session,
        tenant_id=row.tenant_id,
        actor=by,
        action=f"approval.{row.state}",
        conversation_id=row.conversation_id,
        approval_id=str(row.id),
    )
    await session.flush()
    return await _opened(session, vault, row)


async def _opened(session: AsyncSession, vault: Vault, row: Approval) -> Asked:
    call = await session.get_one(ToolCall, (row.tenant_id, row.call_id))
    conversation = await session.get_one(Conversation, (row.tenant_id, row.conversation_id))
    name = await session.scalar(
        select(EmployeeVersion.name)
        .where(col(EmployeeVersion.employee_id) == conversation.employee_id)
        .order_by(col(EmployeeVersion.number).desc())
        .limit(1)
    )
    ciphers = await vault.ciphers(session, [row.contact_id])
    if row.contact_id not in ciphers:
        raise NotFound("There is no such approval any more: the person whom it was for was erased.")
    cipher = ciphers[row.contact_id]
    arguments = json.loads(cipher.open(ARGUMENTS, call.id, call.sealed_arguments))
    return Asked(
        tenant_id=row.tenant_id,
        approval_id=row.id,
        conversation_id=row.conversation_id,
        call_id=row.call_id,
        employee=name or "",
        tool=row.tool,
        risk=row.risk,
        reason=row.reason,
        arguments=json.dumps(arguments, indent=2, sort_keys=True, ensure_ascii=False),
        fingerprint=row.fingerprint,
        state=row.state,  # type: ignore[arg-type]  # The table allows no other.
        decided_by=row.decided_by,
        decided_at=row.decided_at,
        note=cipher.open(NOTE, row.id, row.sealed_note) if row.sealed_note else "",
        expires_at=row.expires_at,
        created_at=row.created_at,
        call_state=call.state,
    )
