"""The child and its limits: whatever a document does, the parent lives, is told in a sentence, and reads the next."""

import asyncio
import io
import os
from contextlib import suppress
from pathlib import Path

import pytest
from reportlab.pdfgen.canvas import Canvas

from konstruct.adapters.reading.children import Limits
from konstruct.adapters.reading.reader import SubprocessReader
from konstruct.errors import Unreadable


def children() -> list[int]:
    """Those that read; the servers that other tests use are children of this process, too."""
    pids = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return [int(pid) for pid in pids if b"konstruct.adapters.reading" in Path(f"/proc/{pid}/cmdline").read_bytes()]


async def test_a_large_document_is_read_to_its_end(reader: SubprocessReader) -> None:
    text = "".join(f"Line {number} of a long text, ünd nö shørter.\n\n" for number in range(100_000))
    document = await reader.read(text.encode(), name="long.txt")
    assert document.sections[0].text == text.strip()


@pytest.mark.parametrize(
    ("text", "name", "sentence"),
    [
        ("word " * 1_100_000, "long.txt", "5,000,000 characters"),
        ("# Heading\n\nText\n\n" * 5_001, "many.md", "5,000 sections"),
    ],
)
async def test_what_is_beyond_the_limits_is_said_with_the_limit(
    reader: SubprocessReader, text: str, name: str, sentence: str
) -> None:
    with pytest.raises(Unreadable) as caught:
        await reader.read(text.encode(), name=name)
    assert sentence in str(caught.value)


SLOW = ("*a_ " * 400 + "\n\n") * 3_000
WIDE = "<!doctype html><body>" + "<b>a</b>" * 1_000_000


@pytest.mark.parametrize(
    ("text", "limits"),
    [
        (WIDE, Limits(memory=150_000_000)),
        (SLOW, Limits(cpu_seconds=1)),
        (SLOW, Limits(seconds=0.5)),
    ],
    ids=["memory", "cpu", "clock"],
)
async def test_a_child_beyond_its_limits_is_ended(text: str, limits: Limits) -> None:
    with pytest.raises(Unreadable, match="too much memory or time"):
        await SubprocessReader(limits=limits).read(text.encode(), name="slow.md")
    assert not children()


HOSTILE = {
    "nested html": b"<!doctype html><body>" + b"<div>" * 100_000 + b"deep" + b"</div>" * 100_000,
    "nested lists": b"<!doctype html><body>" + b"<ul><li>" * 50_000 + b"deep",
    "open tags": b"<!doctype html><body>" + b"<" * 1_000_000,
    "nested quotations": b"# x\n\n" + b">" * 50_000 + b" deep",
    "brackets": b"# x\n\n" + b"[" * 20_000 + b"a" + b"](b" * 20_000,
    "quotes in csv": b'a,b\n"' + b'",",' * 200_000,
    "accents": b"a" + "\u0301\u0316".encode() * 10_000,
    "pages without end": b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Count 99999999"
    b"/Kids[2 0 R 2 0 R]>>endobj\ntrailer<</Root 1 0 R>>",
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_hostile_documents_end_within_the_limits(reader: SubprocessReader, name: str) -> None:
    kind = {"quotes in csv": "x.csv", "accents": "x.txt"}.get(name, "x.md")
    with suppress(Unreadable):
        document = await reader.read(HOSTILE[name], name=kind)
        assert all(section.text or section.headings for section in document.sections)
    assert not children()
    assert (await reader.read(b"The next one.", name="next.txt")).sections[0].text == "The next one."


async def test_a_huge_page_is_only_text(reader: SubprocessReader) -> None:
    written = io.BytesIO()
    canvas = Canvas(written, pagesize=(10_000_000, 10_000_000))
    canvas.drawString(5_000_000, 5_000_000, "Lost on a large page")
    canvas.save()
    assert (await reader.read(written.getvalue(), name="x.pdf")).sections[0].text == "Lost on a large page"


async def test_a_reading_that_is_cancelled_leaves_no_process(reader: SubprocessReader) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await reader.read(SLOW.encode(), name="slow.md")
    assert not children()


async def test_only_so_many_are_read_at_once() -> None:
    async def order(reader: SubprocessReader) -> list[str]:
        finished: list[str] = []

        async def read(text: str, name: str) -> None:
            await reader.read(text.encode(), name=name)
            finished.append(name)

        await asyncio.gather(read(SLOW[: len(SLOW) // 60], "slow.md"), read("Quick", "quick.txt"))
        return finished

    assert await order(SubprocessReader(at_once=1)) == ["slow.md", "quick.txt"]
    assert await order(SubprocessReader(at_once=2)) == ["quick.txt", "slow.md"]


async def test_a_child_knows_no_secret_and_can_open_nothing(
    reader: SubprocessReader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a reader of our own kind that tries: it is put in the place of that for CSV."""
    package = tmp_path / "konstruct"
    checkout = Path(__file__).parents[4]
    monkeypatch.setenv("KONSTRUCT_SECRET", "hush")
    package.mkdir()
    (package / "__init__.py").write_text(f"__path__.append({str(checkout / 'konstruct')!r})")
    adapters = package / "adapters"
    adapters.mkdir()
    (adapters / "__init__.py").write_text(f"__path__.append({str(checkout / 'konstruct/adapters')!r})")
    reading = adapters / "reading"
    reading.mkdir()
    (reading / "__init__.py").write_text(f"__path__.append({str(checkout / 'konstruct/adapters/reading')!r})")
    (reading / "csv.py").write_text(
        "import os, socket\n"
        "def tried(what, *arguments):\n"
        "    try:\n"
        "        what(*arguments)\n"
        "    except OSError as error:\n"
        "        return type(error).__name__\n"
        "    return 'done'\n"
        "def read(text, outline):\n"
        f"    outline.block(f\"{{tried(open, '/proc/self/environ')}} {{tried(socket.socket)}} "
        f"{{tried(open, {str(tmp_path / 'new')!r}, 'w')}} {{sorted(os.environ)}} {{os.nice(0)}}\")\n"
    )
    monkeypatch.setattr("konstruct.__file__", str(package / "__init__.py"))
    said = (await reader.read(b"a,b", name="a.csv")).sections[0].text
    assert said.startswith("OSError OSError OSError [")
    assert "KONSTRUCT_SECRET" not in said
    # Ten below the tests, which may have been given little to begin with; there is nothing below 19.
    assert said.endswith(f" {min(os.nice(0) + 10, 19)}")
