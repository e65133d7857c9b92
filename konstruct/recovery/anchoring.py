"""The anchors are told that the database is of an earlier moment: seals that are gone are not taken for removed.

Signed as every anchor is; the trail tells the same, and ``konstruct audit verify`` says both each time.
"""

import asyncio
from pathlib import Path
from uuid import UUID

from sqlalchemy import func
from sqlmodel import col, select

from konstruct import tenants
from konstruct.audit import anchors
from konstruct.audit.anchors import Restored
from konstruct.audit.signing import Signatures
from konstruct.db import Database
from konstruct.tables import AuditSeal, Restoration


async def tell(database: Database, signatures: Signatures, anchor_file: Path, restoration: Restoration) -> None:
    """Of every tenant that the database or the anchors know. The same again adds nothing."""
    known = await asyncio.to_thread(anchors.read, [anchor_file], signatures)
    through = {tenant_id: await _through(database, tenant_id) for tenant_id in (await tenants.every(database)).values()}
    # Those that came to be after the backup are gone with all of their seals.
    through |= {tenant_id: 0 for tenant_id in known.roots if tenant_id not in through}
    lines = []
    for tenant_id, seal in sorted(through.items()):
        restored = Restored(restoration.id, restoration.of_moment, restoration.restored_at, seal)
        if restored not in known.restored.get(tenant_id, ()):
            lines.append(anchors.line_of_restoration(signatures, tenant_id, restored))
    if lines:
        await asyncio.to_thread(anchors.append, anchor_file, lines)


async def _through(database: Database, tenant_id: UUID) -> int:
    async with database.tenant_session(tenant_id) as session:
        return await session.scalar(select(func.coalesce(func.max(col(AuditSeal.number)), 0))) or 0
