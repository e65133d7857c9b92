"""Checks of the trail that somebody asked for: one at a time for each tenant, kept with what came of them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import func, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct.audit import verifying
from konstruct.audit.anchors import Anchors
from konstruct.audit.recording import record
from konstruct.audit.verifying import Verified
from konstruct.db import Database
from konstruct.errors import Conflict, NotFound
from konstruct.identity import new_id
from konstruct.tables import AuditCheck, AuditHead, Tenant
from konstruct.tables.base import utc_now

CUT_OFF_AFTER: Final = timedelta(minutes=5)
"""Without a sign of life, a check is taken for dead, and another may begin."""
BEATS_EVERY: Final = timedelta(seconds=1)
CUT_OFF: Final = "It was cut off before it had looked at everything. Check again."
KEPT: Final = 20
"""Of the latest checks, that a page lists."""


async def ask(session: AsyncSession, tenant_id: UUID, chain_id: UUID | None = None, *, actor: str) -> UUID:
    """Puts a check down; the worker carries it out.

    Args:
        chain_id: Of this conversation alone.

    Raises:
        Conflict: the tenant's trail is being checked.
        NotFound: the conversation has no events.
    """
    # Two who ask at once are told the same, and not by the index.
    await session.execute(select(col(Tenant.id)).where(col(Tenant.id) == tenant_id).with_for_update())
    running = (await session.scalars(select(AuditCheck).where(col(AuditCheck.ended_at).is_(None)))).one_or_none()
    if running is not None:
        if utc_now() - (running.beat_at or running.asked_at) < CUT_OFF_AFTER:
            raise Conflict("The trail is being checked already. Wait for what comes of it.")
        running.ended_at, running.outcome, running.error = utc_now(), "failed", CUT_OFF
        await session.flush()
    heads = select(func.count(), func.coalesce(func.sum(col(AuditHead.seq)), 0)).select_from(AuditHead)
    if chain_id is not None:
        heads = heads.where(col(AuditHead.chain_id) == chain_id)
    chains, events = (await session.execute(heads)).one()
    if chain_id is not None and not chains:
        raise NotFound("The trail has nothing of this conversation.")
    check_id = new_id()
    session.add(AuditCheck(tenant_id=tenant_id, id=check_id, chain_id=chain_id, asked_by=actor, total=int(events)))
    return check_id


async def carry_out(database: Database, tenant_id: UUID, check_id: UUID, read: Callable[[], Anchors]) -> Verified:
    """Does what was asked for, and keeps what came of it. One that is over already stays as it is.

    Args:
        read: Reads what the anchors say of this tenant, in another thread.
    """
    async with database.tenant_session(tenant_id) as session:
        check = await get(session, check_id)
        if check.ended_at is not None:
            return Verified()
        check.beat_at = utc_now()
    known, looked_at = await asyncio.to_thread(read), [0]

    def progress(events: int) -> None:
        looked_at[0] += events

    async with _beating(database, tenant_id, check_id, looked_at):
        # Workers on several machines each write their own file.
        verified = await verifying.verify(
            database, tenant_id, known, read, progress, only=check.chain_id, has_all_anchors=False
        )
    async with database.tenant_session(tenant_id) as session:
        await _end(session, check_id, "broken" if verified.broken else "whole", verified)
    return verified


async def give_up(session: AsyncSession, check_id: UUID, error: str = CUT_OFF) -> None:
    """It says nothing of the trail then."""
    check = await get(session, check_id)
    if check.ended_at is None:
        check.ended_at, check.outcome, check.error = utc_now(), "failed", error


async def _end(session: AsyncSession, check_id: UUID, outcome: str, verified: Verified) -> None:
    check = await get(session, check_id, hold=True)
    if check.ended_at is not None:
        return
    check.ended_at, check.outcome = utc_now(), outcome
    check.events, check.chains, check.seals = verified.events, verified.chains, verified.seals
    check.anchored, check.unproven, check.elsewhere = verified.anchored, verified.unproven, verified.elsewhere
    if verified.broken:
        told = {name: value for name, value in asdict(verified.broken).items() if value is not None}
        check.broken = {name: value if isinstance(value, int) else str(value) for name, value in told.items()}
    record(
        session,
        tenant_id=check.tenant_id,
        actor=check.asked_by,
        action="audit.checked",
        check_id=str(check_id),
        conversation=str(check.chain_id) if check.chain_id else None,
        outcome=outcome,
        events=verified.events,
        chains=verified.chains,
    )


@asynccontextmanager
async def _beating(database: Database, tenant_id: UUID, check_id: UUID, looked_at: list[int]) -> AsyncIterator[None]:
    """Says how far it is, as long as it goes on."""

    async def beat() -> None:
        while True:
            await asyncio.sleep(BEATS_EVERY.total_seconds())
            async with database.tenant_session(tenant_id) as session:
                await session.execute(
                    update(AuditCheck)
                    .where(col(AuditCheck.id) == check_id, col(AuditCheck.ended_at).is_(None))
                    .values(events=looked_at[0], beat_at=utc_now())
                    .execution_options(synchronize_session=False)
                )

    beating = asyncio.create_task(beat())
    try:
        yield
    finally:
        beating.cancel()
        # One that failed because the database was away has nothing more to say.
        await asyncio.gather(beating, return_exceptions=True)


async def get(session: AsyncSession, check_id: UUID, *, hold: bool = False) -> AuditCheck:
    """Raises NotFound when the session's tenant has no such check."""
    query = select(AuditCheck).where(col(AuditCheck.id) == check_id)
    found = (await session.scalars(query.with_for_update() if hold else query)).one_or_none()
    if found is None:
        raise NotFound("There is no such check.")
    return found


async def listing(session: AsyncSession) -> list[AuditCheck]:
    """The latest ones, newest first."""
    return list(await session.scalars(select(AuditCheck).order_by(col(AuditCheck.asked_at).desc()).limit(KEPT)))
