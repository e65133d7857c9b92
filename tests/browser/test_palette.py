"""Ctrl+K and the other keys."""

import pytest
from playwright.async_api import Page, expect

from konstruct.db import Database
from konstruct.vault import Vault
from tests.browser.checking import check_page, complaints
from tests.browser.conftest import PageAs
from tests.support.members import enrolled
from tests.support.office import Office

pytestmark = pytest.mark.stack


@pytest.fixture
async def home(page_as: PageAs, database: Database, vault: Vault, office: Office) -> Page:
    who = await enrolled(database, vault, tenant=office.tenant_id)
    page = await page_as(who)
    await page.goto(f"/t/{who.slug}/home")
    return page


async def test_it_leads_to_pages_with_the_keyboard_alone(home: Page) -> None:
    await home.keyboard.press("Control+k")
    box = home.get_by_role("combobox", name="Search or jump to")
    await expect(box).to_be_focused()
    await home.keyboard.type("chan")
    await expect(home.get_by_role("option", selected=True)).to_contain_text("Channels")
    await home.keyboard.press("Enter")
    await home.wait_for_url("**/channels")


async def test_it_finds_employees_by_name(home: Page) -> None:
    await home.keyboard.press("Control+k")
    await home.keyboard.type("ADA")
    found = home.get_by_role("group", name="Employees").get_by_role("option", name="Ada")
    await expect(found).to_be_visible()
    await check_page(home)
    await home.keyboard.press("ArrowDown")
    await home.keyboard.press("Escape")
    await expect(home.locator("#palette")).to_be_hidden()


async def test_it_says_when_nothing_is_called_so(home: Page) -> None:
    await home.get_by_role("button", name="Search or jump to").click()
    await home.keyboard.type("zzz%_")
    await expect(home.get_by_text("Nothing is called that.").first).to_be_visible()
    assert not complaints(home)


async def test_a_letter_after_g_leads_to_a_page_unless_one_is_typing(home: Page) -> None:
    await home.keyboard.press("Control+k")
    await home.keyboard.type("gt")
    await home.keyboard.press("Escape")
    await expect(home).to_have_url(home.url)
    await home.keyboard.press("g")
    await home.keyboard.press("t")
    await home.wait_for_url("**/team")


async def test_a_question_mark_lists_the_keys(home: Page) -> None:
    await home.keyboard.press("?")
    sheet = home.get_by_role("dialog", name="Keyboard shortcuts")
    await expect(sheet).to_contain_text("Employees")
    await home.keyboard.press("Escape")
    await expect(sheet).to_be_hidden()
