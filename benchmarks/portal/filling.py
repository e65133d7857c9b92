"""A business with a year behind it: its contacts, conversations, messages, model calls, handoffs, tools and trail.

Rows are copied past row security and foreign keys, since no one could wait until so much was said. What people said is
sealed as the product seals it, so that pages open it.
"""

import json
import os
import random
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import asyncpg
from pydantic import SecretStr
from pydantic_core import PydanticUndefined
from sqlalchemy import Table
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import SQLModel

from benchmarks.support.folder import say
from konstruct.db import Database
from konstruct.handoffs import owning
from konstruct.identity import new_id
from konstruct.tables import (
    Approval,
    AuditEvent,
    Contact,
    ContactKey,
    Conversation,
    Handoff,
    KnowledgeDocument,
    KnowledgeSource,
    Message,
    Rating,
    Step,
    ToolCall,
    Usage,
)
from konstruct.tools import calls
from konstruct.vault import ContactCipher, Vault
from konstruct.window import MESSAGE

AT_ONCE: Final = 5_000
WORDS: Final = [
    "order",
    "bicycle",
    "saddle",
    "delivery",
    "invoice",
    "refund",
    "colour",
    "size",
    "repair",
    "Tuesday",
    "thank",
    "you",
    "where",
    "is",
    "my",
    "the",
]
MODELS: Final = (("anthropic", "claude-sonnet-4-6"), ("openai", "gpt-5.4"), ("ollama", "llama3.2"))


@dataclass(frozen=True)
class Amounts:
    conversations: int
    messages_each: int
    waiting: int = 500
    owned: int = 50
    events: int = 1_000_000
    days: int = 365

    @property
    def messages(self) -> int:
        return self.conversations * self.messages_each


@dataclass(frozen=True)
class Place:
    """Where it all is put."""

    database: Database
    vault: Vault
    tenant_id: UUID
    connections: list[UUID]
    employees: list[UUID]
    agents: list[str]


@dataclass(frozen=True)
class Filled:
    """Some of what is there, for the addresses of pages."""

    waiting: UUID
    """A conversation that waits for a person."""
    long: UUID
    contact: UUID
    source: str


async def fill(administrator: asyncpg.Connection, place: Place, amounts: Amounts, seed: int) -> Filled:
    chance = random.Random(seed)
    await administrator.execute("set session_replication_role = replica")
    made = _Made(place, amounts, chance)
    contacts = await made.people(administrator)
    talks = await made.talks(administrator, contacts)
    await made.handoffs(administrator, talks)
    await made.trail(administrator, talks)
    source = await made.library(administrator)
    await administrator.execute("set session_replication_role = origin")
    say("Gathering statistics.")
    await administrator.execute("vacuum analyze")
    return Filled(talks[0].id, talks[-1].id, talks[0].cipher.contact_id, source)


@dataclass(frozen=True)
class _Talk:
    id: UUID
    connection_id: UUID
    employee_id: UUID
    cipher: ContactCipher
    began: datetime
    last_seq: int


class _Made:
    def __init__(self, place: Place, amounts: Amounts, chance: random.Random) -> None:
        self._place = place
        self._amounts = amounts
        self._chance = chance
        self._now = datetime.now(UTC)

    async def people(self, administrator: asyncpg.Connection) -> list[tuple[UUID, ContactCipher]]:
        """One for each conversation, with the connection that knows them."""
        place, found = self._place, []
        contacts, keys = [], []
        async with place.database.tenant_session(place.tenant_id) as session:
            for number in range(self._amounts.conversations):
                contact_id, key = new_id(), os.urandom(64)
                connection_id = self._chance.choice(place.connections)
                encoded = SecretStr(b64encode(key).decode())
                wrapped = await place.vault.seal(session, place.tenant_id, "contact", contact_id, {"key": encoded})
                found.append((connection_id, ContactCipher(place.tenant_id, contact_id, key)))
                named = {"id": contact_id, "person_id": contact_id, "connection_id": connection_id}
                contacts.append({**named, "external_id": f"4366{number:08d}", "created_at": self._moment(number)})
                keys.append({"contact_id": contact_id, "wrapped": wrapped})
        await self._copy(administrator, Contact, contacts)
        await self._copy(administrator, ContactKey, keys)
        say(f"{len(found):,} contacts")
        return found

    async def talks(self, administrator: asyncpg.Connection, contacts: list[tuple[UUID, ContactCipher]]) -> list[_Talk]:
        """The last of them is ten times as long as the others."""
        talks = []
        for number, (connection_id, cipher) in enumerate(contacts):
            is_last = number == len(contacts) - 1
            length = self._amounts.messages_each * (10 if is_last else 1)
            employee_id = self._chance.choice(self._place.employees)
            talks.append(_Talk(new_id(), connection_id, employee_id, cipher, self._moment(number), length))
        await self._copy(administrator, Conversation, (self._conversation(talk) for talk in talks))
        await self._copy(administrator, Message, (each for talk in talks for each in self._messages(talk)))
        say(f"{len(talks):,} conversations with {sum(talk.last_seq for talk in talks):,} messages")
        await self._copy(administrator, Usage, (each for talk in talks for each in self._usage(talk)))
        with_tools = talks[:: max(1, len(talks) // 10_000)]
        await self._copy(administrator, Step, (self._step(talk) for talk in with_tools))
        called = [self._call(talk) for talk in with_tools]
        await self._copy(administrator, ToolCall, called)
        asked = list(zip(with_tools, called, strict=True))[:2_000]
        await self._copy(administrator, Approval, (self._approval(*pair, at) for at, pair in enumerate(asked)))
        await self._copy(administrator, Rating, (self._rating(talk) for talk in talks[::10]))
        return talks

    async def handoffs(self, administrator: asyncpg.Connection, talks: list[_Talk]) -> None:
        waiting, owned = self._amounts.waiting, self._amounts.owned
        rows, owners = [], []
        for number, talk in enumerate(talks):
            state = "waiting" if number < waiting else "owned" if number < waiting + owned else "over"
            if state == "over" and number % 8:
                continue
            row = self._handoff(talk, state, number)
            rows.append(row)
            if state != "over":
                owners.append((talk.id, "queue" if state == "waiting" else "agent", row["agent"], row["id"]))
        await self._copy(administrator, Handoff, rows)
        await administrator.executemany(
            "update conversations set owner = $2, agent = $3, handoff_id = $4, epoch = 1 where id = $1", owners
        )
        say(f"{len(rows):,} handoffs, {waiting} of which wait")

    async def trail(self, administrator: asyncpg.Connection, talks: list[_Talk]) -> None:
        """Events whose hashes are made up: nobody checks the chains here."""
        actions = ("message.received", "model.called", "turn.replied", "message.sent", "handoff.opened", "tool.called")
        await self._copy(
            administrator,
            AuditEvent,
            (
                {
                    "id": new_id(),
                    "conversation_id": talk.id,
                    "chain_id": talk.id,
                    "seq": number // len(talks) + 1,
                    "actor": ("contact", "employee", "system")[number % 3],
                    "action": actions[number % len(actions)],
                    "detail": {"number": number},
                    "payload": b"{}",
                    "prev": b"\0" * 32,
                    "hash": number.to_bytes(32),
                    "subject_id": talk.cipher.contact_id,
                    "created_at": talk.began + timedelta(seconds=number // len(talks)),
                }
                for number in range(self._amounts.events)
                for talk in (talks[number % len(talks)],)
            ),
        )
        say(f"{self._amounts.events:,} events of the trail")

    async def library(self, administrator: asyncpg.Connection) -> str:
        source_id = new_id()
        await self._copy(
            administrator, KnowledgeSource, [{"id": source_id, "key": "manuals", "kind": "files", "title": "Manuals"}]
        )
        read = {"source_id": source_id, "status": "indexed", "chunks": 3}
        names = (f"manual-{number}.md" for number in range(10_000))
        documents = ({**read, "id": new_id(), "name": name, "title": name} for name in names)
        await self._copy(administrator, KnowledgeDocument, documents)
        return "manuals"

    def _moment(self, number: int) -> datetime:
        """When a conversation began: those with the lowest numbers the latest."""
        return self._now - timedelta(days=self._amounts.days) * ((number + 1) / (self._amounts.conversations + 1))

    def _said(self) -> str:
        return " ".join(self._chance.choices(WORDS, k=12))

    def _conversation(self, talk: _Talk) -> dict[str, Any]:
        return {
            "id": talk.id,
            "connection_id": talk.connection_id,
            "contact_id": talk.cipher.contact_id,
            "employee_id": talk.employee_id,
            "channel": "C1",
            "root": str(talk.id),
            "last_seq": talk.last_seq,
            "created_at": talk.began,
            "contact_said_at": talk.began,
            "last_message_at": talk.began + timedelta(seconds=20 * talk.last_seq),
        }

    def _messages(self, talk: _Talk) -> Iterator[dict[str, Any]]:
        for seq in range(1, talk.last_seq + 1):
            message_id, is_answer = new_id(), seq % 2 == 0
            at = talk.began + timedelta(seconds=20 * seq)
            yield {
                "id": message_id,
                "conversation_id": talk.id,
                "connection_id": talk.connection_id,
                "seq": seq,
                "direction": "outbound" if is_answer else "inbound",
                "author": "employee" if is_answer else "contact",
                "contact_id": talk.cipher.contact_id,
                "sealed": talk.cipher.seal(MESSAGE, message_id, self._said()),
                "external_id": str(message_id),
                "state": "sent" if is_answer else "answered",
                "turn_id": talk.id,
                "created_at": at,
                "settled_at": at + timedelta(seconds=3),
            }

    def _usage(self, talk: _Talk) -> Iterator[dict[str, Any]]:
        for answer in range(1, talk.last_seq // 2 + 1):
            provider, model = self._chance.choice(MODELS)
            yield {
                "id": new_id(),
                "conversation_id": talk.id,
                "employee_id": talk.employee_id,
                "turn_id": talk.id,
                "provider": provider,
                "model": model,
                "input_tokens": self._chance.randrange(200, 6_000),
                "output_tokens": self._chance.randrange(20, 600),
                "cached_tokens": 0,
                "cost": Decimal(self._chance.randrange(1, 90_000)) / 1_000_000,
                "latency_ms": self._chance.randrange(300, 9_000),
                "outcome": "ok",
                "created_at": talk.began + timedelta(seconds=40 * answer),
            }

    def _step(self, talk: _Talk) -> dict[str, Any]:
        of_talk = {"conversation_id": talk.id, "contact_id": talk.cipher.contact_id, "created_at": talk.began}
        return {**of_talk, "turn_id": talk.id, "number": 0, "after_seq": 1, "link": "/".join(MODELS[0])}

    def _call(self, talk: _Talk) -> dict[str, Any]:
        call_id = new_id()
        return {
            "id": call_id,
            "conversation_id": talk.id,
            "contact_id": talk.cipher.contact_id,
            "turn_id": talk.id,
            "step": 0,
            "position": 0,
            "model_call_id": "call_1",
            "tool": "current_time",
            "risk": "read",
            "sealed_arguments": talk.cipher.seal(calls.ARGUMENTS, call_id, "{}"),
            "fingerprint": call_id.hex,
            "state": "done",
            "sealed_result": talk.cipher.seal(calls.RESULT, call_id, "It is noon."),
            "created_at": talk.began + timedelta(seconds=22),
            "settled_at": talk.began + timedelta(seconds=23),
        }

    def _approval(self, talk: _Talk, call: Mapping[str, Any], number: int) -> dict[str, Any]:
        is_open = number < 100
        return {
            "id": new_id(),
            "call_id": call["id"],
            "conversation_id": talk.id,
            "contact_id": talk.cipher.contact_id,
            "tool": call["tool"],
            "risk": call["risk"],
            "reason": "Its risk is one that people are asked about.",
            "fingerprint": call["fingerprint"],
            "state": "waiting" if is_open else "approved",
            "decided_by": None if is_open else "slack:U1",
            "decided_at": None if is_open else talk.began,
            "expires_at": self._now + timedelta(days=3),
            "created_at": talk.began,
        }

    def _rating(self, talk: _Talk) -> dict[str, Any]:
        return {
            "id": new_id(),
            "conversation_id": talk.id,
            "contact_id": talk.cipher.contact_id,
            "employee_id": talk.employee_id,
            "asked_at": talk.began,
            "score": self._chance.randrange(1, 6),
            "answered_at": talk.began,
        }

    def _handoff(self, talk: _Talk, state: str, number: int) -> dict[str, Any]:
        handoff_id, is_over = new_id(), state == "over"
        at = talk.began + timedelta(seconds=60)
        return {
            "id": handoff_id,
            "conversation_id": talk.id,
            "contact_id": talk.cipher.contact_id,
            "state": state,
            "ended_how": "resolved" if is_over else None,
            "priority": ("normal", "high", "urgent", "low")[number % 4],
            "cause": "rule",
            "rule": f"rule {number % 5}",
            "requested_by": "employee",
            "sealed_reason": talk.cipher.seal(owning.REASON, handoff_id, "They asked for a person."),
            "agent": None if state == "waiting" else self._chance.choice(self._place.agents),
            "began_seq": 2,
            "mirrored_seq": talk.last_seq,
            "created_at": at,
            "claimed_at": None if state == "waiting" else at + timedelta(minutes=3),
            "first_claimed_at": None if state == "waiting" else at + timedelta(minutes=3),
            "replied_at": None if state == "waiting" else at + timedelta(minutes=5),
            "ended_at": at + timedelta(minutes=20) if is_over else None,
        }

    async def _copy(
        self, administrator: asyncpg.Connection, of: type[SQLModel], rows: Iterable[Mapping[str, Any]]
    ) -> None:
        table: Table = of.__table__  # type: ignore[attr-defined]
        columns = [column.name for column in table.columns if column.computed is None]
        documents = {column.name for column in table.columns if isinstance(column.type, JSONB)}
        usual = {name: _default(of, name) for name in columns} | {"tenant_id": self._place.tenant_id}

        def records() -> Iterator[tuple[Any, ...]]:
            for row in rows:
                whole = {**usual, **row}
                yield tuple(json.dumps(whole[name]) if name in documents else whole[name] for name in columns)

        await administrator.copy_records_to_table(table.name, records=records(), columns=columns)


def _default(of: type[SQLModel], name: str) -> Any:
    found = of.model_fields[name].get_default(call_default_factory=True)
    return None if found is PydanticUndefined else found
