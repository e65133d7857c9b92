"""The end of a tenant. Deleted, it is nobody's at once: nobody gets in, nothing comes in, and without its key nothing
that was sealed can be read again. Then, in the background, all of it is removed but its audit trail, under a name that
says nothing.
"""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import delete, func, select, update
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import SQLModel, col

from konstruct import audit, tenant_settings
from konstruct.db import Database
from konstruct.errors import NotFound
from konstruct.tables import (
    ApiKey,
    AuditCheck,
    BillingAccount,
    BudgetHold,
    BudgetMonth,
    CannedReply,
    Connection,
    Contact,
    ContactErasure,
    Conversation,
    ConversationSummary,
    Employee,
    EmployeePicture,
    File,
    FileRemoval,
    Handoff,
    Invitation,
    Judgement,
    KnowledgeSource,
    Membership,
    Memory,
    MeteredUsage,
    ModelKey,
    PlanMonth,
    Rating,
    Rehearsal,
    RetentionRun,
    SlackAttempt,
    Step,
    TenantKey,
    ThresholdAlert,
    Tool,
    WhatsAppDraft,
)
from konstruct.tables.base import utc_now

# With connections go contacts and conversations with all that was said; with employees their versions and drafts. What
# hangs on a conversation and names a contact, too, comes first: it would still be there when its contact goes.
_REMOVED: Final[tuple[type[SQLModel], ...]] = (
    *(Rehearsal, Memory, ConversationSummary, Step, Handoff, Judgement, Rating, ContactErasure),
    *(Connection, Employee, EmployeePicture, Tool, KnowledgeSource, ModelKey, ApiKey, TenantKey),
    *(Invitation, Membership, SlackAttempt, WhatsAppDraft, RetentionRun, CannedReply, AuditCheck),
    *(BillingAccount, PlanMonth, BudgetMonth, BudgetHold, ThresholdAlert, MeteredUsage),
)


@dataclass(frozen=True)
class Amount:
    """What would go."""

    employees: int
    contacts: int
    conversations: int


async def preview(session: AsyncSession) -> Amount:
    """Of the session's tenant."""
    counted = [
        await session.scalar(select(func.count()).select_from(table)) or 0
        for table in (Employee, Contact, Conversation)
    ]
    return Amount(*counted)


async def begin(session: AsyncSession, tenant_id: UUID, *, actor: str) -> None:
    """What cannot be undone; the rest is for ``clear``. Raises NotFound when it was deleted before."""
    tenant = await tenant_settings.locked(session, tenant_id)
    if tenant.deleted_at is not None:
        raise NotFound("This business was deleted.")
    audit.record(session, tenant_id=tenant_id, actor=actor, action="tenant.deleted", tenant=tenant.slug)
    # Its name in addresses, and its accounts at channels, are free for others from now on.
    tenant.slug, tenant.name = f"deleted-{tenant_id.hex}", "Deleted"
    tenant.models, tenant.limits, tenant.approvals, tenant.desk, tenant.retention = [], {}, {}, {}, {}
    tenant.deleted_at = utc_now()
    await session.execute(
        update(Connection)
        .values(
            account=func.concat("deleted:", col(Connection.id)),
            external={},
            sealed_secrets=None,
            status="revoked",
            status_reason="deleted",
            status_changed_at=utc_now(),
        )
        .execution_options(synchronize_session=False)
    )
    for table in (ModelKey, ApiKey, TenantKey, Invitation, Membership):
        await session.execute(delete(table).execution_options(synchronize_session=False))


async def waiting(database: Database, at_most: int) -> list[UUID]:
    """Tenants that were deleted, and of which something is left."""
    async with database.system_session() as session:
        return list(await session.scalars(sql("select tenants_to_clear(:at_most)"), {"at_most": at_most}))


async def put_down_files(session: AsyncSession, tenant_id: UUID) -> None:
    """All that lies in the store, to be removed now; one that is being fetched is removed with its row."""
    objects = select(col(File.tenant_id), func.coalesce(col(File.object_id), col(File.id)), func.now()).distinct()
    removal = insert(FileRemoval).from_select(["tenant_id", "id", "due_at"], objects)
    await session.execute(removal.on_conflict_do_nothing())
    await session.execute(delete(File).execution_options(synchronize_session=False))
    await session.execute(update(FileRemoval).values(due_at=func.now()).execution_options(synchronize_session=False))


async def clear(session: AsyncSession, tenant_id: UUID) -> None:
    """Removes all rows, once no file is left in the store. Raises NotFound for one that was not deleted."""
    tenant = await tenant_settings.locked(session, tenant_id)
    if tenant.deleted_at is None:
        raise NotFound("This business was not deleted.")
    for table in _REMOVED:
        await session.execute(delete(table).execution_options(synchronize_session=False))
    tenant.cleared_at = utc_now()
    audit.record(session, tenant_id=tenant_id, actor="deletion", action="tenant.cleared")
