"""What is kept of a rehearsal's steps, under its contact's key: what a model was shown, and why it went as it did."""

from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct.identity import new_id
from konstruct.tables import Rehearsal, RehearsedStep
from konstruct.vault import ContactCipher, Vault

STEP: Final = "rehearsed step"
"""What ciphers call the purpose of what is kept of one."""

Kind = Literal["thought", "call"]


@dataclass
class Line:
    """Of a prompt."""

    role: str
    content: str
    calls: list[str] = field(default_factory=list)
    """Of tools, each as the model wrote it."""


@dataclass
class Remembered:
    text: str
    said_at: str
    kind: str


@dataclass
class Passage:
    title: str
    text: str
    link: str | None = None


@dataclass
class Fired:
    """A rule, and what it would have done with a contact; or the employee's own wish for people, which has no rule."""

    rule: str
    then: str
    why: list[str]
    to: str | None = None


@dataclass
class WouldAsk:
    """A person, before the tool is used; in a rehearsal that simulates, it is simulated at once."""

    tool: str
    why: str


@dataclass
class Thought:
    """One step of a turn, as it was thought."""

    step: int
    model: str = ""
    """Which answered."""
    prompts: dict[str, list[Line]] = field(default_factory=dict)
    """What was sent to each model that was asked."""
    tools: list[str] = field(default_factory=list)
    """That the model was shown."""
    recalled: list[Remembered] = field(default_factory=list)
    passages: list[Passage] = field(default_factory=list)
    """Found beforehand, for a model that cannot look for itself."""
    rules: list[str] = field(default_factory=list)
    """That were looked at."""
    judged: dict[str, Any] = field(default_factory=dict)
    fired: Fired | None = None
    would_ask: list[WouldAsk] = field(default_factory=list)
    turned_down: str = ""
    """Why it was answered without a model."""
    away: str = ""
    """What contacts would have read instead, outside the employee's hours."""
    problem: str = ""


@dataclass
class Pretended:
    """What a simulated call would have sent."""

    call_id: UUID
    would: list[tuple[str, str]]
    """Each with what it is."""


@dataclass(frozen=True)
class Kept:
    turn_id: UUID
    content: Thought | Pretended


_THOUGHT: Final = TypeAdapter(Thought)
_PRETENDED: Final = TypeAdapter(Pretended)


async def keep(
    session: AsyncSession, vault: Vault, rehearsal: Rehearsal, turn_id: UUID, content: Thought | Pretended
) -> None:
    """Nothing of one that was forgotten meanwhile."""
    cipher = (await vault.ciphers(session, [rehearsal.contact_id])).get(rehearsal.contact_id)
    if cipher is None:
        return
    row_id = new_id()
    adapter: TypeAdapter[Any] = _THOUGHT if isinstance(content, Thought) else _PRETENDED
    text = adapter.dump_json(adapter.validate_python(asdict(content))).decode("utf-8", "replace")
    session.add(
        RehearsedStep(
            tenant_id=rehearsal.tenant_id,
            id=row_id,
            conversation_id=rehearsal.conversation_id,
            contact_id=rehearsal.contact_id,
            turn_id=turn_id,
            kind="thought" if isinstance(content, Thought) else "call",
            sealed=cipher.seal(STEP, row_id, text),
        )
    )


async def of_rehearsal(session: AsyncSession, cipher: ContactCipher, conversation_id: UUID) -> list[Kept]:
    """In the order in which they happened."""
    rows = await session.scalars(
        select(RehearsedStep)
        .where(col(RehearsedStep.conversation_id) == conversation_id)
        .order_by(col(RehearsedStep.created_at), col(RehearsedStep.id))
    )
    return [Kept(row.turn_id, _opened(row.kind, cipher.open(STEP, row.id, row.sealed))) for row in rows]


def _opened(kind: str, text: str) -> Thought | Pretended:
    return _THOUGHT.validate_json(text) if kind == "thought" else _PRETENDED.validate_json(text)
