"""How much may be known is judged by the text that is found in documents, when they are read."""

import asyncio

import pytest
from sqlalchemy import update

from konstruct.db import Database
from konstruct.errors import OverPlan
from konstruct.knowledge import documents, indexing, syncs
from konstruct.knowledge.indexing import Outcome
from konstruct.tables import KnowledgeDocument
from tests.support.billed import bill
from tests.support.library import SITE, SITEMAP, add, begin, content, fill, find, finish, read, source, states, upload
from tests.support.office import Office

MEGABYTE = 1_000_000
FULL = "Your plan includes 1 MB of knowledge, and no more fits in. Remove documents, or choose a larger plan."


@pytest.fixture
async def filled(office: Office, database: Database) -> Office:
    """With a document that leaves room for ten bytes."""
    await fill(office, "files", {"a": content("Known words")})
    await bill(database, office.tenant_id, limits={"knowledge_mb": 1})
    async with office.session() as session:
        await session.execute(update(KnowledgeDocument).values(text_bytes=MEGABYTE - 10))
    return office


async def _row(office: Office, name: str) -> KnowledgeDocument:
    [row] = [each for each in await office.rows(KnowledgeDocument) if each.name == name]
    return row


async def test_what_does_not_fit_says_so_and_is_not_found(filled: Office) -> None:
    for name in ("b", "c"):
        await upload(filled, "files", name, name.encode())
    sync = await begin(filled, (await source(filled, "files")).id)

    assert await read(filled, sync, {"b": content("Far too long"), "c": content("Short")}) == {
        "b": "failed",
        "c": "indexed",
    }
    assert await finish(filled, sync)

    failed = await _row(filled, "b")
    assert (failed.error, failed.text_bytes, failed.chunks) == (FULL, 0, 0)
    assert not await find(filled, "Far too long")
    assert await find(filled, "Short")


async def test_it_is_read_once_there_is_room(filled: Office, database: Database) -> None:
    await upload(filled, "files", "b", b"b")
    sync = await begin(filled, (await source(filled, "files")).id)
    await read(filled, sync, {"b": content("Far too long")})
    assert await finish(filled, sync)

    await bill(database, filled.tenant_id, limits={"knowledge_mb": 2})
    row = await _row(filled, "b")
    async with filled.session() as session:
        await documents.read_again(session, filled.tenant_id, row.id, "test")
    sync = await begin(filled, (await source(filled, "files")).id)

    assert await read(filled, sync, {"b": content("Far too long")}) == {"b": "indexed"}


async def test_of_two_sources_that_are_read_at_once_one_gets_the_last_room(filled: Office) -> None:
    tasks = []
    for key in ("one", "two"):
        source_id = await add(filled, key)
        await upload(filled, key, "b", key.encode())
        sync = await begin(filled, source_id)
        async with filled.session() as session:
            [task] = await syncs.tasks(session, sync, 1)
        tasks.append((sync, task, content(f"{key} words")))

    async def write(number: int) -> Outcome:
        async with filled.session() as session:
            return await indexing.write(session, *tasks[number])

    assert sorted(await asyncio.gather(write(0), write(1))) == ["failed", "indexed"]


async def test_the_same_again_takes_no_room(filled: Office) -> None:
    await upload(filled, "files", "b", b"b")
    sync = await begin(filled, (await source(filled, "files")).id)

    assert await read(filled, sync, {"b": content("Known words")}) == {"b": "duplicate"}


async def test_what_is_known_stays_after_a_downgrade_and_may_get_shorter(filled: Office, database: Database) -> None:
    await bill(database, filled.tenant_id, limits={"knowledge_mb": 0})
    assert await find(filled, "Known words")

    await upload(filled, "files", "a", b"longer")
    async with filled.session() as session:
        await session.execute(update(KnowledgeDocument).values(text_bytes=len("Known words")))
    sync = await begin(filled, (await source(filled, "files")).id)
    assert await read(filled, sync, {"a": content("Known words, and more")}) == {"a": "failed"}
    assert await finish(filled, sync)
    assert await find(filled, "Known words")

    await upload(filled, "files", "a", b"shorter")
    sync = await begin(filled, (await source(filled, "files")).id)
    assert await read(filled, sync, {"a": content("Fewer")}) == {"a": "indexed"}


async def test_nothing_is_handed_in_where_there_is_no_room_at_all(filled: Office) -> None:
    async with filled.session() as session:
        await session.execute(update(KnowledgeDocument).values(text_bytes=MEGABYTE))

    with pytest.raises(OverPlan, match="1 MB of knowledge"):
        await upload(filled, "files", "b")
    with pytest.raises(OverPlan, match="1 MB of knowledge"):
        await add(filled, "site", SITEMAP)
    # A new version of what is there may be shorter.
    await upload(filled, "files", "a", b"another")
    assert await states(filled) == {"a": "waiting"}


async def test_a_site_is_read_as_far_as_there_is_room(filled: Office) -> None:
    source_id = await add(filled, "site", SITEMAP)
    sync = await begin(filled, source_id, [f"{SITE}/1", f"{SITE}/2"])

    outcomes = await read(filled, sync, {f"{SITE}/1": content("One page"), f"{SITE}/2": content("Two page")})

    assert outcomes == {f"{SITE}/1": "indexed", f"{SITE}/2": "failed"}
    assert await finish(filled, sync)
