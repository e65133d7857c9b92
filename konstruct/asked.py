"""What a turn was asked, once its answer is with the channel, or will never be: settled, and counted with how long it
took."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import bindparam, exists, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased
from sqlmodel import col

from konstruct.db import after_commit
from konstruct.observing import metrics
from konstruct.tables import Message
from konstruct.tables.base import utc_now

_PART = aliased(Message)
_SETTLE = (
    update(Message)
    .where(col(Message.turn_id) == bindparam("of_turn"), col(Message.direction) == "inbound")
    .where(col(Message.state) == "taken")
    .values(state=bindparam("to_state"), settled_at=bindparam("at"))
    .returning(col(Message.created_at))
    .execution_options(synchronize_session=False)
)
_SETTLE_ANSWERED = _SETTLE.where(
    ~exists().where(
        col(_PART.turn_id) == bindparam("of_turn"),
        col(_PART.direction) == "outbound",
        col(_PART.purpose) == "reply",
        col(_PART.state).in_(("pending", "sending")),
    )
)


async def settle(session: AsyncSession, turn_id: UUID | None, purpose: str, state: str) -> None:
    """It is answered with the last part of its answer, and failed with the first that fails."""
    if turn_id is None or purpose != "reply":
        return
    now = utc_now()
    to_settle = _SETTLE_ANSWERED if state == "answered" else _SETTLE
    settled = await session.execute(to_settle, {"of_turn": turn_id, "to_state": state, "at": now})
    if since := list(settled.scalars()):
        after_commit(session, lambda: _count(state, min(since), now))


def _count(state: str, since: datetime, now: datetime) -> None:
    metrics.TURNS.labels(state).inc()
    if state == "answered":
        metrics.TURN_SECONDS.observe((now - since).total_seconds())
