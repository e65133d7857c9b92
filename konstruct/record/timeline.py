"""All that happened in one conversation, newest pages first: read from several tables and merged by when it was.

Each table gives the latest so many of its own before the page's end, so that a page costs the same however long the
conversation is.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import and_, case, func, or_, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct.errors import NotFound
from konstruct.record import actors, opening
from konstruct.record.actors import Names
from konstruct.record.events import KINDS, Event, Kind, Mark, Page, TurnTotals
from konstruct.record.opening import Opened, TrailTexts
from konstruct.tables import AuditEvent, Conversation, Judgement, Message, ToolCall, Usage
from konstruct.vault import Vault

PAGE: Final = 100

_TOLD_ELSEWHERE: Final = (
    *("message.sent", "message.failed", "message.held", "model.called", "tool.proposed", "tool.called"),
    *("tool.cancelled", "turn.answered", "turn.used_tools", "handoff.replied"),
)
"""Events of the trail whose message, call or ledger's row is shown already."""
_PREFIXES: Final[Mapping[Kind, Sequence[str]]] = {
    "messages": ("message.", "messages."),
    "people": ("handoff.", "approval.", "consult.", "rating.", "conversation."),
    "rules": ("rule.", "turn.", "contact."),
    "memory": ("memory.",),
}
"""Which events of the trail are of which kind."""


_Found = tuple[Mark, Any]


async def page(
    session: AsyncSession,
    vault: Vault,
    conversation_id: UUID,
    *,
    kinds: Collection[Kind] = KINDS,
    before: Mark | None = None,
    limit: int = PAGE,
) -> Page:
    """The latest ``limit`` events, or those before a mark. Raises NotFound when the session's tenant has no such
    conversation, or it is a rehearsal."""
    names = await actors.names(session, await _whose(session, conversation_id))
    found = await _found(session, conversation_id, kinds, _Span(before, is_forward=False), limit + 1)
    shown = found[:limit]
    earlier = shown[-1][0] if len(found) > limit else None
    return Page(await _opened(session, vault, conversation_id, names, shown), earlier)


async def following(
    session: AsyncSession, vault: Vault, conversation_id: UUID, after: Mark | None = None, limit: int = PAGE
) -> list[Event]:
    """All events in their order, so many at once: those after a mark, or from the beginning. Raises as ``page``."""
    names = await actors.names(session, await _whose(session, conversation_id))
    found = await _found(session, conversation_id, KINDS, _Span(after, is_forward=True), limit)
    return await _opened(session, vault, conversation_id, names, found[:limit])


@dataclass(frozen=True)
class _Span:
    """Which rows of a table are wanted: those nearest to the mark, before or after it."""

    mark: Mark | None
    is_forward: bool

    def of(self, query: Any, at: Any, row_id: Any, *order: Any) -> Any:
        if self.mark is not None:
            place, mark = tuple_(at, row_id), tuple_(self.mark.at, self.mark.id)
            query = query.where(place > mark if self.is_forward else place < mark)
        by = order or (at, row_id)
        return query.order_by(*(each.asc() if self.is_forward else each.desc() for each in by))


async def _found(
    session: AsyncSession, conversation_id: UUID, kinds: Collection[Kind], span: _Span, limit: int
) -> list[_Found]:
    """Of all tables, the nearest first."""
    found: list[_Found] = []
    if "messages" in kinds:
        # By their numbers, as they are indexed.
        found += await _rows(session, Message, "id", conversation_id, span, limit, col(Message.seq))
    if "models" in kinds:
        found += await _rows(session, Usage, "id", conversation_id, span, limit)
    if "tools" in kinds:
        found += await _rows(session, ToolCall, "id", conversation_id, span, limit)
    if "rules" in kinds:
        found += await _rows(session, Judgement, "turn_id", conversation_id, span, limit)
    found += await _trail(session, conversation_id, kinds, span, limit)
    found.sort(key=lambda each: each[0], reverse=not span.is_forward)
    return found


async def _whose(session: AsyncSession, conversation_id: UUID) -> str:
    """The employee's name."""
    name = await session.scalar(
        opening.EMPLOYEE.where(col(Conversation.id) == conversation_id, ~col(Conversation.is_rehearsal))
    )
    if name is None:
        raise NotFound("There is no such conversation.")
    return str(name)


async def _rows(
    session: AsyncSession, table: Any, key: str, conversation_id: UUID, span: _Span, limit: int, *order: Any
) -> list[_Found]:
    query = select(table).where(col(table.conversation_id) == conversation_id)
    query = span.of(query, col(table.created_at), col(getattr(table, key)), *order)
    return [(Mark(row.created_at, getattr(row, key)), row) for row in await session.scalars(query.limit(limit))]


async def _trail(
    session: AsyncSession, conversation_id: UUID, kinds: Collection[Kind], span: _Span, limit: int
) -> list[_Found]:
    action = col(AuditEvent.action)
    query = select(AuditEvent).where(col(AuditEvent.chain_id) == conversation_id, action.not_in(_TOLD_ELSEWHERE))
    if set(kinds) != set(KINDS):
        prefixes = [prefix for kind in kinds for prefix in _PREFIXES.get(kind, ())]
        if not prefixes:
            return []
        query = query.where(or_(*(action.startswith(prefix, autoescape=True) for prefix in prefixes)))
    # The chain's own order is that of time, and indexed.
    query = span.of(query, col(AuditEvent.created_at), col(AuditEvent.id), col(AuditEvent.seq))
    return [(Mark(row.created_at, row.id), row) for row in await session.scalars(query.limit(limit))]


async def _opened(
    session: AsyncSession, vault: Vault, conversation_id: UUID, names: Names, shown: Sequence[_Found]
) -> list[Event]:
    # What one transaction took note of has one moment, and stands in the order of its chain.
    in_order = sorted(shown, key=lambda each: (each[0].at, getattr(each[1], "seq", 0)))
    rows = [row for _, row in in_order]
    opened = Opened(session, vault, names)
    messages = [row for row in rows if isinstance(row, Message)]
    await opened.prepare(messages, [row for row in rows if isinstance(row, ToolCall)])
    texts = await TrailTexts.read(session, vault, conversation_id, [row for row in rows if isinstance(row, AuditEvent)])
    totals = await _totals(session, messages)
    events: list[Event] = []
    for row in rows:
        if isinstance(row, Message):
            events.append(opened.message(row, totals.get(row.id)))
        elif isinstance(row, Usage):
            events.append(opened.model(row))
        elif isinstance(row, ToolCall):
            events.append(opened.tool(row))
        elif isinstance(row, Judgement):
            events.append(opened.judged(row))
        else:
            events.append(opened.trail(row, kind_of(row.action), texts.of(row)))
    return events


def kind_of(action: str) -> Kind:
    """Of an event of the trail."""
    return next(
        (kind for kind, prefixes in _PREFIXES.items() if action.startswith(tuple(prefixes))),
        "rules",
    )


async def _totals(session: AsyncSession, messages: Sequence[Message]) -> dict[UUID, TurnTotals]:
    """What the turns took whose answers are shown, each by its last part that is."""
    last = {
        row.turn_id: row.id
        for row in messages
        if row.turn_id is not None and row.direction == "outbound" and row.author == "employee"
    }
    if not last:
        return {}
    ledger = (
        select(
            col(Usage.turn_id),
            func.count(),
            func.sum(col(Usage.input_tokens) + col(Usage.output_tokens)),
            func.coalesce(func.sum(col(Usage.cost)), 0),
        )
        .add_columns(func.count().filter(col(Usage.cost).is_(None)))
        .where(col(Usage.turn_id).in_(last))
        .group_by(col(Usage.turn_id))
    )
    is_inbound = col(Message.direction) == "inbound"
    is_answer = and_(col(Message.direction) == "outbound", col(Message.author) == "employee")
    times = (
        select(
            col(Message.turn_id),
            func.min(case((is_inbound, col(Message.created_at)))),
            func.max(case((is_answer, col(Message.settled_at)))),
        )
        .where(col(Message.turn_id).in_(last))
        .group_by(col(Message.turn_id))
    )
    took = {
        turn_id: (ended - began).total_seconds()
        for turn_id, began, ended in await session.execute(times)
        if began is not None and ended is not None
    }
    return {
        last[turn_id]: TurnTotals(calls, tokens, cost, bool(unknown), took.get(turn_id))
        for turn_id, calls, tokens, cost, unknown in await session.execute(ledger)
    }
