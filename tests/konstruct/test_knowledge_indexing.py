"""Documents as they are settled: chunks that stay, progress that is counted, and versions that came in between."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from konstruct.errors import Conflict
from konstruct.identity import new_id
from konstruct.knowledge import documents, indexing, syncs
from konstruct.tables import KnowledgeChunk, KnowledgeDocument
from tests.support.library import (
    SITE,
    SITEMAP,
    add,
    begin,
    content,
    fill,
    find,
    finish,
    long,
    read,
    source,
    states,
    upload,
)
from tests.support.office import Office

Attempt = Callable[[AsyncSession], Awaitable[object]]


async def placed(office: Office) -> dict[str, tuple[object, int]]:
    """Of each chunk, by its first word, its id and its place."""
    return {row.text.split()[0]: (row.id, row.position) for row in await office.rows(KnowledgeChunk)}


async def renew(office: Office, *texts: str, title: str = "Handbook") -> str:
    await upload(office, "files", "a", str(new_id()).encode())
    sync = await begin(office, (await source(office, "files")).id)
    [outcome] = (await read(office, sync, {"a": content(*texts, title=title)})).values()
    assert await finish(office, sync)
    return outcome


async def test_chunks_that_did_not_change_stay_wherever_they_are_now(office: Office) -> None:
    one, two, three = (long(word) for word in ("One", "Two", "Three"))
    await fill(office, "files", {"a": content(one, two)})
    before = await placed(office)
    assert sorted(place for _, place in before.values()) == [0, 1]
    # Headings belong to what a chunk says, so each keeps its own here.
    assert await renew(office, one, two, three) == "indexed"
    after = await placed(office)
    assert {word: after[word] for word in before} == before
    assert after["Three"][1] == 2
    assert await renew(office, one, two, three) == "unchanged"
    assert await renew(office, one) == "indexed"
    assert await placed(office) == {"One": before["One"]}
    # What a chunk is found by changes with the title.
    assert await renew(office, one, title="Manual") == "indexed"
    assert (await placed(office))["One"][0] != before["One"][0]
    [row] = await office.rows(KnowledgeDocument)
    assert (row.title, row.chunks, row.status) == ("Manual", 1, "indexed")


async def test_progress_is_what_is_left_to_do(office: Office) -> None:
    source_id = await add(office, "site", SITEMAP)
    urls = [f"{SITE}/{name}" for name in "abcd"]
    sync = await begin(office, source_id, urls)
    row = await source(office, "site")
    assert (row.status, row.found, row.done) == ("syncing", 4, 0)
    await read(office, sync, {urls[0]: content("One"), urls[1]: "It is broken.", urls[2]: None})
    row = await source(office, "site")
    assert (row.found, row.done) == (4, 3)
    assert not await finish(office, sync)
    await read(office, sync, {urls[3]: content("Four")})
    assert await finish(office, sync)
    row = await source(office, "site")
    assert (row.status, row.done, row.status_reason) == ("idle", 4, "1 of its documents could not be read.")
    assert await states(office) == {urls[0]: "indexed", urls[1]: "failed", urls[3]: "indexed"}
    [event] = await office.events("knowledge.synced")
    assert (event.detail["found"], event.detail["failed"]) == (4, 1)


async def test_what_was_not_found_again_leaves_only_when_all_was_read(office: Office) -> None:
    kept, gone = f"{SITE}/kept", f"{SITE}/gone"
    source_id = await fill(office, "site", {kept: content("Bells"), gone: content("Lamps")}, settings=SITEMAP)
    sync = await begin(office, source_id, [kept])
    assert set(await states(office)) == {kept, gone}
    assert len(await find(office, "lamps")) == 1
    async with office.session() as session:
        await syncs.fail(session, source_id, sync.sync_id, "It broke off.")
    row = await source(office, "site")
    assert (row.status, row.status_reason) == ("failed", "It broke off.")
    assert len(await find(office, "lamps")) == 1
    sync = await begin(office, source_id, [kept])
    await read(office, sync, {kept: content("Bells")})
    assert await finish(office, sync)
    assert await states(office) == {kept: "indexed"}
    assert await find(office, "lamps") == []


async def test_a_file_that_came_meanwhile_is_taken_in_before_the_end(office: Office) -> None:
    source_id = await add(office, "files")
    await upload(office, "files", "a")
    sync = await begin(office, source_id)
    await read(office, sync, {"a": content("Bells")})
    await upload(office, "files", "b")
    assert not await finish(office, sync)
    assert (await source(office, "files")).found == 2
    await read(office, sync, {"b": content("Lamps")})
    assert await finish(office, sync)
    assert (await source(office, "files")).done == 2


async def test_a_task_of_an_older_version_settles_nothing(office: Office) -> None:
    source_id = await add(office, "files")
    await upload(office, "files", "a", b"Old")
    sync = await begin(office, source_id)
    async with office.session() as session:
        [task] = await syncs.tasks(session, sync, 10)
    await upload(office, "files", "a", b"New")
    settle: tuple[Attempt, ...] = (
        lambda session: indexing.write(session, sync, task, content("Old")),
        lambda session: indexing.confirm(session, sync, task),
        lambda session: indexing.fail(session, sync, task, "No."),
        lambda session: indexing.drop(session, sync, task),
    )
    for each in settle:
        async with office.session() as session:
            assert await each(session) == "superseded"
    assert await states(office) == {"a": "waiting"}
    async with office.session() as session:
        assert await documents.content_of(session, task.document_id) == b"New"


async def test_two_who_settle_the_same_settle_it_once(office: Office) -> None:
    source_id = await add(office, "files")
    await upload(office, "files", "a")
    sync = await begin(office, source_id)
    async with office.session() as session:
        [task] = await syncs.tasks(session, sync, 10)

    async def write() -> str:
        async with office.session() as session:
            return await indexing.write(session, sync, task, content(long("One"), long("Two")))

    assert sorted(await asyncio.gather(*(write() for _ in range(4)))) == ["indexed", *["superseded"] * 3]
    assert len(await office.rows(KnowledgeChunk)) == 2


async def test_a_synchronisation_that_another_took_over_from_changes_nothing(office: Office) -> None:
    source_id = await add(office, "site", SITEMAP)
    late = await begin(office, source_id, [f"{SITE}/a"])
    async with office.session() as session:
        [task] = await syncs.tasks(session, late, 10)
        again = await syncs.begin(session, source_id, late.sync_id)
    assert again == late
    await begin(office, source_id, [f"{SITE}/a"])
    attempts: tuple[Attempt, ...] = (
        lambda session: syncs.note_found(session, late, [f"{SITE}/b"]),
        lambda session: syncs.note_listed(session, late),
        lambda session: syncs.resume(session, source_id, late.sync_id),
        lambda session: syncs.tasks(session, late, 10),
        lambda session: syncs.finish(session, late),
        lambda session: indexing.write(session, late, task, content("Bells")),
    )
    for attempt in attempts:
        with pytest.raises(Conflict):
            async with office.session() as session:
                await attempt(session)
    async with office.session() as session:
        await syncs.fail(session, source_id, late.sync_id, "It broke off.")
    assert (await source(office, "site")).status == "syncing"
    assert await states(office) == {f"{SITE}/a": "waiting"}


async def test_a_large_document_is_indexed_whole(office: Office) -> None:
    count = 2 * indexing.ADDED_AT_ONCE + 10
    await fill(office, "files", {"a": content(*(long(f"Word{number}") for number in range(count)))})
    positions = sorted(row.position for row in await office.rows(KnowledgeChunk))
    assert positions == list(range(count))
    assert (await find(office, f"word{count - 1}", at_most=1))[0].text.startswith(f"Word{count - 1}")
