"""The audit trail: what was done, by whom, written in the transaction of what it tells of."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from konstruct.tables import AuditEvent


def record(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    actor: str,
    action: str,
    conversation_id: UUID | None = None,
    **detail: object,
) -> None:
    """``detail`` holds ids, counts and names of fields; never what somebody said, never a secret."""
    session.add(
        AuditEvent(tenant_id=tenant_id, conversation_id=conversation_id, actor=actor, action=action, detail=detail)
    )
