"""Files over the API: had by who may read conversations, and sent by agents, once."""

from dataclasses import dataclass
from uuid import UUID, uuid4

import pytest

from konstruct.adapters import file_store
from konstruct.api_keys import Scope
from konstruct.db import Database
from konstruct.settings import Settings
from konstruct.tables import File, Message
from konstruct.vault import Vault
from tests.gateway.programs import Answer, Program, program_of
from tests.support.attached import Sent, say_with
from tests.support.handoffs import owned, seat
from tests.support.office import Office, open_office

SENT = Sent("offer <1>.html", "text/html", b"<script>alert(1)</script>")


@pytest.mark.parametrize("scope", ["handoffs:read", "conversations:read"])
async def test_a_file_is_had_as_what_it_is_and_is_not_opened(
    api: str, office: Office, settings: Settings, scope: Scope
) -> None:
    _, [file_id] = await say_with(office, file_store.opened(settings), SENT)
    answer = await (await program_of(office, api, scope)).get(f"/files/{file_id}")

    assert (answer.status, answer.body) == (200, SENT.content)
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["Content-Disposition"] == "attachment; filename*=UTF-8''offer%20%3C1%3E.html"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert answer.headers["Cache-Control"] == "no-store"


async def test_a_file_is_for_keys_that_may_read_and_of_its_tenant(
    api: str, office: Office, settings: Settings, database: Database, vault: Vault
) -> None:
    _, [file_id] = await say_with(office, file_store.opened(settings), SENT)
    other = await open_office(database, vault)

    assert (await (await program_of(office, api, "tools:read")).get(f"/files/{file_id}")).status == 403
    assert (await (await program_of(other, api)).get(f"/files/{file_id}")).status == 404
    assert (await (await program_of(office, api, name="other")).get(f"/files/{uuid4()}")).status == 404


PDF = ("offer.pdf", b"%PDF-1.7 canary", "application/pdf")


@dataclass
class Agent:
    """Grace's own program, with a conversation that is hers."""

    program: Program
    handoff_id: UUID

    async def send(self, *files: tuple[str, bytes, str], key: str = "k1", field: str = "files", **more: str) -> Answer:
        fields = [(name, None, "", text.encode()) for name, text in ({"agent": "grace"} | more).items()]
        parts = [*fields, *((field, name, media_type, content) for name, content, media_type in files)]
        return await self.program.call(
            "POST",
            f"/handoffs/{self.handoff_id}/files",
            raw=b"".join([*map(_part, parts), b"--part--\r\n"]),
            headers={"Content-Type": "multipart/form-data; boundary=part", "Idempotency-Key": key},
        )


def _part(part: tuple[str, str | None, str, bytes]) -> bytes:
    """As a library would write it."""
    field, name, media_type, content = part
    named = f'; filename="{name}"\r\nContent-Type: {media_type}' if name is not None else ""
    return f'--part\r\nContent-Disposition: form-data; name="{field}"{named}\r\n\r\n'.encode() + content + b"\r\n"


@pytest.fixture
async def agent(api: str, office: Office) -> Agent:
    await seat(office)
    asked = await office.say("I want a person")
    return Agent(await program_of(office, api), await owned(office, asked))


async def words(office: Office) -> list[Message]:
    return [message for message in await office.messages("outbound") if message.author == "agent"]


async def test_a_reply_with_a_file_is_taken_once(agent: Agent, office: Office) -> None:
    first = await agent.send(PDF, text="Here it is.")
    again = await agent.send(PDF, text="Here it is.")

    assert (first.status, first.body["is_new"]) == (201, True)
    assert (again.status, again.body["is_new"]) == (200, False)
    assert again.body["message_ids"] == first.body["message_ids"]
    said = await words(office)
    assert [message.body for message in said] == ["Here it is.", ""]
    [file] = await office.rows(File)
    assert (file.media_type, file.size) == ("application/pdf", len(PDF[1]))
    assert (await agent.program.get(f"/files/{file.id}")).body == PDF[1]
    packet = await agent.program.get(f"/handoffs/{agent.handoff_id}")
    [attachment] = packet.body["attachments"]
    assert (attachment["name"], attachment["file_id"], attachment["state"]) == ("offer.pdf", str(file.id), "kept")


@pytest.mark.parametrize(
    ("files", "more", "says"),
    [
        ([], {}, "no file"),
        ([PDF] * 11, {}, "At most 10 files"),
        ([PDF], {"field": "file"}, "called files"),
        ([PDF], {"colour": "red"}, "colour: is not known here"),
        ([PDF], {"agent": ""}, "agent"),
        ([PDF], {"text": "a\0b"}, "NUL"),
        ([("box.png", b"\x89PNG\r\n\x1a\n", "image/png")], {}, "no picture that can be looked at"),
    ],
    ids=["none", "many", "field", "unknown", "agent", "nul", "broken"],
)
async def test_what_cannot_be_sent_is_refused_whole(
    agent: Agent, office: Office, files: list[tuple[str, bytes, str]], more: dict[str, str], says: str
) -> None:
    answer = await agent.send(*files, **more)
    assert answer.status == 422
    assert says in answer.body["error"]
    assert await words(office) == []
    assert await office.rows(File) == []


@pytest.mark.parametrize("content_type", ["application/json", "multipart/form-data", "multipart/form-data; boundary=x"])
async def test_another_body_is_refused(agent: Agent, content_type: str) -> None:
    answer = await agent.program.call(
        "POST",
        f"/handoffs/{agent.handoff_id}/files",
        raw=b"{}",
        headers={"Content-Type": content_type, "Idempotency-Key": "k"},
    )
    assert answer.status == 422


async def test_too_large_a_body_is_not_read(agent: Agent) -> None:
    answer = await agent.send(("big.bin", b"\0" * 26_500_000, "application/octet-stream"))
    assert answer.status == 413


async def test_who_does_not_have_it_sends_no_file(agent: Agent, office: Office) -> None:
    answer = await agent.send(PDF, agent="linus")
    assert (answer.status, await words(office)) == (409, [])
