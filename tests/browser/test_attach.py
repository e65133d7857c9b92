"""Files in the composer, in a real browser: chosen, dropped and pasted, taken out again, and sent once."""

import base64
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from playwright.async_api import Page, expect

from konstruct.adapters import file_store
from konstruct.db import Database
from konstruct.desk import people
from konstruct.files import keeping
from konstruct.handoffs.owning import Agent
from konstruct.settings import Settings
from konstruct.tables import Message
from konstruct.vault import Vault
from tests.browser.checking import check_page
from tests.browser.conftest import PageAs
from tests.support.attached import Sent, say_with
from tests.support.handoffs import claim, hand_off
from tests.support.members import Enrolled, enrolled
from tests.support.office import Office, open_office
from tests.support.pictures import picture

PDF: dict[str, Any] = {"name": "offer.pdf", "mimeType": "application/pdf", "buffer": b"%PDF-1.7 canary"}
PHOTO: dict[str, Any] = {"name": "box.png", "mimeType": "image/png", "buffer": picture(size=(300, 200))}
# As a person's hand does it, which a test has none of.
_HANDED = """(target, [kind, name, type, content]) => {
  const bytes = Uint8Array.from(atob(content), (each) => each.charCodeAt(0));
  const given = new DataTransfer();
  given.items.add(new File([bytes], name, { type }));
  const options = { bubbles: true, cancelable: true };
  const event = kind === "paste"
    ? new ClipboardEvent("paste", { ...options, clipboardData: given })
    : new DragEvent(kind, { ...options, dataTransfer: given });
  target.dispatchEvent(event);
}"""


@dataclass
class Desk:
    page: Page
    office: Office
    settings: Settings
    who: Enrolled
    conversation_id: UUID

    async def look(self) -> None:
        await self.page.goto(f"/t/{self.who.slug}/inbox/{self.conversation_id}")
        await expect(self.page.locator("#reply-text")).to_be_visible()

    async def choose(self, *files: dict[str, Any]) -> None:
        async with self.page.expect_file_chooser() as chooser:
            await self.page.get_by_role("button", name="Attach").click()
        await (await chooser.value).set_files(list(files))  # type: ignore[arg-type]  # The protocol takes dictionaries.

    async def hand(self, kind: str, file: dict[str, Any]) -> None:
        content = base64.b64encode(file["buffer"]).decode()
        await self.page.locator("#reply-text").evaluate(_HANDED, [kind, file["name"], file["mimeType"], content])

    def names(self) -> Any:
        return self.page.locator("[data-attach-list] .file-name")

    async def said(self) -> list[Message]:
        return [message for message in await self.office.messages("outbound") if message.author == "agent"]

    async def sent(self) -> list[tuple[str, bytes]]:
        found = []
        for message in await self.said():
            async with self.office.session() as session:
                file = await keeping.enclosed(session, self.office.vault, message.id)
            if file is not None:
                store = file_store.opened(self.settings)
                sealed = await store.get(keeping.store_key(self.office.tenant_id, file.object_id))
                found.append((file.name, file.cipher.open_bytes(keeping.CONTENT, file.object_id, sealed)))
        return found


@pytest.fixture
async def desk(database: Database, vault: Vault, settings: Settings, page_as: PageAs) -> Desk:
    office = await open_office(database, vault)
    who = await enrolled(database, vault, "agent", office.tenant_id, name="Ana Duarte")
    sent = (
        Sent("bike.png", "image/png", picture(size=(600, 400), colour="teal")),
        Sent("invoice.pdf", "application/pdf", b"%PDF-" + b"x" * 240_000),
    )
    asked, _ = await say_with(office, file_store.opened(settings), *sent, text="My bicycle came like this.")
    said = Sent("voice message.ogg", "audio/ogg", b"OggS" + b"x" * 20_000, "It is the front wheel that is bent.")
    await say_with(
        office, file_store.opened(settings), said, Sent("film.mp4", error="films cannot be looked at"), text=""
    )
    await claim(office, await hand_off(office, asked), Agent(people.member_key(who.user_id), who.name))
    desk = Desk(await page_as(who), office, settings, who, asked.conversation_id)
    await desk.look()
    return desk


async def test_files_are_chosen_listed_taken_out_and_sent_once(desk: Desk) -> None:
    await desk.choose(PDF, PHOTO)
    await expect(desk.names()).to_have_text(["offer.pdf", "box.png"])
    await expect(desk.page.locator("[data-attach-list] .file-about")).to_have_text(
        ["15 bytes", f"{len(PHOTO['buffer'])} bytes"]
    )
    # More are chosen beside those that are there.
    await desk.choose({**PDF, "name": "other.pdf"})
    await expect(desk.names()).to_have_text(["offer.pdf", "box.png", "other.pdf"])
    await desk.page.get_by_role("button", name="Remove offer.pdf").click()
    await expect(desk.page.get_by_role("button", name="Remove box.png")).to_be_focused()
    await expect(desk.names()).to_have_text(["box.png", "other.pdf"])

    await desk.page.locator("#reply-text").fill("Here they are.")
    await desk.page.locator("#reply-text").press("Control+Enter")
    await expect(desk.page.locator("[data-attach-list]")).to_be_hidden()
    await desk.look()
    await expect(desk.page.locator(".line .file-picture img[alt='box.png']")).to_be_visible()
    assert await desk.sent() == [("box.png", PHOTO["buffer"]), ("other.pdf", PDF["buffer"])]
    assert len(await desk.said()) == 3


async def test_a_file_needs_no_words(desk: Desk) -> None:
    await desk.choose(PDF)
    await expect(desk.names()).to_have_text(["offer.pdf"])
    await desk.page.get_by_role("button", name="Send").click()
    await expect(desk.page.locator("[data-attach-list]")).to_be_hidden()
    await desk.look()
    await expect(desk.page.locator(".line .file-name", has_text="offer.pdf")).to_be_visible()
    assert await desk.sent() == [("offer.pdf", PDF["buffer"])]


async def test_files_are_dropped_and_pasted(desk: Desk) -> None:
    await desk.hand("dragover", PDF)
    await expect(desk.page.locator("form[data-dropping]")).to_be_visible()
    await desk.hand("drop", PDF)
    await expect(desk.page.locator("form[data-dropping]")).to_have_count(0)
    await desk.hand("paste", {**PHOTO, "name": "image.png"})
    await expect(desk.names()).to_have_count(2)
    names = await desk.names().all_text_contents()
    assert names[0] == "offer.pdf"
    assert names[1].startswith("screenshot ")
    assert names[1].endswith(".png")


async def test_what_is_too_much_is_said_and_what_was_chosen_stays(desk: Desk) -> None:
    await desk.choose(PDF)
    await desk.choose(*({**PDF, "name": f"{number}.pdf"} for number in range(10)))
    await expect(desk.page.locator("[data-attach-problem]")).to_have_text("At most 10 files go out at once.")
    await expect(desk.names()).to_have_text(["offer.pdf"])


async def test_what_the_channel_does_not_take_is_said_and_stays_to_be_changed(desk: Desk) -> None:
    await desk.choose({"name": "broken.png", "mimeType": "image/png", "buffer": PHOTO["buffer"][:40]})
    await desk.page.locator("#reply-text").fill("Here.")
    await desk.page.get_by_role("button", name="Send").click()
    await expect(desk.page.locator("[data-toast]", has_text="no picture that can be looked at")).to_be_visible()
    await expect(desk.names()).to_have_text(["broken.png"])
    await expect(desk.page.locator("#reply-text")).to_have_value("Here.")
    assert await desk.said() == []


async def test_it_can_be_done_by_keys_alone(desk: Desk) -> None:
    await desk.page.locator("#reply-text").focus()
    async with desk.page.expect_file_chooser() as chooser:
        await desk.page.keyboard.press("Tab")
        await expect(desk.page.get_by_role("button", name="Attach")).to_be_focused()
        await desk.page.keyboard.press("Enter")
    await (await chooser.value).set_files([PDF])  # type: ignore[arg-type]
    await expect(desk.names()).to_have_text(["offer.pdf"])


async def test_it_is_well_made_on_a_desk_and_on_a_telephone(desk: Desk) -> None:
    await desk.choose(PDF, PHOTO)
    await expect(desk.names()).to_have_count(2)
    await check_page(desk.page)
