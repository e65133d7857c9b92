"""Which conversations each view of the inbox holds, in which order; and where a page of it ends."""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, get_args
from uuid import UUID

from sqlalchemy import ColumnElement, DateTime, Select, case, cast, func, literal, null, tuple_
from sqlmodel import col, select

from konstruct.errors import BadInput
from konstruct.tables import Connection, Conversation, Handoff

View = Literal["needs", "mine", "owned", "open", "told", "closed", "all"]
VIEWS: Final[Sequence[View]] = get_args(View)
PRIORITIES: Final = ("urgent", "high", "normal", "low")
"""The most pressing first."""

_STATES: Final[dict[str, tuple[str, ...]]] = {
    "needs": ("waiting",),
    "mine": ("owned",),
    "owned": ("owned",),
    "open": ("waiting", "owned"),
    "told": ("told",),
    "closed": ("over",),
}
WAITS_SINCE: Final = func.coalesce(
    cast(col(Handoff.progress)["waiting"]["since"].astext, DateTime(timezone=True)), col(Handoff.created_at)
)
"""Since it was given back to the queue, or else came into it."""
_URGENCY: Final = case({name: place for place, name in enumerate(PRIORITIES)}, value=col(Handoff.priority), else_=2)
_QUEUE: Final = case({"waiting": 0}, value=col(Handoff.state), else_=1)


@dataclass(frozen=True)
class Asked:
    """What of the inbox is asked for."""

    view: View = "needs"
    agent: str | None = None
    """The key of the one whose inbox it is; without it, nothing is ``mine``."""
    employee_id: UUID | None = None
    connection_id: UUID | None = None
    kind: str | None = None
    """Of the channel."""
    to: str | None = None
    """The group or the person who was asked for."""
    priority: str | None = None
    text: str = ""
    """What is looked for."""
    after: str | None = None
    """Where the page before ended."""


@dataclass(frozen=True)
class Order:
    by: tuple[Any, ...]
    """Expressions; the last of them is an id, so that no two rows are at one place."""
    descends: bool

    def after(self, place: str) -> ColumnElement[bool]:
        """Raises BadInput for what is no place of this order."""
        ends = tuple_(*(literal(value) for value in self._read(place)))
        return tuple_(*self.by) < ends if self.descends else tuple_(*self.by) > ends

    def _read(self, place: str) -> Sequence[int | datetime | UUID]:
        try:
            written = json.loads(base64.urlsafe_b64decode(place + "=" * (-len(place) % 4)))
            *numbers, moment, row_id = written
            values: list[int | datetime | UUID] = [*map(int, numbers), datetime.fromisoformat(moment), UUID(row_id)]
        except (ValueError, TypeError, AttributeError, RecursionError):
            values = []
        if len(values) != len(self.by) or any(isinstance(each, int) and not 0 <= each <= 9 for each in values):
            raise BadInput("There is no such page of this list: begin at its first one.")
        return values


def place(values: Sequence[object]) -> str:
    """Where a page ends, as the address of the next one names it."""
    written = [value if isinstance(value, int) else _written(value) for value in values]
    return base64.urlsafe_b64encode(json.dumps(written).encode()).decode().rstrip("=")


def _written(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def order(view: View) -> Order:
    """What waits comes by how pressing it is and then by how long it has waited; what somebody has, by what was said
    last."""
    if view in ("needs", "open"):
        return Order((_QUEUE, _URGENCY, WAITS_SINCE, col(Handoff.id)), descends=False)
    if view in ("mine", "owned"):
        return Order((col(Conversation.last_message_at), col(Handoff.id)), descends=True)
    if view == "told":
        return Order((col(Handoff.created_at), col(Handoff.id)), descends=True)
    if view == "closed":
        return Order((col(Handoff.ended_at), col(Handoff.id)), descends=True)
    return Order((col(Conversation.last_message_at), col(Conversation.id)), descends=True)


def query(asked: Asked) -> Select[Any]:
    """Each row: the conversation, its handoff (None where people have nothing to do with it), and its connection; in
    order, from the beginning."""
    ordered = order(asked.view)
    found = _every() if asked.view == "all" else _handed_off(asked)
    # As the index by time is declared: of "is false" Postgres does not see that it is the same.
    found = found.where(~col(Conversation.is_rehearsal))
    if asked.employee_id is not None:
        found = found.where(col(Conversation.employee_id) == asked.employee_id)
    if asked.connection_id is not None:
        found = found.where(col(Conversation.connection_id) == asked.connection_id)
    if asked.kind is not None:
        found = found.where(col(Connection.kind) == asked.kind)
    return found.order_by(*(each.desc() if ordered.descends else each for each in ordered.by))


def _every() -> Select[Any]:
    of_handoff = (col(Handoff.tenant_id) == col(Conversation.tenant_id)) & (
        col(Handoff.id) == col(Conversation.handoff_id)
    )
    return (
        select(Conversation, Handoff, Connection)
        .add_columns(*(each.label(f"at_{number}") for number, each in enumerate(order("all").by)))
        .join(Connection, _of_connection())
        .outerjoin(Handoff, of_handoff)
    )


def _handed_off(asked: Asked) -> Select[Any]:
    of_conversation = (col(Conversation.tenant_id) == col(Handoff.tenant_id)) & (
        col(Conversation.id) == col(Handoff.conversation_id)
    )
    found = (
        select(Conversation, Handoff, Connection)
        .select_from(Handoff)
        .add_columns(*(each.label(f"at_{number}") for number, each in enumerate(order(asked.view).by)))
        .join(Conversation, of_conversation)
        .join(Connection, _of_connection())
        .where(_is_of(asked.view))
    )
    if asked.view == "mine":
        found = found.where(col(Handoff.agent) == (asked.agent if asked.agent is not None else null()))
    if asked.view == "told":
        # What the employee has; where people came after all, it is in another view.
        found = found.where(col(Conversation.owner) == "employee")
    if asked.to is not None:
        found = found.where(col(Handoff.target) == asked.to)
    if asked.priority is not None:
        found = found.where(col(Handoff.priority) == asked.priority)
    return found


def _is_of(view: View) -> ColumnElement[bool]:
    states = _STATES[view]
    # As the index of those that are over is declared, which a list of one would not be seen to be.
    return col(Handoff.state) == states[0] if len(states) == 1 else col(Handoff.state).in_(states)


def _of_connection() -> ColumnElement[bool]:
    return (col(Connection.tenant_id) == col(Conversation.tenant_id)) & (
        col(Connection.id) == col(Conversation.connection_id)
    )
