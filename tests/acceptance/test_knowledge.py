"""Knowledge as an operator fills it, by its commands, and what is left of it when a process is killed in the middle."""

from pathlib import Path

import pytest

from tests.acceptance.town import Office, Town
from tests.support.commands import Outcome, konstruct
from tests.support.processes import kill, until

pytestmark = pytest.mark.stack


async def knowledge(office: Office, *arguments: str) -> Outcome:
    return await konstruct("knowledge", *arguments, "--tenant", office.slug, env=office.town.env)


def written(folder: Path, **texts: str) -> list[str]:
    files = []
    for name, text in texts.items():
        file = folder / f"{name}.md"
        file.write_text(text)
        files.append(str(file))
    return files


async def test_what_is_handed_in_and_what_a_site_says_is_found(town: Town) -> None:
    office = await town.new_office()
    folder = town.folder / "handbook"
    folder.mkdir()
    files = written(folder, hours="# Opening hours\n\nWe open at nine.", returns="# Returns\n\nWithin 30 days.")
    (folder / "broken.pdf").write_bytes(b"%PDF-1.7 and no more")

    uploaded = await knowledge(office, "upload", *files, str(folder / "broken.pdf"), "--wait")
    assert uploaded.status == 0, uploaded
    assert "3/3  new        broken.pdf" in uploaded.said
    assert "files  idle  3 of 3 documents  1 of its documents could not be read." in uploaded.said
    again = await knowledge(office, "upload", *files, str(folder / "missing.md"))
    assert again.status == 1
    assert again.said.count("unchanged") == 2
    assert "missing.md cannot be read" in again.complained

    town.website.publish({"/warranty": "Bells have a warranty of two years.", "/delivery": "We deliver on Mondays."})
    added = await knowledge(office, "add", "site", "sitemap", town.website.at("/sitemap.xml"), "--every", "1 day")
    assert added.status == 0, added
    synced = await knowledge(office, "sync", "site", "--wait")
    assert (synced.status, synced.complained) == (0, "")
    assert "site  idle  2 of 2 documents" in synced.said

    listed = await knowledge(office, "list")
    assert "site  idle  2 of 2 documents  last 20" in listed.said
    held = await knowledge(office, "list", "files", "--failed")
    assert "failed     broken.pdf: " in held.said
    assert "hours.md" not in held.said

    found = await knowledge(office, "search", "how long is the warranty?")
    assert town.website.at("/warranty") in found.said.splitlines()[0]
    assert "Bells have a warranty of two years." in found.said
    nothing = await knowledge(office, "search", "how long is the warranty?", "--source", "files")
    assert nothing.said == "Nothing is found.\n"

    # Behind the scenes each passage gets its vector.
    async def is_embedded() -> bool:
        return len(await office.rows("knowledge_vectors")) == 4

    await until(is_embedded, timeout=60)

    assert (await knowledge(office, "remove", "files", "--document", "hours.md", "--yes")).status == 0
    assert (await knowledge(office, "search", "when do you open?")).said == "Nothing is found.\n"
    assert (await knowledge(office, "remove", "site", "--yes")).said == "Removed.\n"
    assert await office.rows("knowledge_vectors") == [
        row for row in await office.rows("knowledge_vectors") if row["source_id"] != "site"
    ]
    assert {row["name"] for row in await office.rows("knowledge_documents")} == {"returns.md", "broken.pdf"}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("add", "Site", "page", "https://example.com"), "is no key of a source"),
        (("add", "site", "folder"), "choose files, page or sitemap"),
        (("add", "site", "page"), "needs the whole address of a page"),
        (("add", "site", "page", "https://example.com", "--every", "5 minutes"), "for example 1 day"),
        (("sync", "unknown"), "There is no knowledge source 'unknown'."),
        (("list", "unknown"), "There is no knowledge source 'unknown'."),
        (("remove", "unknown", "--yes"), "There is no knowledge source 'unknown'."),
    ],
)
async def test_a_mistake_is_one_sentence(office: Office, arguments: tuple[str, ...], sentence: str) -> None:
    outcome = await knowledge(office, *arguments)
    assert (outcome.status, outcome.said) == (1, "")
    assert sentence in outcome.complained
    assert outcome.complained.count("\n") == 1


async def test_a_site_that_may_not_be_asked_is_told_of(town: Town) -> None:
    office = await town.new_office()
    added = await knowledge(office, "add", "inside", "page", "http://127.0.0.1:9/secret")
    assert added.status == 0
    synced = await knowledge(office, "sync", "inside", "--wait")
    assert synced.status in (0, 1)
    shown = await knowledge(office, "list", "inside")
    assert "failed" in shown.said


async def test_a_worker_that_is_killed_in_the_middle_goes_on_and_nothing_is_there_twice(town: Town) -> None:
    office = await town.new_office()
    site = town.website
    paths = [f"/page-{number}" for number in range(8)]
    site.publish({path: f"This is {path}, and nothing else." for path in paths})
    site.asked.clear()
    is_asked = site.hold(paths[4])
    assert (await knowledge(office, "add", "site", "sitemap", site.at("/sitemap.xml"))).status == 0
    await is_asked.wait()
    await kill(town.up.child("worker", "--background"))
    site.may_answer[paths[4]].set()

    async def is_done() -> bool:
        [row] = await office.rows("knowledge_sources")
        return bool(row["status"] == "idle")

    await until(is_done, timeout=90)
    documents = await office.rows("knowledge_documents")
    assert {row["name"]: row["status"] for row in documents} == {site.at(path): "indexed" for path in paths}
    chunks = await office.rows("knowledge_chunks")
    assert sorted(row["document_id"] for row in chunks) == sorted(row["id"] for row in documents)
    # Only what it was at is asked for again.
    assert {path: site.asked[path] for path in paths} == {path: 2 if path == paths[4] else 1 for path in paths}
    [row] = await office.rows("knowledge_sources")
    assert (row["found"], row["done"], row["status_reason"]) == (8, 8, None)
