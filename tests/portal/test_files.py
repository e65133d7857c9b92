"""Files of conversations in the portal: had by the members of their tenant, and never as more than what they are."""

from dataclasses import dataclass
from uuid import UUID, uuid4

import httpx
import pytest

from konstruct import contacts
from konstruct.accounts.permissions import Role
from konstruct.adapters import file_store
from konstruct.db import Database
from konstruct.file_ports import FileStore
from konstruct.files import showing
from konstruct.settings import Settings
from konstruct.vault import Vault
from portal.rendering import environment
from tests.support.attached import Sent, say_with
from tests.support.members import COOKIE, Enrolled, enrolled
from tests.support.office import Office, open_office
from tests.support.pictures import picture, size_of


@dataclass
class Desk:
    office: Office
    store: FileStore
    portal: httpx.AsyncClient
    who: Enrolled

    async def get(self, file_id: UUID, more: str = "") -> httpx.Response:
        self.portal.cookies.set(COOKIE, self.who.cookie)
        return await self.portal.get(f"/t/{self.who.slug}/files/{file_id}{more}")

    async def kept(self, name: str, media_type: str, content: bytes) -> UUID:
        _, [file_id] = await say_with(self.office, self.store, Sent(name, media_type, content))
        return file_id


@pytest.fixture
async def desk(database: Database, vault: Vault, portal: httpx.AsyncClient, settings: Settings) -> Desk:
    office = await open_office(database, vault)
    who = await enrolled(database, vault, "viewer", office.tenant_id)
    return Desk(office, file_store.opened(settings), portal, who)


async def test_a_picture_is_shown_and_can_do_nothing(desk: Desk) -> None:
    content = picture()
    answer = await desk.get(await desk.kept("box.png", "image/png", content))

    assert (answer.status_code, answer.content) == (200, content)
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["content-disposition"] == "inline; filename*=UTF-8''box.png"
    assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox; frame-ancestors 'none'"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "private, no-store"


@pytest.mark.parametrize(
    ("name", "media_type", "told"),
    [
        ("page.html", "text/html", "text/plain; charset=utf-8"),
        ("drawing.svg", "image/svg+xml", "image/svg+xml"),
        ("offer.pdf", "application/pdf", "application/pdf"),
        ("thing", "application/octet-stream", "application/octet-stream"),
        ("said.ogg", "audio/ogg", "audio/ogg"),
    ],
)
async def test_everything_else_is_kept_and_not_opened(desk: Desk, name: str, media_type: str, told: str) -> None:
    answer = await desk.get(await desk.kept(name, media_type, b"<script>alert(1)</script>"))

    assert answer.status_code == 200
    assert answer.headers["content-type"] == told
    assert answer.headers["content-disposition"] == f"attachment; filename*=UTF-8''{name}"
    assert "sandbox" in answer.headers["content-security-policy"]


async def test_a_name_says_nothing_to_the_browser_but_the_name(desk: Desk) -> None:
    answer = await desk.get(await desk.kept('../../a"b\r\nX-Bad: 1\u202e.pdf', "application/pdf", b"%PDF-"))

    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''a%22b%20X-Bad%3A%201.pdf"
    assert "x-bad" not in answer.headers


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
async def test_a_large_picture_is_made_small_to_stand_among_messages(desk: Desk, format: str) -> None:
    content = picture(size=(2000, 1000), format=format) + b"\0" * 400_000
    answer = await desk.get(await desk.kept("box", f"image/{format.lower()}", content), "/picture")

    assert answer.headers["content-type"] == "image/jpeg"
    assert size_of(answer.content) == (640, 320)


async def test_a_small_picture_stands_among_messages_as_it_is(desk: Desk) -> None:
    content = picture()
    answer = await desk.get(await desk.kept("box.png", "image/png", content), "/picture")
    assert (answer.headers["content-type"], answer.content) == ("image/png", content)


@pytest.mark.parametrize(
    "sent",
    [Sent("offer.pdf", "application/pdf", b"%PDF-"), Sent("box.tiff", "image/tiff", b"II*\0 and nothing")],
    ids=["document", "broken"],
)
async def test_there_is_no_picture_of_what_is_none(desk: Desk, sent: Sent) -> None:
    assert (await desk.get(await desk.kept(sent.name, sent.media_type, sent.content), "/picture")).status_code == 404


async def test_why_there_is_nothing_is_said(desk: Desk) -> None:
    lost, waits = Sent("film.mp4", error="films cannot be looked at"), Sent("later.pdf", is_waiting=True)
    _, ids = await say_with(desk.office, desk.store, lost, waits)
    answers = [await desk.get(each) for each in [*ids, uuid4()]]

    assert [answer.status_code for answer in answers] == [404, 404, 404]
    assert "films cannot be looked at" in answers[0].text
    assert "still on its way" in answers[1].text
    assert "no such file here" in answers[2].text


async def test_a_file_goes_with_its_contact(desk: Desk) -> None:
    _, [file_id] = await say_with(desk.office, desk.store, Sent("offer.pdf", "application/pdf", b"%PDF-"))
    async with desk.office.session() as session:
        contact = await contacts.find(session, "U1")
        await contacts.erase(session, desk.office.tenant_id, contact.contact_id, actor="test")

    answer = await desk.get(file_id)
    assert answer.status_code == 404
    assert "no such file here" in answer.text


@pytest.mark.parametrize("role", ["owner", "admin", "agent", "viewer"])
async def test_every_member_may_see_it_and_nobody_of_another_tenant(
    desk: Desk, database: Database, vault: Vault, role: Role
) -> None:
    file_id = await desk.kept("offer.pdf", "application/pdf", b"%PDF-")
    desk.who = await enrolled(database, vault, role, desk.office.tenant_id)
    assert (await desk.get(file_id)).status_code == 200
    desk.who = await enrolled(database, vault, role)
    assert (await desk.get(file_id)).status_code == 404


async def test_what_the_store_lost_is_not_there(desk: Desk) -> None:
    file_id = await desk.kept("offer.pdf", "application/pdf", b"%PDF-")
    found = await _kept(desk, file_id)
    await desk.store.delete(found.store_key)
    assert (await desk.get(file_id)).status_code == 404


async def _kept(desk: Desk, file_id: UUID) -> showing.Kept:
    async with desk.office.session() as session:
        return await showing.kept(session, desk.office.vault, file_id)


async def test_a_message_shows_its_files(desk: Desk) -> None:
    sent = (
        Sent("box.png", "image/png", picture()),
        Sent("offer <b>.pdf", "application/pdf", b"%PDF-" + b"x" * 2_000),
        Sent("said.ogg", "audio/ogg", b"OggS", text="Where is <my> order?"),
        Sent("film.mp4", error="films cannot be looked at."),
        Sent("later.pdf", is_waiting=True),
    )
    asked, ids = await say_with(desk.office, desk.store, *sent)
    async with desk.office.session() as session:
        contact = await contacts.find(session, "U1")
        ciphers = await desk.office.vault.ciphers(session, [contact.contact_id])
        files = (await showing.attached(session, ciphers, [asked.message_id]))[asked.message_id]
    shown = environment.get_template("pages/inbox/files.html").render(member=_Member(desk.who.slug), files=files)

    assert f'<img src="/t/{desk.who.slug}/files/{ids[0]}/picture" alt="box.png"' in shown
    assert f'href="/t/{desk.who.slug}/files/{ids[1]}" download' in shown
    assert "offer &lt;b&gt;.pdf" in shown
    assert "PDF, 2 kB" in shown
    assert "Where is &lt;my&gt; order?" in shown
    assert "could not be opened: films cannot be looked at<" in shown
    assert "is being fetched" in shown


@dataclass
class _Member:
    tenant_slug: str
