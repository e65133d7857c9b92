"""Documents that end whoever reads them: each is set aside after a few attempts, and no other with it."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field

import pytest
from temporalio.client import Client
from temporalio.testing import ActivityEnvironment

from activities.ingesting import Ingesting
from konstruct.adapters.reading.reader import SubprocessReader
from konstruct.adapters.web import SafeWeb, open_client
from konstruct.contracts.knowledge import SyncRequest
from konstruct.db import Database
from konstruct.identity import new_id
from konstruct.knowledge.indexing import SET_ASIDE
from konstruct.knowledge.syncs import ALONE_FROM, MOST_TRIES
from konstruct.settings import Settings
from konstruct.source_ports import DocumentReader, ReadDocument
from konstruct.tables import KnowledgeDocument
from tests.support.doubles import GivenEmbedders, WordEmbedder
from tests.support.library import add, source, states, upload
from tests.support.office import Office


class Died(BaseException):
    """The process has: nobody catches this, and nothing is done after it."""


@dataclass
class DeadlyReader:
    reader: DocumentReader = field(default_factory=SubprocessReader)
    deadly: set[bytes] = field(default_factory=set)
    reads: Counter[str] = field(default_factory=Counter)
    hold: asyncio.Event | None = None
    """What is not deadly is read for so long."""
    begun: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    at_it: int = 0
    most_at_once: int = 0

    async def read(self, content: bytes, *, name: str, media_type: str | None = None) -> ReadDocument:
        self.reads[name] += 1
        self.begun.put_nowait(name)
        if content in self.deadly:
            raise Died
        self.at_it += 1
        self.most_at_once = max(self.most_at_once, self.at_it)
        try:
            if self.hold is not None:
                await self.hold.wait()
            return await self.reader.read(content, name=name, media_type=media_type)
        finally:
            self.at_it -= 1


@dataclass
class Desk:
    office: Office
    reader: DeadlyReader
    ingesting: Ingesting

    async def begin(self, key: str) -> SyncRequest:
        request = SyncRequest(self.office.tenant_id, (await source(self.office, key)).id, new_id())
        await ActivityEnvironment().run(self.ingesting.list_source, request)
        return request

    async def read(self, request: SyncRequest) -> None:
        while not (await ActivityEnvironment().run(self.ingesting.read_documents, request)).is_over:
            pass

    async def go_on(self, request: SyncRequest) -> None:
        """As a worker that is started anew each time."""
        while True:
            with suppress(Died):
                return await self.read(request)

    async def document(self, name: str) -> KnowledgeDocument:
        [row] = [row for row in await self.office.rows(KnowledgeDocument) if row.name == name]
        return row


@pytest.fixture
async def desk(
    office: Office, settings: Settings, database: Database, temporal_client: Client, embedder: WordEmbedder
) -> AsyncIterator[Desk]:
    reader = DeadlyReader()
    embedders = GivenEmbedders({embedder.name: embedder})
    async with open_client([]) as web:
        yield Desk(office, reader, Ingesting(settings, database, temporal_client, SafeWeb(web), reader, embedders))


async def test_a_document_that_ends_whoever_reads_it_is_set_aside_and_all_others_are_read(desk: Desk) -> None:
    await add(desk.office, "files")
    await upload(desk.office, "files", "bad.md", b"# Bad")
    await upload(desk.office, "files", "good.md", b"# Hours\n\nWe open at nine.")
    desk.reader.deadly = {b"# Bad"}

    await desk.go_on(await desk.begin("files"))

    assert await states(desk.office) == {"bad.md": "failed", "good.md": "indexed"}
    assert desk.reader.reads == {"bad.md": MOST_TRIES, "good.md": 1}
    assert (await desk.document("bad.md")).error == SET_ASIDE
    assert (await source(desk.office, "files")).status_reason == "1 of its documents could not be read."

    # Another version of it is another document.
    await upload(desk.office, "files", "bad.md", b"# Better\n\nNothing is wrong with it.")
    await desk.go_on(await desk.begin("files"))
    assert await states(desk.office) == {"bad.md": "indexed", "good.md": "indexed"}
    assert (await desk.document("bad.md")).tries == 0


async def test_what_has_died_twice_is_read_by_itself(desk: Desk) -> None:
    for key in ("one", "other"):
        await add(desk.office, key)
        await upload(desk.office, key, f"{key}.md", f"# Of {key}".encode())
    desk.reader.deadly = {b"# Of one", b"# Of other"}
    requests = [await desk.begin(key) for key in ("one", "other")]
    for request in requests * ALONE_FROM:
        with pytest.raises(Died):
            await desk.read(request)

    desk.reader.deadly, desk.reader.most_at_once = set(), 0
    await asyncio.gather(*map(desk.read, requests))

    assert await states(desk.office) == {"one.md": "indexed", "other.md": "indexed"}
    assert desk.reader.most_at_once == 1


async def test_an_attempt_that_is_cut_off_in_order_does_not_count(desk: Desk) -> None:
    await add(desk.office, "files")
    await upload(desk.office, "files", "good.md", b"# Hours\n\nWe open at nine.")
    desk.reader.hold = asyncio.Event()
    request = await desk.begin("files")

    reading = asyncio.create_task(desk.read(request))
    await desk.reader.begun.get()
    assert (await desk.document("good.md")).tries == 1
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading

    assert (await desk.document("good.md")).tries == 0
