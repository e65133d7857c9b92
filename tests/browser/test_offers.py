"""Knowledge and tools in a browser: files handed in and read while one looks, rows of a form, and a request tried."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import FilePayload, expect

from activities.ingesting import Ingesting
from konstruct import temporal
from konstruct.adapters.reading.reader import SubprocessReader
from konstruct.adapters.web import SafeWeb, open_client
from konstruct.db import Database
from konstruct.knowledge import documents
from konstruct.settings import Settings
from konstruct.vault import Vault
from portal.app import build
from tests.browser.checking import check_page, complaints
from tests.browser.conftest import PageAs
from tests.support import library
from tests.support.doubles import GivenEmbedders
from tests.support.http import serve
from tests.support.members import Enrolled, enrolled
from tests.support.office import Office
from tests.support.service_double import ServiceDouble
from tests.support.workers import polling
from tests.support.workshop import define, over_http
from workflows.queues import knowledge_worker

pytestmark = pytest.mark.stack

RETURNS = "A bike can be returned within thirty days, unridden and with its papers."


@pytest.fixture
async def owner(database: Database, vault: Vault, office: Office) -> Enrolled:
    return await enrolled(database, vault, tenant=office.tenant_id)


@pytest.fixture
async def shop() -> AsyncIterator[ServiceDouble]:
    service = ServiceDouble()
    async with service.running():
        yield service


async def test_files_are_handed_in_and_read_while_one_looks(
    page_as: PageAs, owner: Enrolled, office: Office, settings: Settings, database: Database
) -> None:
    await library.add(office, "handbook")
    page = await page_as(owner)
    await page.goto(f"/t/{owner.slug}/knowledge/handbook")
    await expect(page.get_by_text("No documents yet")).to_be_visible()
    files: list[FilePayload] = [
        {"name": "returns.md", "mimeType": "text/markdown", "buffer": f"# Returns\n\n{RETURNS}".encode()},
        {"name": "empty.txt", "mimeType": "text/plain", "buffer": b""},
    ]
    await page.get_by_label("Choose files").set_input_files(files)
    results = page.get_by_role("list", name="What came of your files").get_by_role("listitem")
    await expect(results.filter(has_text="returns.md")).to_contain_text("Taken in.")
    await expect(results.filter(has_text="empty.txt")).to_contain_text("empty.txt is empty.")
    await expect(page.get_by_role("heading", name="Waiting to be read")).to_be_visible()
    client = await temporal.connect(settings, lazy=False)
    async with open_client() as web:
        ingesting = Ingesting(
            *(settings, database, client, SafeWeb(web), SubprocessReader(), GivenEmbedders()), pause=0.0, waits=()
        )
        async with polling(knowledge_worker(client, ingesting)):
            await expect(page.get_by_role("table").get_by_text("Searched")).to_be_visible(timeout=30_000)
    await check_page(page)
    await page.get_by_role("link", name="Returns", exact=True).click()
    await expect(page.get_by_text(RETURNS)).to_be_visible()
    await check_page(page)
    await page.get_by_role("button", name="Remove").click()
    await page.get_by_role("button", name="Remove it").click()
    await expect(page.get_by_text("No documents yet")).to_be_visible()
    assert await library.states(office) == {}


async def test_a_dead_source_says_why_and_what_to_do(page_as: PageAs, owner: Enrolled, office: Office) -> None:
    page = await page_as(owner)
    await page.goto(f"/t/{owner.slug}/knowledge")
    await page.get_by_role("link", name="Add a source").click()
    await page.get_by_label("A whole web site").check()
    await page.get_by_label("Name").fill("Help centre")
    await page.get_by_label("Address").fill("https://nobody.invalid/sitemap.xml")
    await page.get_by_role("button", name="Add source").click()
    await expect(page.locator("#f-address-error")).to_be_visible()
    await check_page(page)
    await page.get_by_role("button", name="Keep it though it does not answer").click()
    await expect(page.get_by_role("heading", name="Help centre")).to_be_visible()
    assert (await library.source(office, "help-centre")).status == "waiting"


async def test_a_document_that_could_not_be_read_is_tried_again(
    page_as: PageAs, owner: Enrolled, office: Office
) -> None:
    source_id = await library.add(office, "handbook")
    await library.upload(office, "handbook", "scan.pdf")
    sync = await library.begin(office, source_id)
    await library.read(office, sync, {"scan.pdf": "There is no text in it."})
    assert await library.finish(office, sync)
    async with office.session() as session:
        [document] = await documents.listing(session, "handbook")
    page = await page_as(owner)
    await page.goto(f"/t/{owner.slug}/knowledge/handbook/documents/{document.id}")
    await expect(page.get_by_text("There is no text in it.")).to_be_visible()
    await check_page(page)
    await page.get_by_role("button", name="Try again").click()
    await expect(page.get_by_role("heading", name="Waiting to be read")).to_be_visible()


async def test_rows_of_a_tool_come_and_go_and_what_is_typed_stays(page_as: PageAs, owner: Enrolled) -> None:
    page = await page_as(owner)
    await page.goto(f"/t/{owner.slug}/tools/new/http")
    await page.get_by_label("Name", exact=True).first.fill("order-status")
    await page.get_by_label("How it is sent").select_option("bearer")
    secret = page.locator("#f-secret")
    await secret.fill("typed-and-kept")
    await page.get_by_label("Name of argument 1").fill("order")
    await page.get_by_role("button", name="Add an argument").click()
    await expect(page.get_by_label("Name of argument 2")).to_be_focused()
    await page.get_by_label("Name of argument 2").fill("size")
    await page.get_by_label("Kind of argument 2").select_option("choice")
    await page.get_by_label("Choices of argument 2").fill("small, large")
    await expect(page.get_by_label("Name of argument 1")).to_have_value("order")
    await expect(secret).to_have_value("typed-and-kept")
    await page.get_by_role("button", name="Remove argument 1").click()
    await expect(page.get_by_label("Name of argument 1")).to_have_value("size")
    await page.get_by_role("button", name="Write a JSON Schema").click()
    await expect(page.locator("#f-schema")).to_be_visible()
    await check_page(page)


async def test_what_acts_is_sent_after_a_yes_and_shown(
    page_as: PageAs, owner: Enrolled, office: Office, settings: Settings, shop: ServiceDouble
) -> None:
    refund = over_http(
        *(f"{shop.url}/refunds", "POST", "irreversible"),
        parameters={
            "type": "object",
            "properties": {"order": {"type": "string"}, "amount": {"type": "integer"}},
            "required": ["order", "amount"],
            "additionalProperties": False,
        },
        body={"order": "{order}", "amount": "{amount}"},
        auth={"kind": "bearer"},
        sends_idempotency_key=True,
    )
    await define(office, "refund", refund, shop.key)
    async with serve(build(settings.model_copy(update={"web_allowed": (shop.place,)}))) as url:
        page = await page_as(owner)
        await page.goto(f"{url}/t/{owner.slug}/tools/refund")
        await page.get_by_label("order").fill("A-17")
        await page.get_by_label("amount").fill("5")
        await page.get_by_role("button", name="Send the request").click()
        dialog = page.get_by_role("dialog", name="Send it for real?")
        await expect(dialog).to_be_visible()
        assert shop.refunds == {}
        await dialog.get_by_role("button", name="Send it", exact=True).click()
        await expect(page.get_by_text("What an employee is shown")).to_be_visible()
        await check_page(page)
        assert len(shop.refunds) == 1
        await page.get_by_text("The request", exact=True).click()
        await expect(page.get_by_text("Bearer [secret]")).to_be_visible()
        assert complaints(page) == []
