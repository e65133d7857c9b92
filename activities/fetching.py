"""Fetching: what people sent along comes from the channel into the store, sealed, before anybody thinks about it."""

import asyncio
import hashlib
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Final
from uuid import UUID, uuid4

import structlog
from sqlalchemy.ext.asyncio import AsyncSession
from temporalio import activity

from activities.heartbeat import heartbeat
from activities.opening import Afford, Opened, Opening
from konstruct import connections, conversations, usage
from konstruct.budgets import holding
from konstruct.connecting import renewing
from konstruct.contracts.conversation import FetchFilesRequest
from konstruct.conversations import Whereabouts
from konstruct.db import Database
from konstruct.errors import (
    ChannelRefused,
    ChannelUnavailable,
    ConnectionDead,
    KonstructError,
    TokenExpired,
    Unreadable,
)
from konstruct.file_ports import FileSource, FileStore
from konstruct.files import keeping, kinds
from konstruct.files.keeping import CONTENT, Content, Task
from konstruct.models import ModelCall
from konstruct.ports import ChannelAccount, Held
from konstruct.vault import Vault

TIME_LIMIT: Final = timedelta(seconds=60)
"""For one file to come."""

LISTENS_WITHIN: Final = 180.0
"""Seconds, with all that an attempt does besides."""
PATIENCE: Final = 10.0
"""Seconds that others' calls are waited for which a budget holds what is left for."""

AT_ONCE: Final = 8
"""Files that one process holds in memory."""

log = structlog.get_logger(__name__)


class Fetching:
    def __init__(
        self, database: Database, vault: Vault, sources: Mapping[str, FileSource], store: FileStore, opening: Opening
    ) -> None:
        """``sources``: by kinds of channels."""
        self._database = database
        self._vault = vault
        self._sources = sources
        self._store = store
        self._opening = opening
        self._places = asyncio.Semaphore(AT_ONCE)

    @activity.defn(name="fetch_files")
    async def fetch_files(self, request: FetchFilesRequest) -> None:
        """Settles all that waits in a conversation. An attempt that is cut off leaves what is settled already, so that
        the next one goes on from there."""
        async with heartbeat():
            found, tasks = await self._waiting(request)
            if not tasks:
                # As where all that waits is of a contact who was erased: else it would be waited for again and again.
                async with self._database.tenant_session(request.tenant_id) as session:
                    await keeping.give_up(session, request.conversation_id)
            failure: KonstructError | None = None
            for task in tasks:
                try:
                    async with self._places:
                        await self._fetch(found, task)
                except KonstructError as error:
                    if not error.retryable:
                        raise
                    # The others need not wait for what is away.
                    failure = error
            if failure is not None:
                raise failure

    @activity.defn(name="give_up_files")
    async def give_up_files(self, request: FetchFilesRequest) -> None:
        """They did not come in time: whoever waits for them goes on without."""
        async with self._database.tenant_session(request.tenant_id) as session:
            await conversations.lock(session, request.conversation_id)
            await keeping.give_up(session, request.conversation_id)

    async def _waiting(self, request: FetchFilesRequest) -> tuple[Whereabouts, list[Task]]:
        async with self._database.tenant_session(request.tenant_id) as session:
            found = await conversations.whereabouts(session, self._vault, request.conversation_id)
            return found, await keeping.waiting(session, self._vault, request.conversation_id)

    async def _fetch(self, found: Whereabouts, task: Task) -> None:
        source = self._sources.get(found.account.kind)
        if source is None:
            return await self._refuse(task, "files of this channel cannot be fetched")
        try:
            content = await self._content(source, found.account, task)
            digest = task.cipher.fingerprint(hashlib.sha256(content).hexdigest())
            if await self._keep_same(task, digest):
                return None
            opened = await self._open(found, task, content)
        except TokenExpired as error:
            async with self._database.tenant_session(task.tenant_id) as session:
                is_renewed = await renewing.hasten(session, self._vault, found.account)
            if is_renewed:
                raise
            return await self._refuse_as_dead(found.account, task, ConnectionDead(str(error), "token_expired"))
        except Unreadable as error:
            return await self._refuse(task, str(error))
        except ConnectionDead as error:
            return await self._refuse_as_dead(found.account, task, error)
        except ChannelRefused as error:
            return await self._refuse(task, str(error), is_its_own_fault=error.code == "too_big")
        sealed = await asyncio.to_thread(task.cipher.seal_bytes, CONTENT, task.file_id, opened.content)
        await self._store.put(task.store_key, sealed)
        async with self._database.tenant_session(task.tenant_id) as session:
            await self._mark(session, task, opened.media_type)
            await keeping.keep(session, task, digest, Content(opened.media_type, len(opened.content), opened.text))
        return None

    async def _open(self, found: Whereabouts, task: Task, content: bytes) -> Opened:
        calls: list[ModelCall] = []
        try:
            return await self._opening.open(task.sent, content, calls.append, self._affording(found))
        finally:
            if calls:
                async with self._database.tenant_session(task.tenant_id) as session:
                    priced = await self._opening.priced(session, calls)
                    usage.record(session, found.employee, task.conversation_id, uuid4(), priced, "speech")

    def _affording(self, found: Whereabouts) -> Afford | None:
        purse = holding.purse(self._database, found.tenant.id, found.employee.employee_id, found.tenant.budgets)
        if purse is None:
            return None

        async def afford(seconds: Decimal) -> Held:
            async with self._database.tenant_session(found.tenant.id) as session:
                price = await self._opening.price(session)
            amount = price.of(seconds) if price is not None else Decimal(0)
            return await purse.hold(amount, amount, amount, lasts=LISTENS_WITHIN, patience=PATIENCE)

        return afford

    async def _keep_same(self, task: Task, digest: str) -> bool:
        async with self._database.tenant_session(task.tenant_id) as session:
            await conversations.lock(session, task.conversation_id)
            media_type = await keeping.keep_same(session, task, digest)
            if media_type is not None:
                await self._mark(session, task, media_type)
        return media_type is not None

    async def _mark(self, session: AsyncSession, task: Task, media_type: str) -> None:
        """Somebody who hands a document or a picture on did not write what is in it; what is heard of them, they said
        themselves."""
        if kinds.kind_of(media_type) == "voice":
            await conversations.lock(session, task.conversation_id)
        else:
            await conversations.mark_untrusted(session, task.conversation_id)

    async def _content(self, source: FileSource, account: ChannelAccount, task: Task) -> bytes:
        try:
            async with asyncio.timeout(TIME_LIMIT.total_seconds()):
                pieces = source.fetch(account, task.sent.reference, most_bytes=kinds.LARGEST)
                return b"".join([piece async for piece in pieces])
        except TimeoutError:
            raise ChannelUnavailable("The file did not come in time.") from None

    async def _refuse(self, task: Task, why: str, *, is_its_own_fault: bool = True) -> None:
        log.info("file_refused", conversation_id=str(task.conversation_id), file_id=str(task.file_id), why=why)
        async with self._database.tenant_session(task.tenant_id) as session:
            await keeping.refuse(session, task.file_id, why, is_its_own_fault=is_its_own_fault)

    async def _refuse_as_dead(self, account: ChannelAccount, task: Task, error: ConnectionDead) -> None:
        """The next one is refused as well, and so is whatever is sent."""
        async with self._database.tenant_session(task.tenant_id) as session:
            await keeping.refuse(session, task.file_id, str(error), is_its_own_fault=False)
            await connections.mark(session, account.connection_id, status="revoked", reason=error.code, actor="channel")


class Removing:
    """What nothing refers to any more goes from the store, however long that is away."""

    def __init__(self, database: Database, store: FileStore) -> None:
        self._database = database
        self._store = store

    async def run(self, at_most: int) -> int:
        removed = 0
        for tenant_id in await keeping.with_removals(self._database, at_most):
            removed += await self.of_tenant(tenant_id)
        return removed

    async def of_tenant(self, tenant_id: UUID) -> int:
        """How many of what is due went from the store."""
        async with self._database.tenant_session(tenant_id) as session:
            due = await keeping.due_removals(session)
        gone = []
        for object_id in due:
            try:
                await self._store.delete(keeping.store_key(tenant_id, object_id))
            except KonstructError as error:
                log.warning("removal_failed", tenant_id=str(tenant_id), error=str(error))
                break
            gone.append(object_id)
        async with self._database.tenant_session(tenant_id) as session:
            await keeping.note_removed(session, gone)
        return len(gone)
