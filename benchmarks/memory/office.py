"""A database of its own, and tenants in it whose contacts have said much."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from cryptography.fernet import Fernet
from pydantic import SecretStr

from benchmarks.support.folder import data_folder
from konstruct import db, memory
from konstruct.db import Database
from konstruct.embedded import postgres
from konstruct.embedded.supervisor import Supervisor
from konstruct.identity import TenantId, new_id
from konstruct.memory import due, work
from konstruct.ports import Embedder
from konstruct.tables import Connection, Contact, Conversation, Employee, EmployeeVersion, Message, Tenant
from konstruct.vault import Vault
from konstruct.window import MESSAGE

EMBEDDED_AT_ONCE = 64


@dataclass(frozen=True)
class Saying:
    key: str
    is_contact: bool
    text: str


@dataclass(frozen=True)
class Office:
    database: Database
    vault: Vault
    tenant_id: TenantId
    connection_id: UUID
    employee_id: UUID

    async def contact(self) -> UUID:
        contact_id = new_id()
        async with self.database.tenant_session(self.tenant_id) as session:
            session.add(
                Contact(
                    tenant_id=self.tenant_id,
                    id=contact_id,
                    connection_id=self.connection_id,
                    external_id=contact_id.hex,
                    person_id=contact_id,
                )
            )
            await session.flush()
            await self.vault.cipher(session, self.tenant_id, contact_id)
        return contact_id

    async def converse(self, contact_id: UUID, at: datetime, sayings: Sequence[Saying]) -> None:
        """A conversation that was had, remembered as the product does it."""
        conversation_id = new_id()
        async with self.database.tenant_session(self.tenant_id) as session:
            cipher = await self.vault.cipher(session, self.tenant_id, contact_id)
            session.add(
                Conversation(
                    tenant_id=self.tenant_id,
                    id=conversation_id,
                    connection_id=self.connection_id,
                    contact_id=contact_id,
                    employee_id=self.employee_id,
                    channel="bench",
                    root=conversation_id.hex,
                    last_seq=len(sayings),
                )
            )
            await session.flush()
            for seq, saying in enumerate(sayings, 1):
                message_id = new_id()
                session.add(
                    Message(
                        tenant_id=self.tenant_id,
                        id=message_id,
                        conversation_id=conversation_id,
                        connection_id=self.connection_id,
                        seq=seq,
                        direction="inbound" if saying.is_contact else "outbound",
                        author="contact" if saying.is_contact else "employee",
                        contact_id=contact_id,
                        sealed=cipher.seal(MESSAGE, message_id, saying.text),
                        external_id=f"{conversation_id}/{saying.key}",
                        state="answered" if saying.is_contact else "sent",
                        created_at=at + timedelta(seconds=seq),
                    )
                )
        while True:
            async with self.database.tenant_session(self.tenant_id) as session:
                opened = await due.open_work(session, self.vault, conversation_id)
                await work.write_sayings(session, self.vault, opened)
                await work.note_remembered(session, opened)
                await work.note_digested(session, opened)
            if opened.settled_seq == len(sayings):
                return

    async def embed(self, embedder: Embedder) -> None:
        while waiting := await memory.without_vector(self.database, embedder.name, EMBEDDED_AT_ONCE):
            memory_ids = [memory_id for tenant_id, memory_id in waiting if tenant_id == self.tenant_id]
            async with self.database.tenant_session(self.tenant_id) as session:
                texts = await memory.to_embed(session, self.vault, embedder.name, memory_ids)
            vectors = await embedder.embed([each.text for each in texts], purpose="passage")
            async with self.database.tenant_session(self.tenant_id) as session:
                placed = {each.memory_id: vector for each, vector in zip(texts, vectors, strict=True)}
                await memory.keep_vectors(session, self.tenant_id, embedder.name, placed)


@dataclass(frozen=True)
class Running:
    database: Database
    vault: Vault
    owner_url: str


@asynccontextmanager
async def running_database() -> AsyncIterator[Running]:
    with data_folder() as data:
        async with Supervisor(lambda sentence: None) as supervisor:
            part = await postgres.prepared(data)
            await supervisor.start(part.program)
            await part.create_database()
            await db.migrate(SecretStr(part.owner_url))
            database = Database(SecretStr(part.app_url))
            try:
                yield Running(database, Vault((SecretStr(Fernet.generate_key().decode()),)), part.owner_url)
            finally:
                await database.close()


async def open_office(database: Database, vault: Vault, slug: str) -> Office:
    tenant_id, connection_id, employee_id = TenantId(new_id()), new_id(), new_id()
    async with database.tenant_session(tenant_id) as session:
        session.add(Tenant(id=tenant_id, slug=slug, name=slug))
        await session.flush()
        session.add(Employee(tenant_id=tenant_id, id=employee_id, key="ada", published_version=1))
        await session.flush()
        session.add(
            EmployeeVersion(
                tenant_id=tenant_id,
                employee_id=employee_id,
                number=1,
                name="Ada",
                role="",
                persona="",
                system_prompt="",
                greeting="",
            )
        )
        session.add(
            Connection(
                tenant_id=tenant_id,
                id=connection_id,
                key="bench",
                kind="console",
                account=slug,
                employee_id=employee_id,
            )
        )
    return Office(database, vault, tenant_id, connection_id, employee_id)
