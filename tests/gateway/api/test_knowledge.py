"""Knowledge over the API: sources, uploads and what becomes of them, search; and never another tenant's."""

import asyncio
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError

from gateway import app as gateway_app
from konstruct import temporal
from konstruct.db import Database
from konstruct.knowledge import documents
from konstruct.settings import Settings
from konstruct.tables import KnowledgeContent, KnowledgeDocument
from konstruct.vault import Vault
from tests.gateway.programs import Answer, Program, program_of
from tests.support import library
from tests.support.http import serve
from tests.support.office import Office, open_office
from tests.support.website import open_website

FAQ = "/knowledge/sources/faq"
SITE: dict[str, Any] = {"kind": "sitemap", "url": "https://example.com/sitemap.xml", "sync_every": "6 hours"}


async def upload(program: Program, name: str, content: bytes, media_type: str = "text/plain") -> Answer:
    place = f"{FAQ}/documents?name={name}"
    return await program.call("POST", place, raw=content, headers={"Content-Type": media_type})


async def is_started(client: Client, office: Office, key: str) -> bool:
    source = await library.source(office, key)
    try:
        described = await client.get_workflow_handle(temporal.sync_id(office.tenant_id, source.id)).describe()
    except RPCError:
        return False
    return described.status is WorkflowExecutionStatus.RUNNING


class TestSources:
    async def test_a_source_is_made_altered_and_removed(self, program: Program, office: Office) -> None:
        made = await program.call("PUT", "/knowledge/sources/help", SITE)
        altered = await program.call(
            "PUT", "/knowledge/sources/help", SITE | {"title": "Help pages", "is_trusted": True}
        )
        listed = await program.get("/knowledge/sources")
        removed = await program.call("DELETE", "/knowledge/sources/help")

        assert (made.status, made.body["title"], made.body["status"]) == (200, "help", "waiting")
        assert (made.body["url"], made.body["sync_every_seconds"]) == (SITE["url"], 6 * 3600)
        assert (altered.body["title"], altered.body["is_trusted"]) == ("Help pages", True)
        assert [source["key"] for source in listed.body["sources"]] == ["help"]
        assert (removed.status, removed.body) == (204, b"")
        assert (await program.get("/knowledge/sources/help")).status == 404
        events = await office.events("knowledge.source_added")
        assert [event.actor for event in events] == ["api:back-office"]

    async def test_a_source_is_looked_at_again_when_asked(
        self, program: Program, office: Office, temporal_client: Client
    ) -> None:
        await program.call("PUT", FAQ, {"kind": "files"})
        assert not await is_started(temporal_client, office, "faq")

        answer = await program.post(f"{FAQ}/sync")

        assert (answer.status, answer.body["status"]) == (202, "waiting")
        assert await is_started(temporal_client, office, "faq")

    async def test_a_site_is_looked_at_as_soon_as_it_is_a_source(
        self, program: Program, office: Office, temporal_client: Client
    ) -> None:
        await program.call("PUT", "/knowledge/sources/help", SITE)

        assert await is_started(temporal_client, office, "help")

    async def test_without_temporal_all_of_it_is_kept(
        self, settings: Settings, program: Program, office: Office
    ) -> None:
        without = settings.model_copy(update={"temporal_address": "127.0.0.1:1"})
        async with serve(gateway_app.build(without)) as url:
            alone = Program(url, program.key)
            assert (await alone.call("PUT", FAQ, {"kind": "files"})).status == 200
            assert (await upload(alone, "faq.txt", b"One")).status == 202
            assert (await alone.post(f"{FAQ}/sync")).status == 202

        assert (await library.source(office, "faq")).status == "waiting"
        assert await library.states(office) == {"faq.txt": "waiting"}

    @pytest.mark.parametrize(
        ("body", "says"),
        [
            ({}, "kind: is missing"),
            ({"kind": "wiki"}, "kind"),
            ({"kind": "page"}, "whole address"),
            ({"kind": "page", "url": "file:///etc/passwd"}, "whole address"),
            (SITE | {"sync_every": "1 minute"}, "15 minutes"),
            (SITE | {"sync_evry": "1 day"}, "sync_evry: is not known here"),
            (SITE | {"title": "x" * 201}, "title"),
            ({"kind": "files", "url": "https://example.com"}, "neither an address"),
        ],
    )
    async def test_what_cannot_be_a_source_is_refused_with_a_sentence(
        self, program: Program, body: dict[str, Any], says: str
    ) -> None:
        answer = await program.call("PUT", FAQ, body)

        assert answer.status == 422
        assert says in answer.body["error"]

    async def test_a_source_does_not_become_one_of_another_kind(self, program: Program) -> None:
        await program.call("PUT", FAQ, {"kind": "files"})

        assert (await program.call("PUT", FAQ, SITE)).status == 409

    async def test_how_far_it_is_can_be_watched(self, program: Program, office: Office) -> None:
        source_id = await library.add(office, "faq")
        for name in ("one", "two"):
            await library.upload(office, "faq", name)
        sync = await library.begin(office, source_id)
        await library.read(office, sync, {"one": library.content("Some text"), "two": "It is broken."})

        source = (await program.get(FAQ)).body
        shown = (await program.get(f"{FAQ}/documents")).body["documents"]

        assert (source["status"], source["found"], source["done"]) == ("syncing", 2, 2)
        assert [(one["name"], one["status"], one["error"]) for one in shown] == [
            ("one", "indexed", None),
            ("two", "failed", "It is broken."),
        ]


class TestDocuments:
    @pytest.fixture(autouse=True)
    async def _source(self, program: Program) -> None:
        assert (await program.call("PUT", FAQ, {"kind": "files"})).status == 200

    async def test_a_file_is_taken_in_to_be_read(
        self, program: Program, office: Office, temporal_client: Client
    ) -> None:
        answer = await upload(program, "hours%20%26%20days.txt", b"We are open.")

        assert (answer.status, answer.body["outcome"]) == (202, "new")
        shown = (await program.get(f"/knowledge/documents/{answer.body['id']}")).body
        assert (shown["name"], shown["status"], shown["size"]) == ("hours & days.txt", "waiting", 12)
        assert shown["media_type"] == "text/plain"
        async with office.session() as session:
            content = await session.get_one(KnowledgeContent, (office.tenant_id, UUID(answer.body["id"])))
        assert content.content == b"We are open."
        assert await is_started(temporal_client, office, "faq")

    async def test_the_same_again_is_nothing_new_and_another_is_a_new_version(self, program: Program) -> None:
        answers = [await upload(program, "faq.txt", content) for content in (b"One", b"One", b"Two")]

        assert [answer.body["outcome"] for answer in answers] == ["new", "unchanged", "changed"]
        assert len({answer.body["id"] for answer in answers}) == 1

    @pytest.mark.parametrize(
        ("said", "kept"),
        [("application/x-www-form-urlencoded", None), ("", None), ("a/b\tc", None), ("text/csv", "text/csv")],
    )
    async def test_what_a_file_is_said_to_be_is_kept_where_it_says_anything(
        self, program: Program, said: str, kept: str | None
    ) -> None:
        answer = await upload(program, "faq.txt", b"One", said)

        assert (await program.get(f"/knowledge/documents/{answer.body['id']}")).body["media_type"] == kept

    async def test_the_largest_file_is_taken_and_a_larger_one_is_not(self, program: Program) -> None:
        most = documents.LARGEST

        assert (await upload(program, "large.bin", b"x" * most)).status == 202
        answer = await upload(program, "larger.bin", b"x" * (most + 1))

        assert answer.status == 413
        assert f"{most} bytes" in answer.body["error"]

    async def test_a_file_that_does_not_say_how_large_it_is_is_cut_off(self, program: Program) -> None:
        """As its pieces come: nobody has to wait for the end of it, for it may have none."""
        host, _, port = program.url.removeprefix("http://").partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(
            f"POST /api/v1{FAQ}/documents?name=endless HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {program.key}\r\n"
            "Transfer-Encoding: chunked\r\n\r\n".encode()
        )
        piece = b"%x\r\n%s\r\n" % (1_000_000, b"x" * 1_000_000)
        for _ in range(documents.LARGEST // 1_000_000 + 1):
            writer.write(piece)
        async with asyncio.timeout(30):
            assert b"413" in await reader.readline()
        writer.close()

    @pytest.mark.parametrize("name", ["", "%00", "%0A", "a" * 256, "%E2%80%AE"])
    async def test_a_name_that_cannot_be_one_is_refused(self, program: Program, name: str) -> None:
        answer = await upload(program, name, b"One")

        assert answer.status == 422
        assert "name" in answer.body["error"]

    async def test_an_empty_file_is_refused(self, program: Program) -> None:
        answer = await upload(program, "faq.txt", b"")

        assert (answer.status, answer.body["error"]) == (422, "faq.txt is empty.")

    async def test_a_file_is_removed(self, program: Program, office: Office) -> None:
        document_id = (await upload(program, "faq.txt", b"One")).body["id"]

        assert (await program.call("DELETE", f"/knowledge/documents/{document_id}")).status == 204
        assert (await program.call("DELETE", f"/knowledge/documents/{document_id}")).status == 404
        assert await office.rows(KnowledgeDocument) == []

    async def test_what_comes_from_a_site_is_not_removed_here(self, program: Program, office: Office) -> None:
        await library.fill(office, "help", {"https://example.com/a": library.content("A")}, settings=library.SITEMAP)
        [row] = await office.rows(KnowledgeDocument)

        answer = await program.call("DELETE", f"/knowledge/documents/{row.id}")

        assert answer.status == 422
        assert "removed there" in answer.body["error"]

    async def test_the_list_is_paged_and_filtered(self, program: Program) -> None:
        for number in range(5):
            await upload(program, f"{number}.txt", b"One")

        seen: list[str] = []
        place = ""
        while page := (await program.get(f"{FAQ}/documents?limit=2{place}")).body["documents"]:
            seen += [document["name"] for document in page]
            place = f"&after={page[-1]['id']}"

        assert seen == [f"{number}.txt" for number in range(5)]
        assert len((await program.get(f"{FAQ}/documents?state=waiting")).body["documents"]) == 5
        assert (await program.get(f"{FAQ}/documents?state=failed")).body == {"documents": [], "next": None}


class TestSearch:
    @pytest.fixture(autouse=True)
    async def _filled(self, office: Office) -> None:
        await library.fill(
            office, "faq", {"hours.txt": library.content("We are open on Sundays.", link="https://x.example")}
        )
        await library.fill(office, "other", {"returns.txt": library.content("Send parcels back within a month.")})

    async def test_it_finds_the_passages_with_their_sources(self, program: Program) -> None:
        answer = await program.post("/knowledge/search", {"query": "open on sunday?"})

        [passage] = answer.body["passages"]
        assert (passage["source_key"], passage["text"]) == ("faq", "We are open on Sundays.")
        assert (passage["link"], passage["is_trusted"]) == ("https://x.example", False)
        assert 0 < passage["score"] <= 1

    async def test_it_is_confined_to_the_sources_that_are_named(self, program: Program) -> None:
        for sources, found in ((["other"], 0), (["faq", "other"], 1), ([], 0), (["nowhere"], 0)):
            answer = await program.post("/knowledge/search", {"query": "sunday", "sources": sources})
            assert len(answer.body["passages"]) == found

    @pytest.mark.parametrize("query", ["?", "' & | ! ( :* <->", "🦆", "x" * 2_000, "\u202e", "日曜日"])
    async def test_any_question_has_an_answer(self, program: Program, query: str) -> None:
        assert (await program.post("/knowledge/search", {"query": query})).status == 200

    @pytest.mark.parametrize("body", [{}, {"query": ""}, {"query": "x" * 2_001}, {"query": "x", "limit": 21}])
    async def test_a_question_that_is_none_is_refused(self, program: Program, body: dict[str, Any]) -> None:
        assert (await program.post("/knowledge/search", body)).status == 422


async def test_another_tenants_knowledge_is_not_there(
    api: str, office: Office, database: Database, vault: Vault
) -> None:
    await library.fill(office, "faq", {"hours.txt": library.content("We are open on Sundays.")})
    [row] = await office.rows(KnowledgeDocument)
    before = row.model_dump()
    theirs = await program_of(await open_office(database, vault), api)

    assert (await theirs.get("/knowledge/sources")).body == {"sources": []}
    answers = [await theirs.call(method, path, raw=b"x") for method, path in _places(row.id)]
    assert {answer.status for answer in answers} == {404}
    assert (await theirs.post("/knowledge/search", {"query": "open on sunday"})).body["passages"] == []
    # The same key is one of their own.
    assert (await theirs.call("PUT", FAQ, {"kind": "page", "url": "https://example.org"})).status == 200
    assert [each.model_dump() for each in await office.rows(KnowledgeDocument)] == [before]
    assert (await library.source(office, "faq")).kind == "files"


def _places(document_id: UUID) -> Iterator[tuple[str, str]]:
    yield from (("GET", FAQ), ("DELETE", FAQ), ("POST", f"{FAQ}/sync"), ("GET", f"{FAQ}/documents"))
    yield "POST", f"{FAQ}/documents?name=stolen"
    yield from (("GET", f"/knowledge/documents/{document_id}"), ("DELETE", f"/knowledge/documents/{document_id}"))
    yield "GET", f"/knowledge/documents/{document_id}/passages"
    yield "POST", f"/knowledge/documents/{document_id}/again"


async def test_what_a_document_was_cut_into_and_one_that_failed_tried_again(program: Program, office: Office) -> None:
    source_id = await library.add(office, "faq")
    contents = {"rules.md": library.content(*(library.long(f"Rule {number}.") for number in range(3)), title="Rules")}
    for name in (*contents, "scan.pdf"):
        await library.upload(office, "faq", name)
    sync = await library.begin(office, source_id)
    await library.read(office, sync, {**contents, "scan.pdf": "There is no text in it."})
    assert await library.finish(office, sync)
    found = (await program.get(f"{FAQ}/documents?called=RULE")).body["documents"]
    [rules] = found
    first = (await program.get(f"/knowledge/documents/{rules['id']}/passages?limit=2")).body
    assert [each["position"] for each in first["passages"]] == [0, 1]
    rest = (await program.get(f"/knowledge/documents/{rules['id']}/passages?after={first['next']}")).body
    assert (len(rest["passages"]), "Rule 2." in rest["passages"][0]["text"]) == (1, True)
    [failed] = (await program.get(f"{FAQ}/documents?state=failed")).body["documents"]

    again = await program.post(f"/knowledge/documents/{failed['id']}/again")

    assert (again.status, again.body["status"], again.body["error"]) == (202, "waiting", None)
    assert (await program.post(f"/knowledge/documents/{rules['id']}/again")).status == 409
    assert (await program.get(FAQ)).body["employees"] == []


async def test_an_address_is_asked_before_it_is_a_source(settings: Settings, office: Office) -> None:
    async with open_website() as site:
        site.publish({"/": "Home", "/returns": "Thirty days."})
        allowed = settings.model_copy(update={"web_allowed": (site.host,)})
        async with serve(gateway_app.build(allowed)) as url:
            program = await program_of(office, url)
            found = await program.post("/knowledge/check", {"kind": "sitemap", "url": site.at("/sitemap.xml")})
            gone = await program.post("/knowledge/check", {"kind": "page", "url": site.at("/nowhere")})
            inside = await program.post("/knowledge/check", {"kind": "page", "url": "https://10.0.0.1/"})
    assert found.body == {"pages": 2, "examples": [site.at("/"), site.at("/returns")], "reason": None}
    assert (gone.status, gone.body["error"]) == (422, "There is no page at this address.")
    assert (inside.status, "KONSTRUCT_WEB_ALLOWED" in inside.body["error"]) == (422, True)
