"""The window: the latest turns of a conversation, as a model is shown them. A sealed copy of it may lie in Redis."""

import base64
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

from pydantic import ConfigDict, TypeAdapter
from sqlalchemy import and_, bindparam, func, or_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct.errors import NotFound
from konstruct.tables import Conversation, ConversationSummary, Message
from konstruct.vault import ContactCipher

MESSAGE: Final = "message"
"""What ciphers call the purpose of a message's text."""

LONGEST: Final = 400
"""Lines that are read at most. A summary is made of what is older long before; a model's own window cuts further."""

_Dumped = tuple[UUID, int, UUID | None, str, UUID | None, bytes, datetime, str | None]
# The first number is the format's own: it is raised with every change of what a copy holds.
_COPY: Final[TypeAdapter[tuple[Literal[2], UUID, int, int, tuple[_Dumped, ...]]]] = TypeAdapter(
    tuple[Literal[2], UUID, int, int, tuple[_Dumped, ...]], config=ConfigDict(val_json_bytes="base64", strict=True)
)

LINE = (
    col(Message.id),
    col(Message.seq),
    col(Message.turn_id),
    col(Message.author),
    col(Message.contact_id),
    col(Message.sealed),
    col(Message.body),
    col(Message.created_at),
    col(Message.signed),
)
_SETTLED = (
    select(*LINE[:4])
    .add_columns(*LINE[4:])
    .where(col(Message.conversation_id) == bindparam("conversation_id"), col(Message.seq) > bindparam("after_seq"))
    .where(
        or_(
            col(Message.state).in_(("answered", "stopped", "failed", "passed", "sending", "waiting", "sent")),
            # What an agent wrote is said, wherever it is on its way; so is what waited for the contact to write again.
            and_(or_(col(Message.author) == "agent", col(Message.turn_id).is_(None)), col(Message.state) == "pending"),
        )
    )
    .where(col(Message.purpose) == "reply", col(Message.forgotten_at).is_(None))
    .where(or_(col(Message.sealed).is_not(None), col(Message.body).is_not(None)))
    .limit(LONGEST)
)
_REVISION = (
    select(col(Conversation.revision), func.coalesce(col(ConversationSummary.through_seq), 0).label("after_seq"))
    .outerjoin(ConversationSummary, col(ConversationSummary.conversation_id) == col(Conversation.id))
    .where(col(Conversation.id) == bindparam("conversation_id"))
)
_LATEST = _SETTLED.order_by(col(Message.seq).desc())
_FIRST = _SETTLED.where(col(Message.seq) <= bindparam("through_seq")).order_by(col(Message.seq))


@dataclass(frozen=True)
class Line:
    """One message, still sealed; ``body`` where an older version wrote it in plain."""

    message_id: UUID
    seq: int
    turn_id: UUID | None
    author: str
    contact_id: UUID | None
    sealed: bytes | None
    body: str | None
    at: datetime
    signed: str | None = None
    """The name of the agent who wrote it."""

    @classmethod
    def of(cls, message: Message) -> "Line":
        return cls(
            message.id,
            message.seq,
            message.turn_id,
            message.author,
            message.contact_id,
            message.sealed,
            message.body,
            message.created_at,
            message.signed,
        )

    @classmethod
    def of_row(cls, row: Sequence[Any]) -> "Line":
        """``row``: the columns of ``LINE``."""
        return cls(*row)

    @property
    def is_answer(self) -> bool:
        return self.author in ("employee", "agent")

    @property
    def is_note(self) -> bool:
        """Of the product's own, for the model: nobody said it."""
        return self.author == "system"

    def text(self, ciphers: Mapping[UUID, ContactCipher]) -> str | None:
        """None when it was taken back, or its contact was erased."""
        if self.sealed is None:
            return self.body
        cipher = ciphers.get(self.contact_id) if self.contact_id else None
        return cipher.open(MESSAGE, self.message_id, self.sealed) if cipher else None


@dataclass(frozen=True)
class Window:
    """What was settled after ``after_seq``, in the order of ``seq``, as the conversation's ``revision`` had it."""

    conversation_id: UUID
    revision: int
    after_seq: int
    lines: tuple[Line, ...]

    def holds_for(self, conversation_id: UUID, revision: int, after_seq: int) -> bool:
        return (self.conversation_id, self.revision) == (conversation_id, revision) and self.after_seq <= after_seq

    def after(self, seq: int) -> "Window":
        return replace(self, after_seq=seq, lines=tuple(line for line in self.lines if line.seq > seq))


async def read(session: AsyncSession, conversation_id: UUID, *, revision: int, after_seq: int) -> Window:
    """``revision`` must have been read before, so that a change in between makes the window stale, not wrong."""
    rows = (await session.execute(_LATEST, {"conversation_id": conversation_id, "after_seq": after_seq})).all()
    return Window(conversation_id, revision, after_seq, tuple(Line.of_row(row) for row in reversed(rows)))


async def latest(session: AsyncSession, conversation_id: UUID) -> Window:
    """What the next turn will look back on, if nothing is changed until then. Raises NotFound when the session's tenant
    has no such conversation."""
    found = (await session.execute(_REVISION, {"conversation_id": conversation_id})).one_or_none()
    if found is None:
        raise NotFound("There is no such conversation.")
    return await read(session, conversation_id, revision=found.revision, after_seq=found.after_seq)


async def between(session: AsyncSession, conversation_id: UUID, after_seq: int, through_seq: int) -> list[Line]:
    """What was settled there, at most the first ``LONGEST`` lines."""
    where = {"conversation_id": conversation_id, "after_seq": after_seq, "through_seq": through_seq}
    return [Line.of_row(row) for row in (await session.execute(_FIRST, where)).all()]


def in_order(lines: Iterable[Line], asked_in: UUID | None = None) -> list[Line]:
    """By turns, each question before its answer: what came in while an older question was being answered was written
    before that answer, and yet is what comes after it. ``asked_in`` is the turn whose answer is still to come."""
    lines = list(lines)
    # The latest first, so that of an answer in parts the first part's place is what stays.
    answered_at: dict[UUID | None, float] = {
        line.turn_id: line.seq for line in reversed(lines) if line.is_answer and line.turn_id is not None
    }
    if asked_in is not None:
        answered_at[asked_in] = math.inf

    def place(line: Line) -> tuple[float, bool, int]:
        return (line.seq if line.is_answer else answered_at.get(line.turn_id, line.seq), line.is_answer, line.seq)

    return sorted(lines, key=place)


def contacts_in(lines: Sequence[Line]) -> set[UUID]:
    return {line.contact_id for line in lines if line.contact_id is not None}


def dump(window: Window) -> str | None:
    """None for a window that is not wholly sealed: nothing plain leaves the database."""
    if any(line.sealed is None for line in window.lines):
        return None
    lines = [_dumped(line) for line in window.lines]
    return json.dumps([2, window.conversation_id.hex, window.revision, window.after_seq, lines])


def load(text: str) -> Window | None:
    """None for what this version did not write."""
    try:
        return _loaded(*_COPY.validate_json(text))
    except ValueError:
        return None


def _dumped(line: Line) -> list[Any]:
    return [
        line.message_id.hex,
        line.seq,
        line.turn_id and line.turn_id.hex,
        line.author,
        line.contact_id and line.contact_id.hex,
        base64.b64encode(line.sealed or b"").decode(),
        line.at.isoformat(),
        line.signed,
    ]


def _loaded(_: int, conversation_id: UUID, revision: int, after_seq: int, lines: tuple[_Dumped, ...]) -> Window:
    return Window(conversation_id, revision, after_seq, tuple(Line(*line[:6], None, *line[6:]) for line in lines))
