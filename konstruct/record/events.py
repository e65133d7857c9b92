"""What can happen in a conversation, opened for people. Words in it are untrusted: contacts and models wrote them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, Literal, get_args
from uuid import UUID

from konstruct.errors import BadInput
from konstruct.files.showing import Attached
from konstruct.tables import Usage

Kind = Literal["messages", "models", "tools", "people", "rules", "memory"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, order=True)
class Mark:
    """The place of an event among the others."""

    at: datetime
    id: UUID

    def __str__(self) -> str:
        return f"{(self.at - _EPOCH) // timedelta(microseconds=1)}-{self.id}"

    @classmethod
    def read(cls, text: str) -> "Mark":
        """Raises BadInput for what no page has given out."""
        moment, _, event_id = text.partition("-")
        try:
            return cls(_EPOCH + timedelta(microseconds=int(moment)), UUID(event_id))
        except (ValueError, OverflowError):
            raise BadInput("This page is not known: begin at the newest one.") from None


@dataclass(frozen=True)
class TurnTotals:
    """What an answer took, by the ledger."""

    calls: int
    tokens: int
    cost: Decimal
    has_unknown_cost: bool
    seconds: float | None
    """From what was asked to the last part that arrived."""


@dataclass(frozen=True)
class Said:
    """A message. ``state``: see ``konstruct.conversations``."""

    author: str
    """contact, employee, agent or system, which is a sentence of the product's own."""
    name: str
    direction: str
    purpose: str
    text: str = field(repr=False)
    gone: Literal["", "erased", "taken_back", "let_go"]
    """Why there are no words any more."""
    state: str
    error: str | None
    sent_at: datetime | None
    delivered_at: datetime | None
    read_at: datetime | None
    maybe_duplicate: bool
    is_forgotten: bool
    """No model is shown it any more."""
    files: Sequence[Attached] = ()
    turn: TurnTotals | None = None


@dataclass(frozen=True)
class ModelCall:
    """One model call, as the ledger has it."""

    name: str
    purpose: str
    outcome: str
    error: str | None
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    is_estimated: bool
    cost: Decimal | None
    seconds: float
    first_token_seconds: float | None
    is_own_key: bool

    @classmethod
    def of(cls, row: Usage) -> "ModelCall":
        return cls(
            name=f"{row.provider}/{row.model}",
            purpose=row.purpose,
            outcome=row.outcome,
            error=row.error,
            input_tokens=row.input_tokens,
            output_tokens=row.output_tokens,
            cached_tokens=row.cached_tokens,
            is_estimated=row.estimated,
            cost=row.cost,
            seconds=row.latency_ms / 1000,
            first_token_seconds=row.first_token_ms / 1000 if row.first_token_ms is not None else None,
            is_own_key=row.key_of == "tenant",
        )


@dataclass(frozen=True)
class ToolUse:
    """``state``: see ``konstruct.tools.calls``."""

    call_id: UUID
    tool: str
    risk: str
    state: str
    arguments: str = field(repr=False)
    """As the model wrote them."""
    result: str = field(repr=False)
    """As the model was shown it; empty when there is none."""
    is_untrusted: bool
    attempts: int
    seconds: float | None


@dataclass(frozen=True)
class Judged:
    asked_for_human: bool
    has_failed: bool
    mood: str
    outside_policy: bool
    topics: Sequence[str]
    confidence: float | None


@dataclass(frozen=True)
class Event:
    """``action``: as the trail calls it; ``message``, ``model``, ``tool`` or ``judged`` of what is no event of it.

    Of ``said``, ``model``, ``tool`` and ``judged`` there is one at most.
    """

    id: UUID
    at: datetime
    kind: Kind
    action: str
    actor: str
    actor_name: str
    turn_id: UUID | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)
    """Of the trail: ids, counts and names."""
    names: Mapping[str, str] = field(default_factory=dict)
    """Of those whom the detail names."""
    text: str = field(default="", repr=False)
    """What was noted, asked, answered, or given as a reason; untrusted."""
    said: Said | None = None
    model: ModelCall | None = None
    tool: ToolUse | None = None
    judged: Judged | None = None

    @property
    def mark(self) -> Mark:
        return Mark(self.at, self.id)


@dataclass(frozen=True)
class Page:
    events: Sequence[Event]
    """Oldest first."""
    earlier: Mark | None
    """Before which there is more; None when this is the beginning."""
