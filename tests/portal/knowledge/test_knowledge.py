"""Knowledge in the portal: sources whose address is asked first, and documents handed in."""

import re

import httpx

from konstruct.db import Database
from konstruct.knowledge import documents, syncs
from konstruct.knowledge.indexing import Content
from konstruct.settings import Settings
from konstruct.vault import Vault
from tests.portal.conftest import browser
from tests.portal.knowledge import RETURNS, at
from tests.support import library
from tests.support.members import Enrolled, enrolled
from tests.support.office import Office
from tests.support.website import Website
from tests.support.workshop import publish


def page_of(kind: str, address: str, **more: str) -> dict[str, str]:
    return {"kind": kind, "title": "Help centre", "address": address, **more}


def files(*names: str, content: bytes = b"Something to read") -> list[tuple[str, tuple[str, bytes, str]]]:
    return [("files", (name, content, "text/plain")) for name in names]


class TestSources:
    async def test_without_any_there_is_one_thing_to_do(self, visitor: httpx.AsyncClient, owner: Enrolled) -> None:
        page = (await visitor.get(at(owner))).text
        assert page.count(f'href="{at(owner, "/new/source")}"') == 1
        assert "know nothing of your business yet" in page

    async def test_a_web_site_is_asked_before_it_is_kept(
        self, visitor: httpx.AsyncClient, owner: Enrolled, office: Office, site: Website
    ) -> None:
        form = page_of("sitemap", site.at("/sitemap.xml"), every="6 hours", is_trusted="on")
        answer = await visitor.post(at(owner, "/new/source"), data=form)

        assert (answer.status_code, answer.headers["location"]) == (303, at(owner, "/help-centre"))
        assert site.asked["/sitemap.xml"] == 1
        row = await library.source(office, "help-centre")
        assert (row.title, row.sync_every_seconds, row.is_trusted, row.status) == (
            *("Help centre", 21_600, True),
            "waiting",
        )
        page = (await visitor.get(at(owner, "/help-centre"))).text
        assert "2 pages are being read" in page
        assert "Waiting to be read" in page
        assert "Nobody but you" in page

    async def test_an_address_that_is_none_is_told_beside_its_field_and_nothing_is_asked(
        self, visitor: httpx.AsyncClient, owner: Enrolled, office: Office
    ) -> None:
        for address, says in (("file:///etc/passwd", "whole address"), ("http://10.0.0.1/", "KONSTRUCT_WEB_ALLOWED")):
            answer = await visitor.post(at(owner, "/new/source"), data=page_of("page", address))
            assert answer.status_code == 422
            [error] = re.findall(r'<p id="f-address-error"[^>]*>(.*?)</p>', answer.text)
            assert says in error
            assert f'value="{address}"' in answer.text
        assert await library.states(office) == {}

    async def test_one_that_does_not_answer_may_be_kept_and_one_that_is_gone_may_not(
        self, visitor: httpx.AsyncClient, owner: Enrolled, office: Office, site: Website
    ) -> None:
        site.statuses["/returns"] = 503
        form = page_of("page", site.at("/returns"))
        answer = await visitor.post(at(owner, "/new/source"), data=form)
        assert answer.status_code == 422
        assert "answers 503" in answer.text
        assert "Keep it though it does not answer" in answer.text
        kept = await visitor.post(at(owner, "/new/source"), data=form | {"anyway": "true"})
        assert kept.status_code == 303

        gone = page_of("page", site.at("/nowhere"), anyway="true")
        answer = await visitor.post(at(owner, "/new/source"), data=gone)
        assert answer.status_code == 422
        assert "There is no page at this address" in answer.text
        assert "Keep it though" not in answer.text

    async def test_the_same_address_is_read_once(
        self, visitor: httpx.AsyncClient, owner: Enrolled, site: Website
    ) -> None:
        form = page_of("page", site.at("/returns"))
        assert (await visitor.post(at(owner, "/new/source"), data=form)).status_code == 303
        again = await visitor.post(at(owner, "/new/source"), data=form)
        assert again.status_code == 422
        assert "is read from this address already" in again.text

    async def test_a_title_makes_a_key_and_changing_keeps_it(
        self, visitor: httpx.AsyncClient, owner: Enrolled, office: Office, site: Website
    ) -> None:
        for _ in range(2):
            await visitor.post(at(owner, "/new/source"), data={"kind": "files", "title": "Price Lists!"})
        await visitor.post(at(owner, "/price-lists-2/edit"), data={"title": "Old prices", "is_trusted": "on"})
        assert (await library.source(office, "price-lists")).title == "Price Lists!"
        row = await library.source(office, "price-lists-2")
        assert (row.title, row.is_trusted) == ("Old prices", True)

    async def test_a_dead_source_says_what_is_the_matter_and_what_to_do(
        self, visitor: httpx.AsyncClient, owner: Enrolled, office: Office
    ) -> None:
        await library.add(office, "help", library.SITEMAP)
        sync = await library.begin(office, await library.add(office, "help", library.SITEMAP))
        async with office.session() as session:
            await syncs.fail(session, sync.source_id, sync.sync_id, "example.com answers 503, again and again.")
        page = (await visitor.get(at(owner, "/help"))).text
        assert "example.com answers 503, again and again." in page
        assert "See whether the address opens in your browser" in page
        answer = await visitor.post(at(owner, "/help/sync"))
        assert answer.status_code == 303
        assert (await library.source(office, "help")).status == "waiting"
        home = (await visitor.get(f"/t/{owner.slug}/home")).text
        assert "example.com answers 503" not in home

    async def test_one_with_documents_is_removed_by_who_types_its_key(
        self, visitor: httpx.AsyncClient, owner: Enrolled, office: Office
    ) -> None:
        await library.fill(office, "handbook", {"returns.md": library.content(RETURNS)})
        await publish(office, "search_knowledge", knowledge=["handbook"])
        page = (await visitor.get(at(owner, "/handbook"))).text
        assert "will not find it any more" in page
        wrong = await visitor.post(at(owner, "/handbook/remove"), data={"confirmation": "yes"})
        assert wrong.status_code == 422
        assert (await library.source(office, "handbook")).status == "idle"
        gone = await visitor.post(at(owner, "/handbook/remove"), data={"confirmation": "handbook"})
        assert gone.status_code == 303
        assert (await visitor.get(at(owner, "/handbook"))).status_code == 404
        [event] = await office.events("knowledge.source_removed")
        assert (event.actor, await library.states(office)) == (owner.actor, {})

    async def test_a_part_of_the_page_says_how_far_it_is(
        self, visitor: httpx.AsyncClient, owner: Enrolled, office: Office
    ) -> None:
        source_id = await library.add(office, "help", library.SITEMAP)
        urls = [f"{library.SITE}/{number}" for number in range(4)]
        sync = await library.begin(office, source_id, urls)
        await library.read(office, sync, {urls[0]: library.content(RETURNS)})
        asked = {"hx-request": "true"}
        part = (await visitor.get(at(owner, "/help"), headers=asked)).text
        assert "<html" not in part
        assert "1 of 4 documents" in part
        assert 'hx-trigger="every 2s' in part
        listed = (await visitor.get(at(owner), headers=asked)).text
        assert "1 of 4 documents" in listed
        for url in urls[1:]:
            await library.read(office, sync, {url: library.content(f"{RETURNS} {url}")})
        assert await library.finish(office, sync)
        part = (await visitor.get(at(owner, "/help"), headers=asked)).text
        assert "every 2s" not in part
        assert "Up to date" in (await visitor.get(at(owner, "/help"))).text

    async def test_who_may_not_edit_sees_and_changes_nothing(
        self, settings: Settings, database: Database, vault: Vault, office: Office
    ) -> None:
        await library.fill(office, "handbook", {"returns.md": library.content(RETURNS)})
        agent = await enrolled(database, vault, "agent", office.tenant_id)
        async with browser(settings) as client:
            client.cookies.update(agent.cookies)
            page = (await client.get(at(agent, "/handbook"))).text
            assert "returns.md" in page
            assert "remove-source" not in page
            assert "data-upload" not in page
            assert (await client.post(at(agent, "/handbook/documents"), files=files("a.txt"))).status_code == 403


class TestDocuments:
    async def test_several_files_are_handed_in_each_with_its_own_result(
        self, visitor: httpx.AsyncClient, owner: Enrolled, office: Office
    ) -> None:
        await library.add(office, "handbook")
        answer = await visitor.post(at(owner, "/handbook/documents"), files=files("a.txt", "b.txt"))
        assert (answer.status_code, answer.headers["location"]) == (303, at(owner, "/handbook"))
        given = [*files("c.txt"), *files("empty.txt", content=b"")]
        answer = await visitor.post(at(owner, "/handbook/documents"), files=given)
        assert answer.status_code == 422
        assert "empty.txt is empty." in answer.text
        assert await library.states(office) == {"a.txt": "waiting", "b.txt": "waiting", "c.txt": "waiting"}
        told = await visitor.post(
            at(owner, "/handbook/documents"), files=files("a.txt"), headers={"accept": "application/json"}
        )
        assert told.json() == [{"name": "a.txt", "says": "It is here already.", "is_taken": True}]

    async def test_a_file_may_be_larger_than_other_forms_take_and_not_larger_than_documents_are(
        self, visitor: httpx.AsyncClient, owner: Enrolled, office: Office
    ) -> None:
        await library.add(office, "handbook")
        large = files("large.txt", content=b"x" * 7_000_000)
        assert (await visitor.post(at(owner, "/handbook/documents"), files=large)).status_code == 303
        too_large = files("huge.txt", content=b"x" * (documents.LARGEST + 1))
        answer = await visitor.post(
            at(owner, "/handbook/documents"), files=too_large, headers={"accept": "application/json"}
        )
        [result] = answer.json()
        assert (result["is_taken"], result["says"]) == (
            False,
            "It is larger than 20 MB: split it into smaller files.",
        )
        elsewhere = await visitor.post(at(owner, "/handbook/edit"), files=large)
        assert elsewhere.status_code == 413

    async def test_names_of_files_say_nothing_of_folders(
        self, visitor: httpx.AsyncClient, owner: Enrolled, office: Office
    ) -> None:
        await library.add(office, "handbook")
        await visitor.post(at(owner, "/handbook/documents"), files=files("..\\..\\prices.txt"))
        assert list(await library.states(office)) == ["prices.txt"]

    async def test_they_are_filtered_found_by_name_and_paged(
        self, visitor: httpx.AsyncClient, owner: Enrolled, office: Office
    ) -> None:
        source_id = await library.add(office, "help", library.SITEMAP)
        urls = [f"{library.SITE}/page-{number:02}" for number in range(53)]
        sync = await library.begin(office, source_id, urls)
        contents: dict[str, Content | str | None] = {
            url: library.content(f"Text of {url}", title=url[-7:].title()) for url in urls
        }
        contents[urls[7]] = "It answers 500 instead of a page."
        await library.read(office, sync, contents)
        assert await library.finish(office, sync)

        first = (await visitor.get(at(owner, "/help"))).text
        assert ("Page-49" in first, "Page-50" in first) == (True, False)
        [later] = re.findall(r'rel="next" href="([^"]+)"', first)
        second = (await visitor.get(later.replace("&amp;", "&"))).text
        assert ("Page-49" in second, "Page-50" in second) == (False, True)
        [earlier] = re.findall(r'rel="prev" href="([^"]+)"', second)
        assert "Page-49" in (await visitor.get(earlier.replace("&amp;", "&"))).text
        failed = (await visitor.get(at(owner, "/help?state=failed"))).text
        assert "It answers 500 instead of a page." in failed
        assert "Page-01" not in failed
        found = (await visitor.get(at(owner, "/help?q=PAGE-1"))).text
        assert ("Page-11" in found, "Page-21" in found) == (True, False)
        assert "No document matches" in (await visitor.get(at(owner, "/help?q=100%25"))).text

    async def test_a_document_shows_the_passages_that_are_searched_and_of_a_duplicate_the_original(
        self, visitor: httpx.AsyncClient, owner: Enrolled, office: Office
    ) -> None:
        texts = [library.long(f"Rule {number}.") for number in range(23)]
        await library.fill(
            office,
            "handbook",
            {"rules.md": library.content(*texts, title="Rules"), "copy.md": library.content(*texts, title="Rules too")},
        )
        async with office.session() as session:
            rows = {row.name: row for row in await documents.listing(session, "handbook")}
        page = (await visitor.get(at(owner, f"/handbook/documents/{rows['rules.md'].id}"))).text
        assert ("Rule 19." in page, "Rule 20." in page) == (True, False)
        assert "Found by its words as yet" in page
        [later] = re.findall(r'rel="next" href="([^"]+)"', page)
        assert "Rule 20." in (await visitor.get(later)).text
        copy = (await visitor.get(at(owner, f"/handbook/documents/{rows['copy.md'].id}"))).text
        assert "It says the same as another document" in copy
        assert f"/documents/{rows['rules.md'].id}" in copy

    async def test_one_that_failed_is_tried_again_and_one_is_removed(
        self, visitor: httpx.AsyncClient, owner: Enrolled, office: Office
    ) -> None:
        source_id = await library.add(office, "handbook")
        scan = await library.upload(office, "handbook", "scan.pdf")
        sync = await library.begin(office, source_id)
        await library.read(office, sync, {"scan.pdf": "There is no text in it."})
        assert await library.finish(office, sync)
        here = at(owner, f"/handbook/documents/{scan}")
        assert "There is no text in it." in (await visitor.get(here)).text
        assert "Show them" in (await visitor.get(f"/t/{owner.slug}/home")).text
        assert (await visitor.post(f"{here}/again")).status_code == 303
        assert await library.states(office) == {"scan.pdf": "waiting"}
        assert (await visitor.post(f"{here}/again")).status_code == 409
        assert (await visitor.post(f"{here}/remove")).status_code == 303
        assert await library.states(office) == {}

    async def test_a_document_of_another_source_is_not_in_this_one(
        self, visitor: httpx.AsyncClient, owner: Enrolled, office: Office
    ) -> None:
        await library.add(office, "handbook")
        await library.add(office, "other")
        document_id = await library.upload(office, "other", "a.txt")
        for path in ("", "/again", "/remove"):
            method = "POST" if path else "GET"
            here = at(owner, f"/handbook/documents/{document_id}{path}")
            assert (await visitor.request(method, here)).status_code == 404
        assert await library.states(office) == {"a.txt": "waiting"}
