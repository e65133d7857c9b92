"""Tenants that people make for themselves."""

import re
import secrets
import unicodedata
from collections.abc import Iterator
from typing import Final
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from konstruct import audit
from konstruct.accounts import fields
from konstruct.billing import founding
from konstruct.db import Database
from konstruct.errors import Conflict
from konstruct.identity import TenantId, new_id
from konstruct.tables import Membership, Tenant
from konstruct.tables.base import utc_now

_LONGEST_SLUG: Final = 40


async def found(
    database: Database, user_id: UUID, name: str, time_zone: str = "UTC", *, is_billed: bool = False
) -> str:
    """Makes one, with the person as its owner; returns what it is called in addresses. Raises BadInput."""
    name = fields.name(name, "the name of your business")
    tenant_id = TenantId(new_id())
    async with database.account_session(user_id, tenant_id=tenant_id) as session:
        return await create(session, tenant_id, user_id, name, time_zone, is_billed=is_billed)


async def create(
    session: AsyncSession, tenant_id: UUID, user_id: UUID, name: str, time_zone: str, *, is_billed: bool
) -> str:
    """``session``: of the person and of the tenant to be. ``is_billed``: whether plans limit it, as they do where
    businesses pay."""
    retention = await founding.retention(session) if is_billed else {}
    for slug in _slugs(name):
        made = await session.scalar(
            insert(Tenant)
            .values(id=tenant_id, slug=slug, name=name, models=[], limits={}, time_zone=time_zone)
            .values(approvals={}, desk={}, retention=retention, created_at=utc_now())
            .on_conflict_do_nothing(index_elements=["slug"])
            .returning(col(Tenant.id))
        )
        if made is not None:
            break
    else:
        raise Conflict("This name is taken many times over. Choose another one.")
    session.add(Membership(tenant_id=tenant_id, user_id=user_id, role="owner"))
    if is_billed:
        founding.open_account(session, tenant_id)
    await session.flush()
    actor = f"user:{user_id}"
    audit.record(session, tenant_id=tenant_id, actor=actor, action="tenant.created", tenant=slug)
    audit.record(session, tenant_id=tenant_id, actor=actor, action="member.joined", user_id=str(user_id), role="owner")
    return slug


def _slugs(name: str) -> Iterator[str]:
    """What a business of this name may be called in addresses, the plainest first."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:_LONGEST_SLUG].strip("-")
    if not re.fullmatch(r"[a-z][a-z0-9-]+", slug):
        slug = f"business-{slug}".strip("-")
    yield slug
    for _ in range(5):
        yield f"{slug}-{secrets.token_hex(2)}"
