"""Rows of a conversation as events: opened with the keys of those whose words they hold."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal
from uuid import UUID

from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct import approvals, consults, naming
from konstruct.db import among
from konstruct.employees import IS_PUBLISHED
from konstruct.files import showing
from konstruct.files.showing import Attached
from konstruct.handoffs import cards, entries
from konstruct.identity import id_in
from konstruct.record.actors import Names
from konstruct.record.events import Event, Judged, Kind, ModelCall, Said, ToolUse, TurnTotals
from konstruct.tables import (
    Approval,
    AuditEvent,
    Consult,
    Conversation,
    Employee,
    EmployeeVersion,
    Handoff,
    HandoffEntry,
    Judgement,
    Message,
    ToolCall,
    Usage,
)
from konstruct.tools import calls
from konstruct.vault import ContactCipher, Vault
from konstruct.window import Line

EMPLOYEE: Final = (
    select(func.coalesce(col(EmployeeVersion.name), col(Employee.key)))
    .select_from(Conversation)
    .join(Employee, col(Employee.id) == col(Conversation.employee_id))
    .outerjoin(EmployeeVersion, IS_PUBLISHED)
)
_OF_PEOPLE: Final = ("to", "agent", "colleague", "by")
"""Fields of details that hold the key of somebody."""


class Opened:
    def __init__(self, session: AsyncSession, vault: Vault, names: Names) -> None:
        self._session = session
        self._vault = vault
        self._names = names
        self._ciphers: Mapping[UUID, ContactCipher] = {}
        self._contacts: Mapping[UUID, str] = {}
        self._files: Mapping[UUID, Sequence[Attached]] = {}

    async def prepare(self, messages: Sequence[Message], tools: Sequence[ToolCall]) -> None:
        """Reads what opening these takes, all at once."""
        contacts = {row.contact_id for row in messages if row.contact_id is not None}
        contacts |= {row.contact_id for row in tools}
        self._ciphers = await self._vault.ciphers(self._session, contacts)
        self._contacts = await naming.names(self._session, self._vault, contacts)
        with_files = [row.id for row in messages if row.sealed_files is not None]
        self._files = await showing.attached(self._session, self._ciphers, with_files) if with_files else {}

    def message(self, row: Message, turn: TurnTotals | None) -> Event:
        text = Line.of(row).text(self._ciphers)
        said = Said(
            author=row.author,
            name=self._who(row),
            direction=row.direction,
            purpose=row.purpose,
            text=text or "",
            gone=_gone(row, text, self._ciphers),
            state=row.state,
            error=row.detail.get("error"),
            sent_at=row.settled_at if row.state == "sent" else None,
            delivered_at=row.delivered_at,
            read_at=row.read_at,
            maybe_duplicate=row.maybe_duplicate,
            is_forgotten=row.forgotten_at is not None,
            files=self._files.get(row.id, ()),
            turn=turn,
        )
        return Event(row.id, row.created_at, "messages", "message", row.author, said.name, row.turn_id, said=said)

    def _who(self, row: Message) -> str:
        if row.author == "contact":
            return self._contacts.get(row.contact_id, "The contact") if row.contact_id else "The contact"
        if row.author == "agent":
            return row.signed or "Somebody"
        return self._names.of(row.author)

    def model(self, row: Usage) -> Event:
        who = self._names.of("employee")
        return Event(row.id, row.created_at, "models", "model", "employee", who, row.turn_id, model=ModelCall.of(row))

    def tool(self, row: ToolCall) -> Event:
        cipher = self._ciphers.get(row.contact_id)
        tool = ToolUse(
            call_id=row.id,
            tool=row.tool,
            risk=row.risk,
            state=row.state,
            arguments=cipher.open(calls.ARGUMENTS, row.id, row.sealed_arguments) if cipher else "",
            result=cipher.open(calls.RESULT, row.id, row.sealed_result) if cipher and row.sealed_result else "",
            is_untrusted=row.is_untrusted,
            attempts=row.attempts,
            seconds=(row.settled_at - row.started_at).total_seconds() if row.settled_at and row.started_at else None,
        )
        who = self._names.of("employee")
        return Event(row.id, row.created_at, "tools", "tool", "employee", who, row.turn_id, tool=tool)

    def judged(self, row: Judgement) -> Event:
        judged = Judged(
            row.asked_for_human, row.has_failed, row.mood, row.outside_policy, tuple(row.topics), row.confidence
        )
        who = self._names.of("runtime")
        return Event(row.turn_id, row.created_at, "rules", "judged", "runtime", who, row.turn_id, judged=judged)

    def trail(self, row: AuditEvent, kind: Kind, text: str) -> Event:
        named = {row.detail[name] for name in _OF_PEOPLE if isinstance(row.detail.get(name), str)}
        return Event(
            row.id,
            row.created_at,
            kind,
            row.action,
            row.actor,
            self._names.of(row.actor),
            id_in(str(row.detail.get("turn_id"))),
            row.detail,
            {key: self._names.of(key) for key in named},
            text,
        )


class TrailTexts:
    """What was written along with events of the trail, which itself holds no words: reasons, notes, questions."""

    def __init__(self, texts: Mapping[tuple[str, UUID], str]) -> None:
        self._texts = texts

    def of(self, row: AuditEvent) -> str:
        place, name = _PLACES.get(row.action, ("", ""))
        row_id = id_in(str(row.detail.get(name))) if name else None
        return self._texts.get((place, row_id), "") if row_id else ""

    @classmethod
    async def read(
        cls, session: AsyncSession, vault: Vault, conversation_id: UUID, events: Sequence[AuditEvent]
    ) -> "TrailTexts":
        wanted: dict[str, set[UUID]] = {}
        for row in events:
            place, name = _PLACES.get(row.action, ("", ""))
            if name and (row_id := id_in(str(row.detail.get(name)))):
                wanted.setdefault(place.partition(" ")[0], set()).add(row_id)
        found: list[Any] = []
        for place, table in _TABLES.items():
            if ids := wanted.get(place):
                of_it = select(table).where(among(col(table.id), ids), col(table.conversation_id) == conversation_id)
                found += await session.scalars(of_it)
        ciphers = await vault.ciphers(session, {row.contact_id for row in found}) if found else {}
        return cls(
            {
                key: text
                for row in found
                if (cipher := ciphers.get(row.contact_id)) is not None
                for key, text in _texts_of(row, cipher)
            }
        )


_TABLES: Final[Mapping[str, Any]] = {
    "handoff": Handoff,
    "entry": HandoffEntry,
    "approval": Approval,
    "consult": Consult,
}
_PLACES: Final[Mapping[str, tuple[str, str]]] = {
    "handoff.opened": ("handoff reason", "handoff_id"),
    "handoff.told": ("handoff reason", "handoff_id"),
    "handoff.noted": ("entry text", "entry_id"),
    "handoff.draft_asked": ("entry text", "entry_id"),
    "handoff.summary_asked": ("entry text", "entry_id"),
    "approval.asked": ("approval reason", "approval_id"),
    "approval.approved": ("approval note", "approval_id"),
    "approval.denied": ("approval note", "approval_id"),
    "consult.asked": ("consult question", "consult_id"),
    "consult.answered": ("consult answer", "consult_id"),
}
"""Where the words of an action are, and which field of its detail names the row."""


def _texts_of(
    row: Handoff | HandoffEntry | Approval | Consult, cipher: ContactCipher
) -> list[tuple[tuple[str, UUID], str]]:
    if isinstance(row, Handoff):
        return [(("handoff reason", row.id), cards.reason(row, cipher))]
    if isinstance(row, HandoffEntry):
        return [(("entry text", row.id), entries.opened(row, cipher))]
    if isinstance(row, Approval):
        note = cipher.open(approvals.NOTE, row.id, row.sealed_note) if row.sealed_note else ""
        return [(("approval reason", row.id), row.reason), (("approval note", row.id), note)]
    answer = cipher.open(consults.ANSWER, row.id, row.sealed_answer) if row.sealed_answer else ""
    question = cipher.open(consults.QUESTION, row.id, row.sealed_question)
    return [(("consult question", row.id), question), (("consult answer", row.id), answer)]


def _gone(
    row: Message, text: str | None, ciphers: Mapping[UUID, ContactCipher]
) -> Literal["", "erased", "taken_back", "let_go"]:
    if text is not None:
        return ""
    if row.contact_id is not None and row.contact_id not in ciphers:
        return "erased"
    return "taken_back" if row.state == "deleted" else "let_go"
