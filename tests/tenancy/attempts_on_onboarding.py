"""What one tenant may try on another's first steps, and on what needs somebody there; ``test_crossing`` runs it."""

from collections.abc import Awaitable, Callable
from typing import Final

from sqlalchemy import func
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select, update

from konstruct import attention, onboarding
from konstruct.tables import Approval, Employee
from konstruct.tables.base import utc_now
from tests.support.office import Furnished

Attempt = Callable[[AsyncSession, Furnished, Furnished], Awaitable[object]]


async def _progress(session: AsyncSession, a: Furnished, b: Furnished) -> tuple[bool, bool]:
    """Whether it is led on by what the other one has, which is as far."""
    shown = await onboarding.progress(session)
    assert shown.employee is not None
    return (
        shown.connection is not None and shown.connection.connection_id == b.connection_id,
        shown.employee.tenant_id == b.tenant_id,
    )


async def _dismiss_all(session: AsyncSession) -> None:
    """Of its own, so that it has to make one; what follows fails, and takes this back with it."""
    await session.execute(update(Employee).values(archived_at=utc_now()))


async def _somebody(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    await _dismiss_all(session)
    await onboarding.somebody(session, b.tenant_id, actor="a")


async def _somebody_there(session: AsyncSession, a: Furnished, b: Furnished) -> bool:
    return (await onboarding.somebody(session, b.tenant_id, actor="a")).tenant_id == b.tenant_id


async def _configure(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    await _dismiss_all(session)
    await onboarding.configure(session, b.tenant_id, start="support", name="Eve", about="", actor="a")


async def _matters(session: AsyncSession, a: Furnished, b: Furnished) -> bool:
    """As many as it has itself, whatever others have."""
    waiting = select(func.count()).select_from(Approval).where(col(Approval.state) == "waiting")
    async with b.session() as theirs:
        assert await theirs.scalar(waiting)
    own = await session.scalar(waiting.where(col(Approval.tenant_id) == a.tenant_id))
    return [matter.count for matter in await attention.matters(session) if matter.kind == "approvals"] == [own]


ON_ONBOARDING: Final[dict[str, tuple[Attempt, object]]] = {
    "onboarding.progress": (_progress, (False, False)),
    "onboarding.somebody": (_somebody, DBAPIError),
    "onboarding.somebody when there is one": (_somebody_there, False),
    "onboarding.configure": (_configure, DBAPIError),
    "onboarding.put_off_channel": (lambda s, a, b: onboarding.put_off_channel(s, actor="a"), None),
    "onboarding.close": (lambda s, a, b: onboarding.close(s, actor="a"), None),
    "attention.matters": (_matters, True),
}
