"""What the one who rehearses sees: what was said, and of each answer how it came about and what it cost."""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct.record.events import ModelCall
from konstruct.rehearsals import steps
from konstruct.rehearsals.pretending import HANDED_OFF
from konstruct.rehearsals.steps import Fired, Pretended, Thought
from konstruct.tables import Approval, Message, Rehearsal, ToolCall, Usage
from konstruct.tables.base import utc_now
from konstruct.tools import calls
from konstruct.vault import ContactCipher, Vault
from konstruct.window import Line

SLOW_AFTER: Final = timedelta(seconds=8)
"""So long a message may lie before somebody is at work on it."""
NOBODY_WORKS: Final = (
    "Nobody has taken this up yet. It is kept, and answered as soon as a worker runs: `konstruct doctor` says what is"
    " missing."
)


@dataclass(frozen=True)
class Asking:
    """A person's yes that a call waits for."""

    approval_id: UUID
    fingerprint: str
    reason: str
    state: str


@dataclass(frozen=True)
class Call:
    call_id: UUID
    step: int
    tool: str
    risk: str
    state: str
    arguments: str
    result: str
    seconds: float | None
    would: Sequence[tuple[str, str]] = ()
    """What a simulated one would have sent; empty where it was really made."""
    asking: Asking | None = None


@dataclass
class Turn:
    """How one answer came about."""

    turn_id: UUID
    thoughts: list[Thought] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    models: list[ModelCall] = field(default_factory=list)
    began_at: datetime | None = None
    ended_at: datetime | None = None

    @property
    def cost(self) -> Decimal:
        """US dollars, as far as prices are known."""
        return sum((call.cost or Decimal(0) for call in self.models), Decimal(0))

    @property
    def has_unknown_cost(self) -> bool:
        return any(call.cost is None for call in self.models)

    @property
    def tokens(self) -> int:
        return sum(call.input_tokens + call.output_tokens for call in self.models)

    @property
    def seconds(self) -> float | None:
        """Until the answer was there."""
        both = self.began_at is not None and self.ended_at is not None
        return (self.ended_at - self.began_at).total_seconds() if both else None  # type: ignore[operator]  # Both are.

    @property
    def fired(self) -> Fired | None:
        return next((thought.fired for thought in reversed(self.thoughts) if thought.fired), None)


@dataclass(frozen=True)
class Said:
    message_id: UUID
    author: str
    """``you``, ``employee``; ``note``: what the employee was told; ``notice``: a sentence of the product's own."""
    text: str
    at: datetime
    state: str
    turn: Turn | None = None
    """Of the last part of an answer."""
    is_handed_off: bool = False


@dataclass(frozen=True)
class Shown:
    rehearsal: Rehearsal
    lines: Sequence[Said]
    cost: Decimal
    """US dollars, of all model calls of this rehearsal: those of the ledger, for memory, too."""
    has_unknown_cost: bool
    is_waiting: bool
    """Whether an answer is still to come."""
    under_way: Turn | None
    """What is known of the answer that is still to come."""
    trouble: str
    """Why it takes so long, in a sentence; empty where all is well."""

    @property
    def version(self) -> str:
        """Changes whenever there is something else to show."""
        turns = [line.turn for line in self.lines if line.turn] + ([self.under_way] if self.under_way else [])
        calls = [(call.call_id, call.state, call.asking) for turn in turns for call in turn.calls]
        counted = [len(turn.thoughts) + len(turn.models) for turn in turns]
        said = [f"{line.message_id}{line.state}" for line in self.lines]
        parts = (self.rehearsal.conversation_id, self.rehearsal.acts, said, calls, counted, self.cost, self.trouble)
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


async def show(session: AsyncSession, vault: Vault, rehearsal: Rehearsal) -> Shown:
    conversation_id = rehearsal.conversation_id
    rows = list(
        await session.scalars(
            select(Message).where(col(Message.conversation_id) == conversation_id).order_by(col(Message.seq))
        )
    )
    ciphers = await vault.ciphers(session, [rehearsal.contact_id])
    cipher = ciphers.get(rehearsal.contact_id)
    turns, models = await _turns(session, cipher, conversation_id)
    waiting = [row for row in rows if row.direction == "inbound" and row.state in ("received", "taken")]
    for row in rows:
        if row.turn_id is not None and (turn := turns.get(row.turn_id)):
            _time(turn, row)
    last_of = {row.turn_id: row.id for row in rows if row.direction == "outbound" and row.state != "discarded"}
    lines = [
        Said(
            row.id,
            _author(row),
            Line.of(row).text(ciphers) or "",
            row.created_at,
            row.state,
            turns.get(row.turn_id) if row.turn_id and last_of.get(row.turn_id) == row.id else None,
            row.body == HANDED_OFF,
        )
        for row in rows
        if row.state != "discarded"
    ]
    turn_id = waiting[-1].turn_id if waiting else None
    under_way = turns.get(turn_id) if turn_id is not None and turn_id not in last_of else None
    return Shown(
        rehearsal=rehearsal,
        lines=lines,
        cost=sum((call.cost or Decimal(0) for call in models), Decimal(0)),
        has_unknown_cost=any(call.cost is None for call in models),
        is_waiting=bool(waiting),
        under_way=under_way,
        trouble=_trouble(waiting, turns),
    )


def _author(row: Message) -> str:
    if row.direction == "inbound":
        return "you" if row.author == "contact" else "note"
    return "employee" if row.purpose == "reply" else "notice"


def _time(turn: Turn, row: Message) -> None:
    if row.direction == "inbound":
        turn.began_at = min(turn.began_at or row.created_at, row.created_at)
    elif row.settled_at is not None and row.state != "discarded":
        turn.ended_at = max(turn.ended_at or row.settled_at, row.settled_at)


def _trouble(waiting: Sequence[Message], turns: dict[UUID, Turn]) -> str:
    if not waiting:
        return ""
    newest = waiting[-1]
    if newest.state == "received":
        return NOBODY_WORKS if newest.created_at < utc_now() - SLOW_AFTER else ""
    turn = turns.get(newest.turn_id) if newest.turn_id else None
    return turn.thoughts[-1].problem if turn and turn.thoughts else ""


async def _turns(
    session: AsyncSession, cipher: ContactCipher | None, conversation_id: UUID
) -> tuple[dict[UUID, Turn], list[ModelCall]]:
    turns: dict[UUID, Turn] = {}

    def turn(turn_id: UUID) -> Turn:
        return turns.setdefault(turn_id, Turn(turn_id))

    kept = await steps.of_rehearsal(session, cipher, conversation_id) if cipher else []
    would: dict[UUID, Sequence[tuple[str, str]]] = defaultdict(tuple)
    for each in kept:
        if isinstance(each.content, Pretended):
            would[each.content.call_id] = each.content.would
        else:
            turn(each.turn_id).thoughts.append(each.content)
    used = await session.scalars(
        select(Usage).where(col(Usage.conversation_id) == conversation_id).order_by(col(Usage.created_at))
    )
    models: list[ModelCall] = []
    for row in used:
        models.append(ModelCall.of(row))
        turn(row.turn_id).models.append(models[-1])
    asked = await session.scalars(select(Approval).where(col(Approval.conversation_id) == conversation_id))
    askings = {each.call_id: Asking(each.id, each.fingerprint, each.reason, each.state) for each in asked}
    made = await session.scalars(
        select(ToolCall)
        .where(col(ToolCall.conversation_id) == conversation_id)
        .order_by(col(ToolCall.step), col(ToolCall.position))
    )
    for call in made:
        if cipher is not None:
            turn(call.turn_id).calls.append(_call(call, cipher, would[call.id], askings.get(call.id)))
    return turns, models


def _call(row: ToolCall, cipher: ContactCipher, would: Sequence[tuple[str, str]], asking: Asking | None) -> Call:
    is_over = row.settled_at is not None and row.started_at is not None
    return Call(
        call_id=row.id,
        step=row.step,
        tool=row.tool,
        risk=row.risk,
        state=row.state,
        arguments=cipher.open(calls.ARGUMENTS, row.id, row.sealed_arguments),
        result=cipher.open(calls.RESULT, row.id, row.sealed_result) if row.sealed_result else "",
        seconds=(row.settled_at - row.started_at).total_seconds() if is_over else None,  # type: ignore[operator]
        would=would,
        asking=asking,
    )
