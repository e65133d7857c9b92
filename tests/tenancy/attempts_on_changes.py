"""What one tenant may try on what another's contacts edit and take back; ``test_crossing`` runs it."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Final

from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct import aliases, revising
from konstruct.connections import ConnectionRef
from konstruct.tables import EarlyChange, Message
from tests.support.office import Furnished

Attempt = Callable[[AsyncSession, Furnished, Furnished], Awaitable[object]]


async def change_early(office: Furnished) -> None:
    """Before it comes, something is edited, and something else taken back."""
    at = datetime(2026, 11, 30, tzinfo=UTC)
    async with office.session() as session:
        await revising.edit(
            session, office.vault, office.ref, f"{office.account}-edited", "Canary", edited_at=at, author="U1"
        )
        await revising.remove(session, office.vault, office.ref, f"{office.account}-removed")


def _across(a: Furnished, b: Furnished) -> ConnectionRef:
    return ConnectionRef(a.tenant_id, b.connection_id)


async def _edit(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    for name in ("1", "edited", "removed"):
        await revising.edit(session, a.vault, _across(a, b), f"{b.account}-{name}", "Not yours")


async def _edit_early(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    await revising.edit(session, a.vault, _across(a, b), f"{b.account}-new", "Not yours", author="U1")


async def _edit_as(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    await revising.edit(session, b.vault, b.ref, f"{b.account}-new", "Not yours", author="U1")


async def _newest(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    async with b.session() as theirs:
        early = (await theirs.scalars(select(EarlyChange).where(col(EarlyChange.sealed).is_not(None)))).one()
        cipher = await b.vault.cipher(theirs, b.tenant_id, b.contact_id)
        message = await theirs.get_one(Message, (b.tenant_id, b.asked.message_id))
    await revising.newest(session, early, cipher, message, "Not yours", None)


async def _record(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    async with b.session() as theirs:
        message = await theirs.get_one(Message, (b.tenant_id, b.asked.message_id))
    revising.record(session, message, "message.edited")


ON_CHANGES: Final[dict[str, tuple[Attempt, object]]] = {
    "aliases.called": (lambda s, a, b: aliases.called(s, a.vault, _across(a, b), "U1"), IntegrityError),
    "revising.hold": (lambda s, a, b: revising.hold(s, "erased:00"), None),
    "revising.edit": (_edit, None),
    "revising.edit before it comes": (_edit_early, IntegrityError),
    "revising.edit as b": (_edit_as, DBAPIError),
    "revising.remove": (
        lambda s, a, b: revising.remove(s, a.vault, _across(a, b), f"{b.account}-1"),
        IntegrityError,
    ),
    "revising.remove as b": (lambda s, a, b: revising.remove(s, b.vault, b.ref, f"{b.account}-1"), DBAPIError),
    "revising.newest": (_newest, ValueError),
    "revising.record": (_record, ValueError),
}
