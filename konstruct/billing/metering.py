"""Models that are paid by use: each row of usage is put down once, in its own transaction, and told to Stripe under its
id, so that whatever crashes in between, Stripe counts it once.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, update
from sqlalchemy import text as sql
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct.billing import plans
from konstruct.billing.standing import standing
from konstruct.billing_ports import Payments
from konstruct.db import Database, among, before_commit
from konstruct.errors import PaymentsRefused, PaymentsUnavailable
from konstruct.tables import BillingAccount, MeteredUsage, Usage
from konstruct.tables.base import utc_now

AT_ONCE: Final = 20
"""Rows that are sent side by side."""
KNOWN_FOR: Final = timedelta(hours=23)
"""Stripe counts an id once within a day. What may have arrived longer ago is not sent again: better one too few."""
TAKEN_FOR: Final = timedelta(days=34)
"""Stripe takes what was used up to 35 days ago."""

# Asked whenever a model was, and so built once.
_ACCOUNT: Final = select(BillingAccount)
_MILLION: Final = Decimal(1_000_000)
_UNCERTAIN: Final = "It is not known whether Stripe counted it, and it is too long ago to send it again."
_TOO_OLD: Final = "It is too long ago for Stripe to take it."


@dataclass(frozen=True)
class Sent:
    rows: int
    is_more: bool
    """More can be sent at once."""
    problem: str = ""
    """Why some could not be."""


def put_down(session: AsyncSession, rows: Sequence[Usage]) -> None:
    """What of them is billed by use, in the transaction that stores them; by the plan that holds then."""
    values = {row.id: (value, row) for row in rows if (value := _value(row))}
    if not values:
        return

    async def put(last: AsyncSession) -> None:
        account = (await last.scalars(_ACCOUNT)).one_or_none()
        if account is None or account.customer_id is None or not standing(account, utc_now()).has_plan:
            return
        metered = (await plans.by_key(last, account.plan)).metered
        if metered is None:
            return
        last.add_all(
            MeteredUsage(
                tenant_id=row.tenant_id,
                id=id_,
                event_name=metered.event_name,
                customer_id=account.customer_id,
                value=value,
                used_at=row.created_at,
            )
            for id_, (value, row) in values.items()
        )

    before_commit(session, put)


def _value(row: Usage) -> int:
    """Millionths of a US dollar: nothing for what has no price, what the tenant's own key paid, and rehearsals."""
    if row.cost is None or row.key_of != "deployment" or row.is_rehearsal:
        return 0
    return int((row.cost * _MILLION).to_integral_value(ROUND_HALF_EVEN))


async def tenants(database: Database, after: UUID | None, at_most: int) -> list[UUID]:
    """Of which something waits, by their ids."""
    query = sql("select tenants_to_meter(:after, :at_most)")
    async with database.system_session() as session:
        return list(await session.scalars(query, {"after": after, "at_most": at_most}))


async def send(database: Database, payments: Payments, tenant_id: UUID) -> Sent:
    """Some of what waits. It is noted before that it may arrive, and afterwards that it did; a crash in between
    repeats it under the same id.

    Raises PaymentsUnavailable, once what was counted all the same is noted.
    """
    async with database.tenant_session(tenant_id) as session:
        rows = await _take(session)
    answers = await asyncio.gather(*(_meter(payments, row) for row in rows))
    sent = [row.id for row, answer in zip(rows, answers, strict=True) if answer is None]
    refused = {row.id: error for row, error in zip(rows, answers, strict=True) if isinstance(error, PaymentsRefused)}
    async with database.tenant_session(tenant_id) as session:
        counted = update(MeteredUsage).where(among(col(MeteredUsage.id), sent))
        await session.execute(counted.values(state="sent", settled_at=utc_now(), problem=None))
        for id_, error in refused.items():
            # It was not counted, so the day within which it may be sent again has not begun.
            noting = update(MeteredUsage).where(col(MeteredUsage.id) == id_)
            await session.execute(noting.values(problem=str(error), tried_at=None))
    for answer in answers:
        if isinstance(answer, PaymentsUnavailable):
            raise answer
    return Sent(len(sent), len(rows) == AT_ONCE and not refused, next(map(str, refused.values()), ""))


async def _take(session: AsyncSession) -> Sequence[MeteredUsage]:
    """Those that wait longest, what was refused before last, with that they may arrive from now on."""
    now = utc_now()
    waiting = col(MeteredUsage.state) == "waiting"
    await _give_up(session, col(MeteredUsage.tried_at) < now - KNOWN_FOR, _UNCERTAIN)
    await _give_up(session, col(MeteredUsage.used_at) < now - TAKEN_FOR, _TOO_OLD)
    order = (col(MeteredUsage.problem).is_not(None), col(MeteredUsage.used_at), col(MeteredUsage.id))
    rows = (await session.scalars(select(MeteredUsage).where(waiting).order_by(*order).limit(AT_ONCE))).all()
    for row in rows:
        row.tried_at = row.tried_at or now
    return rows


async def _give_up(session: AsyncSession, which: ColumnElement[bool], why: str) -> None:
    giving_up = update(MeteredUsage).where(col(MeteredUsage.state) == "waiting", which)
    await session.execute(giving_up.values(state="refused", problem=why, settled_at=utc_now()))


async def _meter(payments: Payments, row: MeteredUsage) -> PaymentsUnavailable | PaymentsRefused | None:
    try:
        await payments.meter(row.event_name, row.customer_id, row.value, identifier=row.id, at=row.used_at)
    except (PaymentsUnavailable, PaymentsRefused) as error:
        return error
    return None
