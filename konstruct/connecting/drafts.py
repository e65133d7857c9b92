"""The form for a WhatsApp number, half filled in: one of each person in each tenant, its secrets sealed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final
from uuid import UUID

from pydantic import SecretStr
from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select
from sqlmodel.sql.expression import SelectOfScalar

from konstruct.identity import TenantId, new_id
from konstruct.tables import WhatsAppDraft
from konstruct.tables.base import utc_now
from konstruct.vault import Vault

KEPT_FOR: Final = timedelta(days=30)
"""A form that nobody came back to goes, with its secrets, when the next one in its tenant is filled in."""

_PURPOSE: Final = "whatsapp draft"


@dataclass(frozen=True)
class Draft:
    content: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, SecretStr] = field(default_factory=dict, repr=False)


async def read(session: AsyncSession, vault: Vault, tenant_id: TenantId, user_id: UUID) -> Draft:
    row = (await session.execute(_of(user_id))).scalar_one_or_none()
    if row is None:
        return Draft()
    secrets: dict[str, SecretStr] = {}
    if row.sealed_secrets is not None:
        secrets = await vault.open(session, tenant_id, _PURPOSE, row.id, row.sealed_secrets)
    return Draft(dict(row.content), secrets)


async def keep(session: AsyncSession, vault: Vault, tenant_id: TenantId, user_id: UUID, draft: Draft) -> None:
    await session.execute(delete(WhatsAppDraft).where(col(WhatsAppDraft.updated_at) < utc_now() - KEPT_FOR))
    # Two fields may be left at once: one insert wins, and both write to what won.
    await session.execute(
        insert(WhatsAppDraft)
        .values(tenant_id=tenant_id, id=new_id(), user_id=user_id, content={}, updated_at=utc_now())
        .on_conflict_do_nothing()
    )
    row = (await session.execute(_of(user_id).with_for_update())).scalar_one()
    row.content, row.updated_at = dict(draft.content), utc_now()
    row.sealed_secrets = await vault.seal(session, tenant_id, _PURPOSE, row.id, dict(draft.secrets))


async def drop(session: AsyncSession, user_id: UUID) -> None:
    await session.execute(delete(WhatsAppDraft).where(col(WhatsAppDraft.user_id) == user_id))


def _of(user_id: UUID) -> SelectOfScalar[WhatsAppDraft]:
    return select(WhatsAppDraft).where(col(WhatsAppDraft.user_id) == user_id)
