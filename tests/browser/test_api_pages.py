"""The reference of the API and the choice of what a key may, in a browser: found while one types, opened by a link."""

import pytest
from playwright.async_api import expect

from konstruct.db import Database
from konstruct.vault import Vault
from tests.browser.checking import check_page
from tests.browser.conftest import PageAs
from tests.support.members import Enrolled, enrolled


@pytest.fixture
async def somebody(database: Database, vault: Vault) -> Enrolled:
    return await enrolled(database, vault)


@pytest.fixture
async def here(somebody: Enrolled) -> str:
    return f"/t/{somebody.slug}"


async def test_routes_are_found_as_one_types(page_as: PageAs, somebody: Enrolled, here: str) -> None:
    page = await page_as(somebody)
    await page.goto(f"{here}/api")
    approve = page.get_by_role("link", name="/approvals/{approval_id}/approve")
    employees = page.get_by_role("heading", name="Employees", exact=True)
    await expect(employees).to_be_visible()

    await page.get_by_role("searchbox").fill("approve decide")

    await expect(approve).to_be_visible()
    await expect(employees).to_be_hidden()
    assert page.url.endswith("?q=approve+decide")
    await page.get_by_role("searchbox").fill("zebra")
    await expect(page.get_by_text("No route has all of these words")).to_be_visible()
    await check_page(page)
    await page.get_by_role("searchbox").fill("")
    await expect(employees).to_be_visible()

    await approve.click()

    await expect(page).to_have_url(f"{page.url.split('/t/')[0]}{here}/api/approvals#post-approvals-approval-id-approve")
    await expect(page.get_by_text("Needs approvals:decide (say yes or no to it).").first).to_be_visible()
    await check_page(page)


async def test_a_usual_choice_ticks_what_it_is(page_as: PageAs, somebody: Enrolled, here: str) -> None:
    page = await page_as(somebody)
    await page.goto(f"{here}/settings/api-keys/new")
    await page.get_by_label("Name").fill("dashboard")

    await page.get_by_role("link", name="Reports").click()

    await expect(page.get_by_label("Name")).to_have_value("dashboard")
    ticked = page.locator('input[name="scope"]:checked')
    await expect(ticked).to_have_count(1)
    await expect(page.get_by_label("See usage, cost and outcomes")).to_be_checked()
    await page.get_by_role("link", name="Read everything").click()
    await expect(page.get_by_label("See all conversations")).to_be_checked()
    await expect(page.get_by_label("Say yes or no to it")).not_to_be_checked()
    await check_page(page)
