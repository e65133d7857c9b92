"""What one tenant may try on another's plan: to learn how much of it is used, to use it up, or to be given of it;
``test_crossing`` runs it."""

from collections.abc import Awaitable, Callable
from typing import Final, get_args

from sqlalchemy.exc import DBAPIError, NoResultFound
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import select

from konstruct import connections, naming
from konstruct.billing import allowances, asking, enforcing, entitlements, founding, plans, resting
from konstruct.billing.plans import FEATURES
from konstruct.billing.resting import Asked
from konstruct.identity import new_id
from konstruct.tables import BillingAccount, Message
from konstruct.tables.base import utc_now
from tests.support.office import Furnished

Attempt = Callable[[AsyncSession, Furnished, Furnished], Awaitable[object]]


async def _allowances(session: AsyncSession, a: Furnished, b: Furnished) -> int | None:
    """Ours alone."""
    found = await allowances.of(session, await entitlements.of(session))
    return next(each.used for each in found if each.limit == "connections")


async def _used(session: AsyncSession, a: Furnished, b: Furnished) -> int | None:
    return await allowances.used(session, "connections", utc_now())


async def _month(session: AsyncSession, a: Furnished, b: Furnished) -> int:
    return (await allowances.this_month(session, utc_now())).day


async def _count(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    """Uses their month up."""
    async with b.session() as theirs:
        message = await theirs.get_one(Message, (b.tenant_id, b.waiting.message_id))
    message.state = "received"
    await asking.count(session, message, "UTC", utc_now())


async def _given(session: AsyncSession, a: Furnished, b: Furnished) -> str:
    """What the deployment offers of a name is no secret."""
    async with b.session() as theirs:
        account = (await theirs.scalars(select(BillingAccount))).one()
    found = await entitlements.given(session, account)
    return found.plan.key if found.plan is not None else ""


async def _room(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    """For ours, however much the other has."""
    await enforcing.hold(session)
    for limit in get_args(enforcing.Counted):
        await enforcing.require_room(session, limit)


async def _features(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    for feature in FEATURES:
        await enforcing.require_feature(session, feature)


async def _rests(session: AsyncSession, a: Furnished, b: Furnished) -> bool:
    found = await resting.now(session, await entitlements.of(session))
    return b.employee_id in found.employees or b.connection_id in found.connections


async def _why(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    """What is theirs is not there to be judged by our plan."""
    account = (await entitlements.of(session)).account
    assert account is not None
    return await resting.why(session, account, Asked(b.employee_id, b.connection_id, new_id(), "UTC"))


async def _open_account(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    founding.open_account(session, b.tenant_id)
    await session.flush()


async def _hear(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    async with b.session() as theirs:
        cipher = (await b.vault.ciphers(theirs, [b.contact_id]))[b.contact_id]
    await naming.hear(session, a.vault, a.tenant_id, cipher, "Stolen", None, None, None, can_ask=False)
    await naming.hear(session, a.vault, a.tenant_id, cipher, "Stolen", None, None, None, can_ask=True)


ON_PLANS: Final[dict[str, tuple[Attempt, object]]] = {
    "billing.allowances.of": (_allowances, 1),
    "billing.allowances.used": (_used, 1),
    "billing.allowances.this_month": (_month, 1),
    "billing.asking.count": (_count, DBAPIError),
    "billing.entitlements.given": (_given, "enterprise"),
    "billing.plans.by_keys": (lambda session, a, b: plans.by_keys(session, [str(b.tenant_id)]), {}),
    "billing.enforcing.hold": (lambda session, a, b: enforcing.hold(session), None),
    "billing.enforcing.require_room": (_room, None),
    "billing.enforcing.require_seat": (lambda session, a, b: enforcing.require_seat(session), None),
    "billing.enforcing.require_knowledge": (lambda session, a, b: enforcing.require_knowledge(session), None),
    "billing.enforcing.require_text": (lambda session, a, b: enforcing.require_text(session, b.tenant_id, 1), None),
    "billing.enforcing.require_feature": (_features, None),
    "billing.enforcing.require_days": (lambda session, a, b: enforcing.require_days(session, 9_999, 1), None),
    "billing.founding.open_account": (_open_account, DBAPIError),
    "billing.founding.retention": (lambda session, a, b: founding.retention(session), {"messages": 30}),
    "billing.resting.now": (_rests, False),
    "billing.resting.why": (_why, NoResultFound),
    "connections.require_room": (lambda session, a, b: connections.require_room(session, "whatsapp"), None),
    "naming.hear": (_hear, None),
}
