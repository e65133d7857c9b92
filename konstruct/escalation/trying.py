"""Trying rules out: which of them would have fired in the turns of a conversation, and why.

No model is asked, nothing is sent, and nobody is told.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct import employees
from konstruct.escalation import firing, judgements, judging, rules
from konstruct.escalation.facts import Facts, as_named
from konstruct.escalation.firing import Explained
from konstruct.escalation.judging import Judgement
from konstruct.escalation.rules import Rule
from konstruct.escalation.wishes import asks_for_human
from konstruct.tables import Conversation, Handoff, Message, ToolCall, Usage
from konstruct.tables import Judgement as JudgementRow
from konstruct.vault import Vault
from konstruct.window import Line, contacts_in

MOST_MESSAGES: Final = 1_000
"""Of a conversation, the latest; what is counted is counted in them."""
MOST_TURNS: Final = 100


@dataclass(frozen=True)
class Tried:
    """One turn, and what would have become of it."""

    turn_id: UUID | None
    """None of one that people took over before anything was judged."""
    began_at: datetime
    texts: tuple[str, ...]
    """What the contact wrote."""
    is_judged: bool
    """Whether its judgement was kept; if not, words decide here, and no topic is found."""
    fired: str | None
    """The rule that is acted on."""
    rules: list[Explained]


@dataclass
class _Past:
    turn_id: UUID | None
    texts: list[str]
    began_at: datetime
    ended_at: datetime
    judgement: Judgement | None = None


@dataclass(frozen=True)
class _Record:
    """All that is counted, as it is kept."""

    handoffs: Sequence[Handoff]
    judged: Sequence[JudgementRow]
    replies: Sequence[tuple[UUID | None, datetime]]
    costs: Sequence[tuple[datetime, Decimal]]
    failed_tools: Sequence[tuple[UUID, str]]


@dataclass
class _Span:
    """The turns since the conversation began or was last handed back."""

    since: datetime
    failed: int = 0
    told: set[str] = field(default_factory=set)


async def try_out(
    session: AsyncSession,
    vault: Vault,
    conversation_id: UUID,
    wanted: Sequence[Rule] | None = None,
    *,
    at_most: int = MOST_TURNS,
) -> list[Tried]:
    """The latest turns, oldest first. ``wanted``: other rules than those that the employee has now.

    Raises NotFound when the session's tenant has no such conversation.
    """
    version = await employees.serving(session, conversation_id)
    conversation = await session.get_one(Conversation, (version.tenant_id, conversation_id))
    looked_at = rules.read(version.escalation) if wanted is None else list(wanted)
    record = await _record(session, conversation_id)
    past = await _turns(session, vault, conversation_id, record)
    span, tried = _Span(conversation.created_at), []
    for turn in past:
        since = max((h.ended_at for h in record.handoffs if h.ended_at and h.ended_at <= turn.began_at), default=None)
        if since is not None and since > span.since:
            span = _Span(since)
        tried.append(_tried(turn, looked_at, record, span))
        # A pattern may take its time, and others are served meanwhile.
        await asyncio.sleep(0)
    return tried[-at_most:]


async def _record(session: AsyncSession, conversation_id: UUID) -> _Record:
    handoffs = await session.scalars(
        select(Handoff)
        .where(col(Handoff.conversation_id) == conversation_id, col(Handoff.state) != "told")
        .order_by(col(Handoff.created_at))
    )
    judged = await session.scalars(
        select(JudgementRow)
        .where(col(JudgementRow.conversation_id) == conversation_id)
        .order_by(col(JudgementRow.created_at))
    )
    replies = await session.execute(
        select(col(Message.turn_id), col(Message.created_at))
        .where(col(Message.conversation_id) == conversation_id, col(Message.author) == "employee")
        .where(col(Message.state) != "discarded")
    )
    costs = await session.execute(
        select(col(Usage.created_at), col(Usage.cost)).where(
            col(Usage.conversation_id) == conversation_id, col(Usage.cost).is_not(None)
        )
    )
    failed = await session.execute(
        select(col(ToolCall.turn_id), col(ToolCall.tool)).where(
            col(ToolCall.conversation_id) == conversation_id, col(ToolCall.state).in_(("failed", "unknown"))
        )
    )
    return _Record(
        handoffs.all(),
        judged.all(),
        [(turn_id, at) for turn_id, at in replies],
        [(at, cost) for at, cost in costs if cost is not None],
        [(turn_id, tool) for turn_id, tool in failed],
    )


async def _turns(session: AsyncSession, vault: Vault, conversation_id: UUID, record: _Record) -> list[_Past]:
    """What the contact wrote to the employee, by turns. What was handed off has no turn any more, and is found by when
    people got it."""
    found = await session.scalars(
        select(Message)
        .where(col(Message.conversation_id) == conversation_id, col(Message.author) == "contact")
        .where(col(Message.state).in_(("answered", "stopped", "failed", "passed")))
        .where(col(Message.forgotten_at).is_(None))
        .order_by(col(Message.seq).desc())
        .limit(MOST_MESSAGES)
    )
    messages = [message for message in found.all()[::-1] if not _is_peoples(message, record.handoffs)]
    ciphers = await vault.ciphers(session, contacts_in([Line.of(message) for message in messages]))
    ended = dict(record.replies)
    turns: dict[UUID | None, _Past] = {}
    for message in messages:
        text = Line.of(message).text(ciphers)
        if text is None:
            continue
        handoff = None if message.turn_id else next((h for h in record.handoffs if h.began_seq >= message.seq), None)
        key = message.turn_id or (handoff.id if handoff else None)
        at = handoff.created_at if handoff else ended.get(message.turn_id, message.created_at)
        turn = turns.setdefault(key, _Past(message.turn_id, [], message.created_at, at))
        turn.texts.append(text)
    _add_judgements(turns, record)
    return list(turns.values())


def _is_peoples(message: Message, handoffs: Sequence[Handoff]) -> bool:
    """Whether it was written to them."""
    return any(
        handoff.began_seq < message.seq and (handoff.ended_at is None or message.created_at <= handoff.ended_at)
        for handoff in handoffs
    )


def _add_judgements(turns: dict[UUID | None, _Past], record: _Record) -> None:
    for row in record.judged:
        turn = turns.get(row.turn_id)
        if turn is None:
            # While people have it nothing is judged, so it is of the turn in which they got it.
            before = (h for h in record.handoffs if h.ended_at is None or h.ended_at >= row.created_at)
            handoff = next(before, None)
            turn = turns.get(handoff.id) if handoff else None
        if turn is not None:
            turn.turn_id, turn.judgement = row.turn_id, judgements.opened(row)
            turn.ended_at = max(turn.ended_at, row.created_at)


def _tried(turn: _Past, wanted: Sequence[Rule], record: _Record, span: _Span) -> Tried:
    judgement = turn.judgement or judging.judged_by_rule("\n".join(turn.texts))
    explained = firing.explain(wanted, judging.known_with(_facts(turn, wanted, record, span), judgement))
    acted_on = next((each for each in explained if each.fires and each.rule not in span.told), None)
    if acted_on is not None and acted_on.action.tell is not None:
        span.told.add(acted_on.rule)
    span.failed += judgement.failed
    return Tried(
        turn.turn_id,
        turn.began_at,
        tuple(turn.texts),
        turn.judgement is not None,
        acted_on.rule if acted_on else None,
        explained,
    )


def _facts(turn: _Past, wanted: Sequence[Rule], record: _Record, span: _Span) -> Facts:
    answered = {
        turn_id for turn_id, at in record.replies if span.since <= at <= turn.ended_at and turn_id != turn.turn_id
    }
    return Facts(
        tuple(turn.texts),
        asked_for_human=any(map(asks_for_human, turn.texts)),
        failed_attempts=span.failed,
        turns=len(answered) + 1,
        failed_tools=as_named(wanted, (tool for turn_id, tool in record.failed_tools if turn_id == turn.turn_id)),
        cost=sum((cost for at, cost in record.costs if span.since <= at <= turn.ended_at), Decimal(0)),
    )
