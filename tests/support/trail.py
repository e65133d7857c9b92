"""An audit trail that the product wrote, sealed and anchored, and an administrator who may do anything to it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
from pydantic import SecretStr

from konstruct import audit
from konstruct.audit import anchors, chain, sealing, verifying
from konstruct.audit.signing import Signatures
from konstruct.audit.verifying import Verified
from konstruct.identity import new_id
from tests.support.keys import ENCRYPTION_KEY
from tests.support.office import Office

TABLES = ("audit_events", "audit_heads", "audit_seals", "audit_seal_leaves")


@dataclass
class Trail:
    office: Office
    administrator: Any
    signatures: Signatures
    anchor_file: Path

    @property
    def tenant_id(self) -> UUID:
        return self.office.tenant_id

    async def write(self, conversation_id: UUID, events: int, **detail: object) -> None:
        async with self.office.session() as session:
            for number in range(events):
                audit.record(
                    session,
                    tenant_id=self.tenant_id,
                    conversation_id=conversation_id,
                    actor="employee",
                    action="message.sent",
                    subject_id=new_id(),
                    content=b"sealed by the caller",
                    number=number,
                    **detail,
                )

    async def seal(self) -> None:
        await sealing.seal(self.office.database, self.tenant_id)
        await self.anchor()

    async def anchor(self) -> None:
        async with self.office.session() as session:
            seals = await sealing.unanchored(session)
            anchors.append(self.anchor_file, [anchors.line(self.signatures, seal) for seal in seals])
            await sealing.note_anchored(session, [seal.number for seal in seals])

    async def verify(self) -> Verified:
        read = partial(anchors.read, [self.anchor_file], self.signatures)
        return await verifying.verify(self.office.database, self.tenant_id, read(), read, lambda events: None)

    @asynccontextmanager
    async def tampering(self) -> AsyncIterator[Any]:
        """The administrator's connection, with no trigger in the way, not even that of a foreign key."""
        async with self.administrator.transaction():
            await self.administrator.execute("set local session_replication_role = replica")
            for table in TABLES:
                await self.administrator.execute(f"alter table {table} disable trigger append_only")
            yield self.administrator
            for table in TABLES:
                await self.administrator.execute(f"alter table {table} enable always trigger append_only")

    async def rehash(self, chain_id: UUID, first: int, last: int | None = None) -> None:
        """Gives the events from one on the hashes of what they say now; with no last one, the head its own, too."""
        place = (self.tenant_id, chain_id)
        before = "select hash from audit_events where tenant_id = $1 and chain_id = $2 and seq = $3 - 1"
        latest = await self.administrator.fetchval(before, *place, first) or chain.START
        events = (
            "select id from audit_events where tenant_id = $1 and chain_id = $2 and seq between $3 and $4 order by seq"
        )
        for row in await self.administrator.fetch(events, *place, first, last or 1_000_000):
            latest = await self.administrator.fetchval(
                "update audit_events set prev = $3, hash = audit_hash(tenant_id, chain_id, seq, id, created_at, actor,"
                " action, subject_id, payload, content, $3) where tenant_id = $1 and id = $2 returning hash",
                *(self.tenant_id, row["id"], latest),
            )
        if last is None:
            await self.administrator.execute(
                "update audit_heads h set seq = e.seq, hash = e.hash from audit_events e where h.tenant_id = $1"
                " and h.chain_id = $2 and e.tenant_id = $1 and e.chain_id = $2"
                " and e.seq = (select max(seq) from audit_events where tenant_id = $1 and chain_id = $2)",
                *place,
            )

    async def reseal(self) -> None:
        """Makes seals and leaves fit to what the events say now."""
        await self.administrator.execute(
            "update audit_seal_leaves l set hash = e.hash from audit_events e"
            " where l.tenant_id = $1 and (e.tenant_id, e.chain_id, e.seq) = (l.tenant_id, l.chain_id, l.seq)",
            self.tenant_id,
        )
        previous = chain.START
        for seal in await self.administrator.fetch(
            "select number, sealed_at from audit_seals where tenant_id = $1 order by number", self.tenant_id
        ):
            tree = chain.Tree()
            for leaf in await self.administrator.fetch(
                "select * from audit_seal_leaves where tenant_id = $1 and number = $2 order by chain_id",
                *(self.tenant_id, seal["number"]),
            ):
                tree.add(chain.leaf(leaf["chain_id"], leaf["seq"], leaf["hash"]))
            root = chain.seal(self.tenant_id, seal["number"], seal["sealed_at"], tree, previous)
            await self.administrator.execute(
                "update audit_seals set root = $3, previous = $4 where tenant_id = $1 and number = $2",
                *(self.tenant_id, seal["number"], root, previous),
            )
            previous = root


@asynccontextmanager
async def open_trail(office: Office, owner_url: SecretStr, folder: Path) -> AsyncIterator[Trail]:
    administrator = await asyncpg.connect(owner_url.get_secret_value())
    yield Trail(office, administrator, Signatures((ENCRYPTION_KEY,)), folder / "anchors" / "audit.ndjson")
    await administrator.close()
