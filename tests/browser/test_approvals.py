"""Approvals in a browser: two who look at the same one, and what comes while somebody looks."""

import re

import pytest
from playwright.async_api import expect

from konstruct.tables import Approval
from tests.browser.checking import check_page
from tests.browser.conftest import PageAs
from tests.support import approvals
from tests.support.members import enrolled
from tests.support.office import Office
from tests.support.workshop import approval_row, call_row

pytestmark = pytest.mark.stack


async def test_what_comes_appears_and_what_was_typed_stays(page_as: PageAs, office: Office) -> None:
    await approvals.ask(office, {"amount": 20, "order": "A-17"})
    who = await enrolled(office.database, office.vault, "agent", office.tenant_id)
    page = await page_as(who)
    await page.goto(f"/t/{who.slug}/approvals")
    note = page.get_by_label("Note")
    await note.fill("Half a sentence")
    await approvals.ask(office, {"amount": 99, "order": "B-23"}, contact="U2")
    await expect(page.get_by_text("B-23")).to_be_visible()
    await expect(note.first).to_have_value("Half a sentence")
    await check_page(page)


async def test_of_two_who_look_at_it_the_second_reads_who_decided(page_as: PageAs, office: Office) -> None:
    waiting = await approvals.ask(office)
    people = [
        await enrolled(office.database, office.vault, "agent", office.tenant_id, name=name)
        for name in ("Ana Duarte", "Ben Okafor")
    ]
    pages = [await page_as(who) for who in people]
    for page, who in zip(pages, people, strict=True):
        await page.goto(f"/t/{who.slug}/approvals/{waiting.approval_id}")
    await pages[0].get_by_role("button", name="Yes, do it").click()
    await expect(pages[0].get_by_text("Ana Duarte said yes")).to_be_visible()
    await pages[1].get_by_role("button", name="No", exact=True).click()
    await expect(pages[1].get_by_text(re.compile("Ana Duarte said yes to it before you"))).to_be_visible()
    assert (await approval_row(office, waiting.approval_id)).state == "approved"


async def test_what_cannot_be_undone_is_asked_about_once_more(page_as: PageAs, office: Office) -> None:
    waiting = await approvals.ask(office)
    async with office.session() as session:
        (await session.get_one(Approval, (office.tenant_id, waiting.approval_id))).risk = "irreversible"
    who = await enrolled(office.database, office.vault, "owner", office.tenant_id)
    page = await page_as(who)
    await page.goto(f"/t/{who.slug}/approvals")
    await page.get_by_role("button", name="Yes, do it …").click()
    dialog = page.get_by_role("dialog", name="This cannot be undone")
    await expect(dialog).to_be_visible()
    await check_page(page)
    await dialog.get_by_role("button", name="Yes, do it").click()
    await expect(page.get_by_text("Yes: it is done now.")).to_be_visible()
    row = await approval_row(office, waiting.approval_id)
    assert (row.state, (await call_row(office, row.call_id)).state) == ("approved", "ready")
