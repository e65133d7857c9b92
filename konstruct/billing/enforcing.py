"""Refusing what a plan does not include, before it is added, with a sentence that says what to do.

What is counted is counted while the tenant's account is held, until the transaction ends that adds to it: of two at the
last place one gets it. What there is already is never judged here; ``resting`` says what becomes of it.
"""

from collections.abc import Mapping
from typing import Final, Literal
from uuid import UUID

from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import select

from konstruct.billing import allowances, entitlements
from konstruct.billing.entitlements import Entitlement
from konstruct.billing.plans import Feature
from konstruct.errors import OverPlan
from konstruct.tables import BillingAccount, Membership
from konstruct.tables.base import utc_now

Counted = Literal["employees", "connections", "seats", "knowledge_mb"]

OVERDUE: Final = "A payment is overdue, so nothing can be added just now. Once it is paid, go on here."
NO_SEAT: Final = (
    "This business has no free seat at the moment. Ask whoever invited you to make room, and open it again."
)

_INCLUDES: Final[Mapping[Counted, tuple[str, str, str]]] = {
    "employees": ("{} employee", "{} employees", "Archive one"),
    "connections": ("{} channel account", "{} channel accounts", "Disconnect one"),
    "seats": (
        "{} member of the team",
        "{} members of the team, open invitations among them",
        "Remove somebody or withdraw an invitation",
    ),
    "knowledge_mb": ("{} MB of knowledge", "{} MB of knowledge", "Remove documents"),
}
"""One, several, and what makes room."""
_LACKS: Final[Mapping[Feature, str]] = {
    "whatsapp": "WhatsApp is not part of your plan. Choose a larger plan to connect a number.",
    "tools": "Tools of your own are not part of your plan. Choose a larger plan to add one.",
    "own_keys": "Model keys of your own are not part of your plan. Choose a larger plan to use one.",
    "api": "The API is not part of your plan. Choose a larger plan to use it.",
    "audit_export": "Exporting the audit trail is not part of your plan. Choose a larger plan to export it.",
}


async def hold(session: AsyncSession) -> None:
    """Nobody else adds to what is counted before this transaction ends. Taken before any row but the tenant's own, so
    that no two wait for each other."""
    await session.execute(select(BillingAccount.tenant_id).with_for_update(key_share=True))


async def require_room(session: AsyncSession, limit: Counted, *, without: int = 0) -> None:
    """That one more fits into the session's tenant's plan. Raises OverPlan.

    Args:
        without: How many count now and will not any more, since the new one comes in their place.
    """
    await hold(session)
    await _require(session, limit, 1 - without)


async def require_seat(session: AsyncSession) -> None:
    """For somebody who was invited, whose invitation has just held it: after a downgrade there may be none. What is
    said is for them. Raises OverPlan."""
    await hold(session)
    entitled = await entitlements.of(session)
    most = entitled.limits.seats
    members = await session.scalar(select(func.count()).select_from(Membership)) or 0
    if not entitled.standing.may_add or (most is not None and members >= most):
        raise OverPlan(NO_SEAT, "seats")


async def require_knowledge(session: AsyncSession) -> None:
    """That there is room for anything more to be known. Raises OverPlan."""
    await _require(session, "knowledge_mb", 1)


async def require_text(session: AsyncSession, tenant_id: UUID, more: int) -> None:
    """That so many more bytes fit into what is known; fewer always do. Raises OverPlan.

    Not under the account's row: what is known is written slowly, and with other rows held before.
    """
    if more > 0 and (await entitlements.of(session)).account is not None:
        await session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"knowledge:{tenant_id}", 0))))
        await _require(session, "knowledge_mb", more)


async def require_feature(session: AsyncSession, feature: Feature, *, adds: bool = True) -> None:
    """That it is part of the session's tenant's plan; where something ``adds`` to it, also that anything may be added.
    Raises OverPlan."""
    entitled = await entitlements.of(session)
    if feature not in entitled.features:
        raise OverPlan(_LACKS[feature], feature)
    if adds:
        _require_paid(entitled, feature)


async def require_days(session: AsyncSession, days: int | None, former: int | None) -> None:
    """That messages may be kept for so long, None: for good. As long as so far they may be. Raises OverPlan."""
    most = (await entitlements.of(session)).limits.retention_days
    is_shorter = days is not None and (former is None or days < former)
    if most is None or days == former or is_shorter or (days is not None and days <= most):
        return
    told = f"{most:,} day{'' if most == 1 else 's'}"
    raise OverPlan(
        f"With your plan messages are kept for at most {told}. Enter {told} or fewer, or choose a larger plan.",
        "retention_days",
    )


async def _require(session: AsyncSession, limit: Counted, more: int) -> None:
    entitled = await entitlements.of(session)
    _require_paid(entitled, limit)
    most = allowances.most(entitled, limit)
    if most is None or (await allowances.used(session, limit, utc_now()) or 0) + more <= most:
        return
    included = entitled.limits.of(limit) or 0
    one, several, then = _INCLUDES[limit]
    told = (one if included == 1 else several).format(f"{included:,}")
    raise OverPlan(f"Your plan includes {told}, and no more fits in. {then}, or choose a larger plan.", limit)


def _require_paid(entitled: Entitlement, what: str) -> None:
    if not entitled.standing.may_add:
        raise OverPlan(OVERDUE, what)
