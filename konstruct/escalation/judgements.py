"""What was judged of the turns of a conversation, and what rules count: since it began or was last handed back."""

from dataclasses import dataclass
from decimal import Decimal
from typing import cast
from uuid import UUID

from sqlalchemy import Uuid, bindparam, func
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct.escalation.facts import Mood
from konstruct.escalation.judging import Judgement
from konstruct.tables import Conversation, Handoff, Message, Usage
from konstruct.tables import Judgement as JudgementRow
from konstruct.tables.base import utc_now

_SINCE = func.coalesce(col(Conversation.counted_since), col(Conversation.created_at))
_OF_TURN = bindparam("of_turn", type_=Uuid)
_COUNTED = select(
    select(func.count(func.distinct(col(Message.turn_id))))
    .where(col(Message.conversation_id) == col(Conversation.id), col(Message.created_at) >= _SINCE)
    .where(col(Message.author) == "employee", col(Message.state) != "discarded", col(Message.turn_id) != _OF_TURN)
    .correlate(Conversation)
    .scalar_subquery()
    .label("turns"),
    select(func.count())
    .where(col(JudgementRow.conversation_id) == col(Conversation.id), col(JudgementRow.created_at) >= _SINCE)
    .where(col(JudgementRow.has_failed), col(JudgementRow.turn_id) != _OF_TURN)
    .correlate(Conversation)
    .scalar_subquery()
    .label("failed"),
    select(func.coalesce(func.sum(col(Usage.cost)), 0))
    .where(col(Usage.conversation_id) == col(Conversation.id), col(Usage.created_at) >= _SINCE)
    .correlate(Conversation)
    .scalar_subquery()
    .label("cost"),
    select(func.array_agg(col(Handoff.rule)))
    .where(col(Handoff.conversation_id) == col(Conversation.id), col(Handoff.created_at) >= _SINCE)
    .where(col(Handoff.rule).is_not(None))
    .correlate(Conversation)
    .scalar_subquery()
    .label("told"),
).where(col(Conversation.id) == bindparam("of_conversation"))


@dataclass(frozen=True)
class Counted:
    """Of all turns but the one that asks."""

    turns: int
    """Those that were answered."""
    failed: int
    """Those in which the contact said, or showed, that an earlier answer did not help."""
    cost: Decimal
    """US dollars, as far as prices are known; the asking turn's calls among them."""
    told: frozenset[str]
    """Rules of which people were told."""


async def counted(session: AsyncSession, conversation_id: UUID, turn_id: UUID) -> Counted:
    row = (await session.execute(_COUNTED, {"of_conversation": conversation_id, "of_turn": turn_id})).one()
    return Counted(row.turns, row.failed, Decimal(row.cost), frozenset(row.told or ()))


async def of_turn(session: AsyncSession, turn_id: UUID) -> Judgement | None:
    row = await session.scalar(select(JudgementRow).where(col(JudgementRow.turn_id) == turn_id))
    return opened(row) if row is not None else None


async def keep(session: AsyncSession, tenant_id: UUID, conversation_id: UUID, turn_id: UUID, found: Judgement) -> None:
    """One for each turn: what is judged of it later, when more was said, takes the place of the first."""
    judged = {
        "asked_for_human": found.asked_for_human,
        "has_failed": found.failed,
        "mood": found.mood,
        "outside_policy": found.outside_policy,
        "topics": sorted(found.topics),
        "confidence": found.confidence,
    }
    row = {"tenant_id": tenant_id, "turn_id": turn_id, "conversation_id": conversation_id, "created_at": utc_now()}
    statement = insert(JudgementRow).values(row | judged)
    await session.execute(statement.on_conflict_do_update(index_elements=["tenant_id", "turn_id"], set_=judged))


def opened(row: JudgementRow) -> Judgement:
    return Judgement(
        asked_for_human=row.asked_for_human,
        failed=row.has_failed,
        mood=cast(Mood, row.mood),
        outside_policy=row.outside_policy,
        topics=frozenset(row.topics),
        # It is kept in four bytes: what was 0.7 would come back as a little less.
        confidence=None if row.confidence is None else round(row.confidence, 6),
    )
