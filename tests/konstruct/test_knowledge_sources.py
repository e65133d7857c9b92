"""Sources as they are made, altered and removed, and the documents that are handed in to them."""

from datetime import timedelta

import pytest
from sqlmodel import select

from konstruct.errors import BadInput, Conflict, NotFound
from konstruct.identity import new_id
from konstruct.knowledge import documents, sources, syncs
from konstruct.knowledge.sources import SourceSettings, interval
from konstruct.tables import KnowledgeChunk, KnowledgeContent, KnowledgeDocument, KnowledgeSource
from tests.support.library import (
    FILES,
    SITE,
    SITEMAP,
    add,
    begin,
    content,
    fill,
    find,
    finish,
    read,
    source,
    states,
    upload,
)
from tests.support.office import Office, open_office

DAILY = SourceSettings("sitemap", "Help", f"{SITE}/sitemap.xml", timedelta(days=1), is_trusted=True)


async def put(office: Office, key: str, settings: SourceSettings) -> list[str]:
    async with office.session() as session:
        return await sources.put(session, office.tenant_id, key, settings, "test")


@pytest.mark.parametrize(
    ("text", "seconds"), [("15 minutes", 900), ("1 day", 86_400), ("week", 604_800), (" 6hours ", 21_600)]
)
def test_intervals_are_read_as_people_write_them(text: str, seconds: int) -> None:
    assert interval(text).total_seconds() == seconds


@pytest.mark.parametrize(
    "text", ["", "14 minutes", "2 years", "0 days", "-1 day", "1 fortnight", "99999 weeks", "1.5 h"]
)
def test_what_is_no_interval_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(BadInput, match="for example 1 day"):
        interval(text)


async def test_a_source_is_made_and_altered_and_says_what_changed(office: Office) -> None:
    assert set(await put(office, "help", DAILY)) == {"kind", "title", "url", "sync_every_seconds", "is_trusted"}
    assert await put(office, "help", DAILY) == []
    made = await source(office, "help")
    assert (made.status, made.title, made.sync_every_seconds, made.is_trusted) == ("waiting", "Help", 86_400, True)
    assert made.next_sync_at is not None

    assert await put(office, "help", SourceSettings("sitemap", "", DAILY.url, DAILY.sync_every)) == [
        "title",
        "is_trusted",
    ]
    assert (await source(office, "help")).title == "help"
    assert await office.actions() == sorted(
        [*await plain_actions(office), "knowledge.source_added", "knowledge.source_changed"]
    )
    [event] = await office.events("knowledge.source_changed")
    assert (event.actor, event.detail["source"], event.detail["fields"]) == ("test", "help", ["title", "is_trusted"])


async def plain_actions(office: Office) -> list[str]:
    return [action for action in await office.actions() if not action.startswith("knowledge.")]


@pytest.mark.parametrize(
    ("key", "settings"),
    [
        ("", FILES),
        ("Help", FILES),
        ("9help", FILES),
        ("a" * 64, FILES),
        ("help", SourceSettings("folder")),  # type: ignore[arg-type]  # Whatever somebody writes.
        ("help", SourceSettings("files", url=SITE)),
        ("help", SourceSettings("files", sync_every=timedelta(days=1))),
        ("help", SourceSettings("files", "two\nlines")),
        ("help", SourceSettings("page")),
        ("help", SourceSettings("page", url="ftp://example.com/")),
        ("help", SourceSettings("page", url="https://")),
        ("help", SourceSettings("page", url="https://me:secret@example.com/")),
        ("help", SourceSettings("page", url="https://example.com:99999/")),
        ("help", SourceSettings("page", url="https://[::1/")),
        ("help", SourceSettings("page", url="https://example.com/a b")),
        ("help", SourceSettings("page", url=f"https://example.com/{'a' * 2_000}")),
        ("help", SourceSettings("page", url=SITE, sync_every=timedelta(minutes=14))),
    ],
)
async def test_what_is_no_source_is_refused(office: Office, key: str, settings: SourceSettings) -> None:
    with pytest.raises(BadInput) as refused:
        await put(office, key, settings)
    assert "secret" not in str(refused.value)
    assert await office.rows(KnowledgeSource) == []


async def test_a_source_of_another_kind_needs_another_key(office: Office) -> None:
    await put(office, "help", FILES)
    with pytest.raises(Conflict, match="remove it first"):
        await put(office, "help", DAILY)


async def test_a_removed_source_leaves_nothing_and_can_be_made_again_as_another(office: Office) -> None:
    await fill(office, "help", {"a": content("Bells ring.")})
    late = await begin(office, (await source(office, "help")).id)
    async with office.session() as session:
        await sources.remove(session, office.tenant_id, "help", "test")
    assert await find(office, "bell") == []
    for table in (KnowledgeDocument, KnowledgeChunk):
        assert await office.rows(table) == []
    assert [event.detail["documents"] for event in await office.events("knowledge.source_removed")] == [1]
    with pytest.raises(Conflict):
        await finish(office, late)
    async with office.session() as session:
        assert await sources.listing(session) == []
        assert await syncs.begin(session, late.source_id, new_id()) is None
        for missing in (sources.called(session, "help"), sources.remove(session, office.tenant_id, "help", "test")):
            with pytest.raises(NotFound):
                await missing
    assert len(await put(office, "help", DAILY)) == 5
    assert (await source(office, "help")).kind == "sitemap"


async def test_an_altered_address_supersedes_what_is_under_way(office: Office) -> None:
    source_id = await add(office, "help", SITEMAP)
    under_way = await begin(office, source_id, [f"{SITE}/a"])
    await put(office, "help", SourceSettings("sitemap", url=f"{SITE}/other.xml"))
    with pytest.raises(Conflict):
        await read(office, under_way, {f"{SITE}/a": content("Bells")})
    row = await source(office, "help")
    assert row.status == "waiting"
    assert row.next_sync_at is not None
    # The page that only the former address had is not there any more.
    again = await begin(office, source_id, [f"{SITE}/b"])
    await read(office, again, {f"{SITE}/b": content("Lamps")})
    assert await finish(office, again)
    assert await states(office) == {f"{SITE}/b": "indexed"}


async def test_a_wish_to_look_again_is_nothing_new_while_that_is_under_way(office: Office) -> None:
    source_id = await add(office, "help", DAILY)
    sync = await begin(office, source_id, [f"{SITE}/a"])
    async with office.session() as session:
        assert await sources.request_sync(session, office.tenant_id, "help", "test") == source_id
    assert await read(office, sync, {f"{SITE}/a": content("Bells")}) == {f"{SITE}/a": "indexed"}
    assert await finish(office, sync)
    before = await source(office, "help")
    async with office.session() as session:
        await sources.request_sync(session, office.tenant_id, "help", "test")
    after = await source(office, "help")
    assert (before.status, after.status) == ("idle", "waiting")
    assert before.next_sync_at is not None
    assert after.next_sync_at is not None
    assert after.next_sync_at < before.next_sync_at


async def test_the_same_bytes_are_nothing_new_and_others_are_a_new_version(office: Office) -> None:
    await add(office, "files")

    async def hand_in(text: bytes, name: str = "a.md") -> str:
        async with office.session() as session:
            return (await documents.put(session, office.tenant_id, "files", name, text, actor="test")).outcome

    assert [await hand_in(text) for text in (b"One", b"One", b"Two")] == ["new", "unchanged", "changed"]
    # However the name's accents are put together.
    assert [await hand_in(b"One", name) for name in ("\u00e9.md", "e\u0301.md")] == ["new", "unchanged"]
    sync = await begin(office, (await source(office, "files")).id)
    await read(office, sync, {"a.md": "It is broken.", "\u00e9.md": content("One")})
    assert await finish(office, sync)
    # What could not be read is tried again.
    assert [await hand_in(b"Two"), await hand_in(b"One", "\u00e9.md")] == ["changed", "unchanged"]
    async with office.session() as session:
        known = (await documents.listing(session, "files"))[0]
        assert await documents.content_of(session, known.id) == b"Two"
        assert (await documents.get(session, known.id)).name == "a.md"
    assert len(await office.events("knowledge.document_added")) == 2
    assert len(await office.events("knowledge.document_changed")) == 2


@pytest.mark.parametrize(
    ("name", "text"), [("", b"x"), (" ", b"x"), ("a\nb", b"x"), ("a" * 256, b"x"), ("a", b""), ("a", b"x" * 20_000_001)]
)
async def test_what_is_no_file_is_refused(office: Office, name: str, text: bytes) -> None:
    await add(office, "files")
    with pytest.raises(BadInput):
        await upload(office, "files", name, text)
    assert await office.rows(KnowledgeDocument) == []


async def test_pages_are_handed_in_and_removed_at_their_site_alone(office: Office) -> None:
    await fill(office, "help", {f"{SITE}/a": content("Bells")}, settings=SITEMAP)
    with pytest.raises(BadInput, match="changed and removed there"):
        await upload(office, "help", "a")
    async with office.session() as session:
        with pytest.raises(BadInput, match="changed and removed there"):
            await documents.remove(session, office.tenant_id, "help", f"{SITE}/a", "test")
        with pytest.raises(NotFound):
            await documents.put(session, office.tenant_id, "unknown", "a", b"x", actor="test")


async def test_a_removed_file_is_found_no_more_and_its_double_takes_its_place(office: Office) -> None:
    source_id = await fill(office, "files", {"a": content("Bells ring."), "b": content("Bells ring.")})
    assert await states(office) == {"a": "indexed", "b": "duplicate"}
    async with office.session() as session:
        await documents.remove(session, office.tenant_id, "files", "a", "test")
    assert await find(office, "bell") == []
    assert (await source(office, "files")).status == "waiting"
    sync = await begin(office, source_id)
    assert await read(office, sync, {"b": content("Bells ring.")}) == {"b": "indexed"}
    assert await finish(office, sync)
    assert len(await find(office, "bell")) == 1
    async with office.session() as session:
        with pytest.raises(NotFound):
            await documents.remove(session, office.tenant_id, "files", "a", "test")
        rows = (await session.scalars(select(KnowledgeContent))).all()
    assert [row.content for row in rows] == [b"b"]


async def test_documents_are_listed_page_by_page(office: Office) -> None:
    await fill(office, "files", {name: content(name * 10) for name in ("one", "two", "three")})
    async with office.session() as session:
        first = await documents.listing(session, "files", at_most=2)
        rest = await documents.listing(session, "files", after=first[-1].id)
        assert await documents.listing(session, "files", state="failed") == []
        with pytest.raises(NotFound):
            await documents.listing(session, "unknown")
    assert [row.name for row in (*first, *rest)] == ["one", "two", "three"]


async def test_two_tenants_have_sources_and_documents_of_the_same_names(office: Office) -> None:
    other = await open_office(office.database, office.vault)
    for each in (office, other):
        await fill(each, "files", {"a": content("Bells ring.")})
    async with office.session() as session:
        await sources.remove(session, office.tenant_id, "files", "test")
    assert len(await find(other, "bell")) == 1
    assert await states(other) == {"a": "indexed"}
