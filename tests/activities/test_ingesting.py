"""Ingestion from a real web site and of real files: what is read, what changes, what leaves, and what goes wrong."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID

import pytest
from temporalio.client import Client
from temporalio.testing import ActivityEnvironment

from activities.ingesting import AWAY_AFTER, Ingesting
from konstruct.adapters.reading.reader import SubprocessReader
from konstruct.adapters.web import SafeWeb, open_client
from konstruct.contracts.knowledge import Progress, SyncRequest
from konstruct.db import Database
from konstruct.identity import new_id
from konstruct.knowledge import documents, sources
from konstruct.knowledge.sources import SourceSettings
from konstruct.settings import Settings
from konstruct.source_ports import ReadDocument
from konstruct.tables import KnowledgeChunk, KnowledgeDocument, KnowledgeSource
from konstruct.vault import Vault
from tests.support.doubles import GivenEmbedders, WordEmbedder
from tests.support.library import add, find, source, states, upload
from tests.support.office import Office, open_office
from tests.support.website import Website, open_website, page


@pytest.fixture
async def office(database: Database, vault: Vault) -> Office:
    return await open_office(database, vault)


@pytest.fixture
async def site() -> AsyncIterator[Website]:
    async with open_website() as website:
        yield website


@dataclass
class Desk:
    """What synchronises sources, without a workflow around it."""

    office: Office
    ingesting: Ingesting

    async def sync(self, key: str) -> None:
        request = SyncRequest(self.office.tenant_id, (await source(self.office, key)).id, new_id())
        await self.go_on(request, await self.listed(request))

    async def listed(self, request: SyncRequest) -> Progress:
        progress: Progress = await ActivityEnvironment().run(self.ingesting.list_source, request)
        return progress

    async def go_on(self, request: SyncRequest, progress: Progress) -> None:
        while not progress.is_over:
            progress = await ActivityEnvironment().run(self.ingesting.read_documents, request)

    async def documents(self) -> dict[str, KnowledgeDocument]:
        """By path."""
        rows = await self.office.rows(KnowledgeDocument)
        return {row.name.partition("//")[2].partition("/")[2] or row.name: row for row in rows}

    async def chunks(self) -> dict[UUID, str]:
        return {row.id: row.text for row in await self.office.rows(KnowledgeChunk)}


@pytest.fixture
async def ingesting(
    settings: Settings, database: Database, temporal_client: Client, site: Website, embedder: WordEmbedder
) -> AsyncIterator[Ingesting]:
    async with open_client([site.host]) as web:
        yield Ingesting(
            settings.model_copy(update={"embedding_model": embedder.name}),
            database,
            temporal_client,
            SafeWeb(web),
            SubprocessReader(),
            GivenEmbedders({embedder.name: embedder}),
            pause=0,
            waits=(0, 0),
        )


@pytest.fixture
def desk(office: Office, ingesting: Ingesting) -> Desk:
    return Desk(office, ingesting)


async def add_site(office: Office, site: Website, key: str = "site", path: str = "/sitemap.xml") -> UUID:
    kind = SourceSettings("sitemap" if path.endswith((".xml", "/")) else "page", url=site.at(path))
    return await add(office, key, kind)


async def test_files_are_read_and_found_and_a_new_version_takes_the_place_of_the_old(desk: Desk) -> None:
    office = desk.office
    await add(office, "files")
    await upload(office, "files", "hours.md", b"# Hours\n\nWe open at nine.")
    await upload(office, "files", "price list.csv", "item,price\nbell,5 €\nlamp,30 €".encode())
    await upload(office, "files", "broken.pdf", b"%PDF-1.7 and then nothing")
    assert set((await states(office)).values()) == {"waiting"}
    await desk.sync("files")

    [found] = await find(office, "when do you open?")
    assert (found.title, found.text) == ("Hours", "We open at nine.")
    assert (await find(office, "lamp"))[0].title == "price list"
    row = (await desk.documents())["broken.pdf"]
    assert (row.status, row.chunks) == ("failed", 0)
    assert row.error
    assert row.error.endswith(".")
    of = await source(office, "files")
    assert (of.status, of.found, of.done) == ("idle", 3, 3)
    assert of.status_reason == "1 of its documents could not be read."
    assert of.next_sync_at is None

    await upload(office, "files", "hours.md", b"# Hours\n\nWe open at ten.")
    assert [each.text for each in await find(office, "open")] == ["We open at nine."]
    await desk.sync("files")
    assert [each.text for each in await find(office, "open")] == ["We open at ten."]


async def test_the_pages_of_a_site_are_read_as_its_robots_txt_wants(desk: Desk, site: Website) -> None:
    site.publish({"/": "We sell bells.", "/returns": "Within 30 days.", "/secret": "Not for you."})
    site.robots = "User-agent: *\nDisallow: /secret\n"
    await add_site(desk.office, site)
    await desk.sync("site")
    assert {path: row.status for path, row in (await desk.documents()).items()} == {
        site.at("/"): "indexed",
        "returns": "indexed",
    }
    [found] = await find(desk.office, "returning within days")
    assert (found.title, found.link, found.headings) == ("Returns", site.at("/returns"), ("Returns", "Section 1"))
    of = await source(desk.office, "site")
    assert (of.found, of.done, of.status) == (2, 2, "idle")
    assert of.status_reason == "1 pages are left out, as robots.txt wants it."
    assert site.asked["/robots.txt"] == 2
    assert site.asked["/secret"] == 0
    assert all("Konstruct" in agent for agent in site.agents)


async def test_what_did_not_change_is_not_read_again_and_keeps_its_vectors(
    desk: Desk, site: Website, embedder: WordEmbedder
) -> None:
    blah = "And so on and on, for as long as it takes to be a chunk of its own. " * 12
    site.pages = {
        "/same": page("Same", "It stays."),
        "/part": page("Part", f"First. {blah}", f"Second. {blah}"),
        "/gone": page("Gone", "It leaves."),
    }
    await add_site(desk.office, site)
    # Whatever other tests have left.
    await ActivityEnvironment().run(desk.ingesting.embed_chunks)
    embedder.asked.clear()
    await desk.sync("site")
    await ActivityEnvironment().run(desk.ingesting.embed_chunks)
    before = await desk.chunks()
    assert len(embedder.asked) == len(before) == 4

    site.pages["/part"] = page("Part", f"First. {blah}", f"Third. {blah}")
    del site.pages["/gone"]
    await desk.sync("site")
    after = await desk.chunks()
    assert set(await desk.documents()) == {"same", "part"}
    assert sorted(text.split()[0] for text in after.values()) == ["First.", "It", "Third."]
    kept = before.keys() & after.keys()
    assert sorted(before[chunk_id].split()[0] for chunk_id in kept) == ["First.", "It"]
    assert site.unchanged == {"/same": 1}
    await ActivityEnvironment().run(desk.ingesting.embed_chunks)
    assert len(embedder.asked) == len(before) + 1


async def test_pages_of_the_same_content_are_one_until_the_first_of_them_leaves(desk: Desk, site: Website) -> None:
    twin = page("Twin", "Bells ring.")
    site.pages = {"/a": twin, "/b": twin, "/c": twin, "/d": page("Other", "Lamps shine.")}
    await add_site(desk.office, site)
    await desk.sync("site")

    async def said() -> dict[str, str]:
        return {path: row.status for path, row in (await desk.documents()).items()}

    assert await said() == {"a": "indexed", "b": "duplicate", "c": "duplicate", "d": "indexed"}
    assert [each.link for each in await find(desk.office, "bell")] == [site.at("/a")]

    del site.pages["/a"]
    await desk.sync("site")
    assert await said() == {"b": "indexed", "c": "duplicate", "d": "indexed"}
    assert [each.link for each in await find(desk.office, "bell")] == [site.at("/b")]

    site.pages["/b"] = page("Twin", "Horns blow.")
    await desk.sync("site")
    assert await said() == {"b": "indexed", "c": "indexed", "d": "indexed"}
    assert [each.link for each in await find(desk.office, "bell")] == [site.at("/c")]


@pytest.mark.parametrize("listing", ["", "<urlset/>", "<html>Down for maintenance</html>", "404"])
async def test_a_site_that_lists_nothing_loses_nothing(desk: Desk, site: Website, listing: str) -> None:
    site.publish({"/returns": "Within 30 days."})
    await add_site(desk.office, site)
    await desk.sync("site")
    if listing == "404":
        site.statuses["/sitemap.xml"] = 404
    site.sitemap = listing
    await desk.sync("site")
    of = await source(desk.office, "site")
    assert of.status == "failed"
    assert of.status_reason
    assert of.status_reason.endswith(".")
    assert len(await find(desk.office, "returns within 30 days")) == 1


async def test_trouble_with_one_page_is_told_beside_it_and_what_it_said_before_stays(desk: Desk, site: Website) -> None:
    site.publish({"/fine": "Bells.", "/down": "Lamps.", "/huge": "Tyres.", "/closed": "Locks.", "/elsewhere": "Pumps."})
    await add_site(desk.office, site)
    await desk.sync("site")
    site.statuses = {"/down": 503, "/closed": 403}
    site.huge = {"/huge"}
    site.redirects = {"/elsewhere": "http://127.0.0.1:9/"}
    await desk.sync("site")
    rows = await desk.documents()
    assert {path: row.status for path, row in rows.items()} == {
        "fine": "indexed",
        **dict.fromkeys(("down", "huge", "closed", "elsewhere"), "failed"),
    }
    assert "answers 503" in (rows["down"].error or "")
    assert "does not let everybody read it" in (rows["closed"].error or "")
    assert all(rows[path].error for path in ("huge", "elsewhere"))
    assert site.asked["/down"] == 1 + 3
    for word in ("lamps", "tyres", "locks", "pumps"):
        assert len(await find(desk.office, word)) == 1
    of = await source(desk.office, "site")
    assert (of.status, of.status_reason) == ("idle", "4 of its documents could not be read.")

    site.statuses, site.huge, site.redirects = {}, set(), {}
    await desk.sync("site")
    assert set((await states(desk.office)).values()) == {"indexed"}
    assert (await source(desk.office, "site")).status_reason is None


async def test_a_site_that_is_away_is_not_asked_for_every_page(desk: Desk, site: Website) -> None:
    site.publish({f"/{number}": f"Number {number}." for number in range(20)})
    await add_site(desk.office, site)
    site.statuses = {f"/{number}": 500 for number in range(20)}
    await desk.sync("site")
    assert sum(site.asked[f"/{number}"] for number in range(20)) == 3 * AWAY_AFTER
    of = await source(desk.office, "site")
    assert (of.status, of.done) == ("failed", AWAY_AFTER)
    assert "in a row could not be reached" in (of.status_reason or "")


async def test_a_site_whose_robots_txt_cannot_be_had_is_left_alone(desk: Desk, site: Website) -> None:
    site.publish({"/returns": "Within 30 days."})
    site.robots_status = 503
    await add_site(desk.office, site)
    await add_site(desk.office, site, "page", "/returns")
    for key in ("site", "page"):
        await desk.sync(key)
    assert site.asked["/returns"] == 0
    assert "robots.txt" in ((await source(desk.office, "site")).status_reason or "")
    assert "robots.txt" in ((await desk.documents())["returns"].error or "")


async def test_one_page_is_followed_wherever_it_moved_and_leaves_when_it_is_gone(desk: Desk, site: Website) -> None:
    site.unlisted = {"/new": page("Moved", "Bells ring.")}
    site.redirects = {"/old": "/new"}
    site.robots = "User-agent: *\nDisallow: /private\n"
    await add_site(desk.office, site, "page", "/old")
    await desk.sync("page")
    assert [each.link for each in await find(desk.office, "bell")] == [site.at("/new")]
    site.redirects = {"/old": "/private"}
    site.unlisted["/private"] = page("Private", "Horns blow.")
    await desk.sync("page")
    assert "robots.txt" in ((await desk.documents())["old"].error or "")
    assert await find(desk.office, "horns") == []
    site.redirects = {}
    await desk.sync("page")
    assert await find(desk.office, "bell") == []
    of = await source(desk.office, "page")
    assert (of.status, of.status_reason) == ("failed", "The page is not there any more, and is no longer found.")


async def test_the_bare_address_of_a_site_means_the_sitemaps_that_it_names(desk: Desk, site: Website) -> None:
    site.publish({"/returns": "Within 30 days."})
    site.unlisted["/help.txt"] = ""
    site.robots = f"Sitemap: {site.at('/help.txt')}\n"
    site.unlisted["/help.txt"] = site.at("/warranty")
    site.unlisted["/warranty"] = page("Warranty", "Two years.")
    await add_site(desk.office, site, path="/")
    await desk.sync("site")
    assert set(await desk.documents()) == {"warranty"}


async def test_an_attempt_goes_on_with_what_the_one_before_left(desk: Desk, site: Website) -> None:
    paths = [f"/{number}" for number in range(6)]
    site.publish({path: f"Number {path}." for path in paths})
    await add_site(desk.office, site)
    request = SyncRequest(desk.office.tenant_id, (await source(desk.office, "site")).id, new_id())
    assert not (await desk.listed(request)).is_over
    is_asked = site.hold("/3")
    cut_off = asyncio.create_task(ActivityEnvironment().run(desk.ingesting.read_documents, request))
    await is_asked.wait()
    cut_off.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cut_off
    read = [path for path in paths if site.asked[path] and path != "/3"]
    assert Counter((await states(desk.office)).values()) == Counter(indexed=len(read), waiting=6 - len(read))
    assert (await source(desk.office, "site")).done == len(read)
    site.may_answer["/3"].set()
    # It may not know that it was listed.
    await desk.go_on(request, await desk.listed(request))
    assert {path: site.asked[path] for path in paths} == {path: 2 if path == "/3" else 1 for path in paths}
    assert len(await desk.chunks()) == 6
    of = await source(desk.office, "site")
    assert (of.status, of.found, of.done) == ("idle", 6, 6)


async def test_what_is_over_changes_nothing_any_more(desk: Desk, site: Website) -> None:
    site.publish({"/a": "Bells."})
    await add_site(desk.office, site)
    late = SyncRequest(desk.office.tenant_id, (await source(desk.office, "site")).id, new_id())
    await desk.listed(late)
    await desk.sync("site")
    assert await ActivityEnvironment().run(desk.ingesting.read_documents, late) == Progress(is_over=True)
    await ActivityEnvironment().run(desk.ingesting.fail_sync, late)
    assert (await source(desk.office, "site")).status == "idle"
    async with desk.office.session() as session:
        await sources.remove(session, desk.office.tenant_id, "site", "test")
    assert await desk.listed(late) == Progress(is_over=True)
    assert (await desk.office.rows(KnowledgeSource))[0].status == "removed"


async def test_a_file_that_is_replaced_or_removed_while_it_is_read_is_read_as_it_is_then(desk: Desk) -> None:
    office = desk.office
    await add(office, "files")
    for name in ("changes", "leaves"):
        await upload(office, "files", name, f"{name} at first".encode())

    class Meanwhile(SubprocessReader):
        async def read(self, content: bytes, *, name: str, media_type: str | None = None) -> ReadDocument:
            async with office.session() as session:
                if name == "leaves":
                    await documents.remove(session, office.tenant_id, "files", name, "test")
                else:
                    await documents.put(session, office.tenant_id, "files", name, b"changes in the end", actor="test")
            return await super().read(content, name=name, media_type=media_type)

    desk.ingesting._reader = Meanwhile()
    await desk.sync("files")
    assert list((await desk.chunks()).values()) == ["changes in the end"]


async def test_a_document_that_nobody_thought_of_holds_up_no_other(desk: Desk) -> None:
    office = desk.office
    await add(office, "files")
    for name in ("a", "b", "c"):
        await upload(office, "files", name, f"{name} bells".encode())

    class Poisoned(SubprocessReader):
        async def read(self, content: bytes, *, name: str, media_type: str | None = None) -> ReadDocument:
            if name == "b":
                raise ZeroDivisionError("canary")
            return await super().read(content, name=name, media_type=media_type)

    desk.ingesting._reader = Poisoned()
    await desk.sync("files")
    assert await states(office) == {"a": "indexed", "b": "failed", "c": "indexed"}
    error = (await desk.documents())["b"].error or ""
    assert "ZeroDivisionError" in error
    assert "canary" not in error
