"""A tenant of its own for a test: an employee, a connected account, contacts who write, and what became of it."""

import secrets
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import TypeVar
from uuid import UUID

from pydantic import SecretStr
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct import connections, conversations, inbox, memory, outbox, window
from konstruct.audit import sealing
from konstruct.connections import ConnectionRef
from konstruct.conversations import Finished, HandedOff, Turn
from konstruct.db import Database
from konstruct.identity import ConnectionId, TenantId, new_id
from konstruct.inbox import Accepted, Inbound
from konstruct.knowledge import documents, embedding, indexing, sources, syncs
from konstruct.knowledge.chunking import Chunk
from konstruct.knowledge.indexing import Content
from konstruct.knowledge.sources import SourceSettings
from konstruct.knowledge.syncs import Sync
from konstruct.memory import Fact, due, work
from konstruct.messages import SentFile
from konstruct.outbox import SEND_ENDS_WITHIN
from konstruct.outgoing import Send
from konstruct.ports import Limiter, Verdict
from konstruct.reply_window import Held
from konstruct.tables import (
    AuditEvent,
    Conversation,
    Employee,
    EmployeeBinding,
    EmployeeVersion,
    KnowledgeChunk,
    Message,
    Tenant,
    Usage,
)
from konstruct.tables.base import Owned, utc_now
from konstruct.vault import Vault
from konstruct.window import MESSAGE, Line

Row = TypeVar("Row", bound=Owned)


@dataclass
class Allowing:
    """A limiter that says of every message what it was made with."""

    verdict: Verdict = field(default_factory=lambda: Verdict(allowed=True))
    degraded: bool = False

    async def check(self, message_key: str, buckets: object) -> Verdict:
        return self.verdict


REFUSING = Allowing(Verdict(allowed=False, scope="contact", retry_after=timedelta(seconds=30), tell=True))
REFUSING_SILENTLY = Allowing(Verdict(allowed=False, scope="contact", retry_after=timedelta(seconds=30)))


@dataclass(frozen=True)
class Office:
    database: Database
    vault: Vault
    tenant_id: TenantId
    connection_id: ConnectionId
    employee_id: UUID
    account: str
    bot_token: str

    @property
    def ref(self) -> ConnectionRef:
        return ConnectionRef(self.tenant_id, self.connection_id)

    def session(self) -> AbstractAsyncContextManager[AsyncSession]:
        return self.database.tenant_session(self.tenant_id)

    async def say(
        self,
        text: str = "Hello?",
        *,
        root: str = "1.0",
        channel: str = "C1",
        contact: str = "U1",
        external_id: str | None = None,
        limiter: Limiter | None = None,
        files: tuple[SentFile, ...] = (),
    ) -> Accepted:
        inbound = Inbound(channel, root, external_id or secrets.token_hex(8), contact, text, files)
        return await inbox.accept(self.database, self.vault, limiter or Allowing(), self.ref, inbound)

    async def begin(self, asked: Accepted, turn_id: UUID) -> Turn | HandedOff | list[UUID]:
        async with self.session() as session:
            return await conversations.begin_turn(session, self.vault, asked.conversation_id, turn_id)

    async def finish(self, asked: Accepted, turn_id: UUID, *parts: str) -> Finished:
        async with self.session() as session:
            return await conversations.finish_turn(session, self.vault, asked.conversation_id, turn_id, parts)

    async def answer(self, asked: Accepted, *parts: str) -> list[UUID]:
        """Thinks of an answer, which is then ready to be sent."""
        turn_id = new_id()
        assert isinstance(await self.begin(asked, turn_id), Turn)
        return (await self.finish(asked, turn_id, *(parts or ("Hello!",)))).reply_ids

    async def exchange(self, text: str, *answer: str, root: str = "1.0", contact: str = "U1") -> Accepted:
        """A question, and its answer that has arrived."""
        asked = await self.say(text, root=root, contact=contact)
        for message_id in await self.answer(asked, *answer):
            await self.begin_send(asked, message_id)
            await self.settle_sent(asked, message_id)
        return asked

    async def write(self, asked: Accepted, *turns: tuple[Sequence[str], Sequence[str]]) -> None:
        """Turns of the conversation's contact, questions and answers, as if all of them had long been settled."""
        async with self.session() as session:
            conversation = await conversations.changed(session, asked.conversation_id)
            cipher = await self.vault.cipher(session, self.tenant_id, conversation.contact_id)
            rows = []
            for questions, answers in turns:
                turn_id = new_id()
                for text, is_answer in [*((text, False) for text in questions), *((text, True) for text in answers)]:
                    conversation.last_seq += 1
                    row_id = new_id()
                    rows.append(
                        {
                            "tenant_id": self.tenant_id,
                            "id": row_id,
                            "conversation_id": conversation.id,
                            "connection_id": self.connection_id,
                            "seq": conversation.last_seq,
                            "direction": "outbound" if is_answer else "inbound",
                            "author": "employee" if is_answer else "contact",
                            "contact_id": conversation.contact_id,
                            "sealed": cipher.seal(MESSAGE, row_id, text),
                            "state": "sent" if is_answer else "answered",
                            "turn_id": turn_id,
                        }
                    )
            await session.execute(insert(Message), rows)

    async def begin_send(self, asked: Accepted, message_id: UUID) -> Send | Held | str:
        async with self.session() as session:
            return await outbox.begin_send(session, self.vault, asked.conversation_id, message_id)

    async def settle_sent(self, asked: Accepted, message_id: UUID, *, was_resent: bool = False) -> None:
        async with self.session() as session:
            await outbox.settle_sent(
                session, asked.conversation_id, message_id, f"sent-{message_id}", was_resent=was_resent
            )

    async def let_send_time_pass(self, message_id: UUID) -> None:
        """As if the latest attempt to send this message had begun so long ago that nothing more can come of it."""
        async with self.session() as session:
            message = await session.get_one(Message, (self.tenant_id, message_id))
            assert message.sending_at
            message.sending_at -= SEND_ENDS_WITHIN

    async def set_aside(self, asked: Accepted) -> None:
        """As if it had been tried too often, and people had been asked and gave it back."""
        async with self.session() as session:
            message = await session.get_one(Message, (self.tenant_id, asked.message_id))
            message.state, message.tries, message.settled_at = "quarantined", 4, utc_now()

    async def change_owner(self, conversation_id: UUID, owner: str) -> None:
        """As a takeover does, under the same lock."""
        async with self.session() as session:
            conversation = await conversations.lock(session, conversation_id)
            conversation.owner = owner
            conversation.epoch += 1

    async def rows(self, table: type[Row]) -> list[Row]:
        async with self.session() as session:
            return list((await session.execute(select(table).order_by(col(table.id)))).scalars())

    async def message(self, message_id: UUID) -> Message:
        """With what it says opened."""
        async with self.session() as session:
            message = await session.get_one(Message, (self.tenant_id, message_id))
        [opened] = await self._opened([message])
        return opened

    async def messages(self, direction: str | None = None) -> list[Message]:
        """In the order in which they were written."""
        messages = sorted(await self.rows(Message), key=lambda message: (message.created_at, message.seq))
        return await self._opened([message for message in messages if direction in (None, message.direction)])

    async def _opened(self, messages: list[Message]) -> list[Message]:
        """Their ``body`` holds what they say, or nothing where it was taken back. They are of no session any more."""
        lines = [Line.of(message) for message in messages]
        async with self.session() as session:
            ciphers = await self.vault.ciphers(session, window.contacts_in(lines))
        for message, line in zip(messages, lines, strict=True):
            message.body = line.text(ciphers) or ""
        return messages

    async def conversations(self) -> list[Conversation]:
        return sorted(await self.rows(Conversation), key=lambda conversation: conversation.created_at)

    async def states(self) -> list[str]:
        return [message.state for message in await self.messages()]

    async def events(self, action: str) -> list[AuditEvent]:
        events = [event for event in await self.rows(AuditEvent) if event.action == action]
        return sorted(events, key=lambda event: event.created_at)

    async def actions(self) -> list[str]:
        return sorted(event.action for event in await self.rows(AuditEvent))


async def open_office(
    database: Database,
    vault: Vault,
    *,
    account: str | None = None,
    bot_token: str | None = None,
    external: dict[str, str | None] | None = None,
    models: Sequence[str] = (),
    prompts: Sequence[str] = (),
    limits: dict[str, str] | None = None,
    kind: str = "slack",
    secrets_kept: dict[str, SecretStr] | None = None,
) -> Office:
    """With the employee Ada and a Slack workspace that no other test knows, unless told otherwise."""
    tenant_id, mark = TenantId(new_id()), secrets.token_hex(6).upper()
    account, bot_token = account or f"-/T{mark}", bot_token or f"xoxb-{mark}-canary"
    async with database.tenant_session(tenant_id) as session:
        session.add(
            Tenant(
                id=tenant_id, slug=f"office-{mark.lower()}", name="Acme Bikes", models=list(models), limits=limits or {}
            )
        )
        await session.flush()
        employee = await hire(session, tenant_id, "ada", "Ada", prompts)
        connection_id = await connections.install(
            session,
            vault,
            tenant_id,
            key=kind,
            kind=kind,
            account=account,
            external=external or {"team_id": f"T{mark}", "bot_user_id": f"U{mark}B"},
            secrets=secrets_kept or {"bot_token": SecretStr(bot_token)},
            employee_key="ada",
            actor="test",
        )
    return Office(database, vault, tenant_id, connection_id, employee.id, account, bot_token)


async def hire(session: AsyncSession, tenant_id: UUID, key: str, name: str, prompts: Sequence[str] = ()) -> Employee:
    employee = Employee(tenant_id=tenant_id, key=key, published_version=1)
    session.add(employee)
    await session.flush()
    session.add(
        EmployeeVersion(
            tenant_id=tenant_id,
            employee_id=employee.id,
            number=1,
            name=name,
            role="Front desk",
            persona="Kind.",
            system_prompt="Be brief.",
            greeting="",
            suggested_prompts=list(prompts),
        )
    )
    await session.flush()
    return employee


@dataclass(frozen=True)
class Furnished(Office):
    """An office with a row in every table, one question that waits and one answer that was not sent yet."""

    asked: Accepted
    waiting: Accepted
    reply_id: UUID
    remembered: Accepted
    contact_id: UUID
    fact_id: UUID
    sync: Sync
    document_id: UUID
    chunk_id: UUID


async def furnish(office: Office) -> Furnished:
    asked = await office.say("Canary question", external_id=f"{office.account}-1")
    [reply_id] = await office.answer(asked, "Canary answer")
    waiting = await office.say("Canary that waits", root="2.0", external_id=f"{office.account}-2")
    async with office.session() as session:
        conversation = await session.get_one(Conversation, (office.tenant_id, asked.conversation_id))
        session.add(
            EmployeeBinding(
                tenant_id=office.tenant_id,
                connection_id=office.connection_id,
                channel="C9",
                employee_id=office.employee_id,
            )
        )
        session.add(
            Usage(
                tenant_id=office.tenant_id,
                conversation_id=conversation.id,
                employee_id=office.employee_id,
                turn_id=new_id(),
                provider="openai",
                model="gpt",
                input_tokens=1,
                output_tokens=1,
                cached_tokens=0,
                cost=Decimal("0.001"),
                latency_ms=1,
                outcome="ok",
            )
        )
    remembered = await office.exchange("Canary of old", root="3.0")
    contact_id, fact_id = await _remember(office, remembered)
    sync, document_id, chunk_id = await _learn(office)
    await sealing.seal(office.database, office.tenant_id)
    return Furnished(
        **vars(office),
        asked=asked,
        waiting=waiting,
        reply_id=reply_id,
        remembered=remembered,
        contact_id=contact_id,
        fact_id=fact_id,
        sync=sync,
        document_id=document_id,
        chunk_id=chunk_id,
    )


async def _remember(office: Office, asked: Accepted) -> tuple[UUID, UUID]:
    """With all that memory is made of: sayings, a fact that replaces another, a summary, a vector."""
    async with office.session() as session:
        opened = await due.open_work(session, office.vault, asked.conversation_id)
        [contact_id] = opened.undigested
        await work.write_sayings(session, office.vault, opened)
        await work.write_summary(session, office.vault, opened, opened.unsummarised, "Canary summary")
        source, _ = opened.unsummarised[0]
        older = Fact("Canary fact", source, 0.9)
        [replaced] = await work.write_facts(session, office.vault, opened, contact_id, [older])
        newer = Fact("Canary newer fact", source, 0.9, (replaced,))
        [fact_id] = await work.write_facts(session, office.vault, opened, contact_id, [newer])
        await memory.keep_vectors(session, office.tenant_id, "local/words", {fact_id: [1.0, 0.0]})
    return contact_id, fact_id


async def _learn(office: Office) -> tuple[Sync, UUID, UUID]:
    """A source that is being synchronised, with a file that can be found."""
    async with office.session() as session:
        await sources.put(session, office.tenant_id, "files", SourceSettings("files"), "test")
        put = await documents.put(session, office.tenant_id, "files", "canary.md", b"Canary document", actor="test")
        sync = await syncs.begin(session, await sources.find_id(session, "files"), new_id())
        assert sync is not None
        [task] = await syncs.tasks(session, sync, 1)
        chunks = [Chunk(0, ("Canary heading",), "Canary passage", None)]
        await indexing.write(session, sync, task, Content("Canary title", "text/markdown", chunks, 15))
        chunk_id = (await session.scalars(select(KnowledgeChunk.id))).one()
        await embedding.keep_vectors(session, office.tenant_id, "local/words", {chunk_id: [1.0, 0.0]})
    return sync, put.document_id, chunk_id
