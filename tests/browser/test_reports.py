"""Reports in a browser: numbers that are the ledger's, charts in the page's colours, and tables beside them."""

import re
from decimal import Decimal

import pytest
from playwright.async_api import Browser, Page, expect
from sqlalchemy import func
from sqlmodel import col, select

from konstruct.reports import periods
from konstruct.tables import Usage
from konstruct.tables.base import utc_now
from tests.browser.checking import check_page, run
from tests.browser.conftest import PageAs
from tests.support.members import enrolled
from tests.support.showroom import Showroom

pytestmark = pytest.mark.stack

_COLOURS = """
(() => {{
  const canvas = document.getElementById("{canvas}");
  const {{ data }} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  const seen = new Map();
  for (let at = 0; at < data.length; at += 4) {{
    const colour = "#" + [...data.slice(at, at + 3)].map((each) => each.toString(16).padStart(2, "0")).join("");
    if (data[at + 3] === 255) seen.set(colour, (seen.get(colour) ?? 0) + 1);
  }}
  return [...seen].filter(([, many]) => many > 200).map(([colour]) => colour);
}})()
"""
_PLACE = """
(() => {{
  const canvas = document.getElementById("{canvas}");
  const {{ data }} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  const scale = canvas.width / canvas.clientWidth;
  const is = (at, colour) => colour.every((part, place) => data[at + place] === part);
  for (let y = 0; y < canvas.height; y++)
    for (let x = canvas.width - 1; x > 0; x--)
      if ([0, 4, 8].every((more) => is(4 * (y * canvas.width + x) - more, {colour})))
        return [x / scale - 1, y / scale + 1];
}})()
"""


async def colours(page: Page, canvas: str) -> set[str]:
    """Those of which there is much in a chart."""
    return set(await run(page, _COLOURS.format(canvas=canvas)))


async def exact(page: Page, within: str) -> list[Decimal]:
    found = await page.locator(f"{within} data").all()
    return [Decimal(await each.get_attribute("value") or "NaN") for each in found]


async def test_the_dashboards_sums_are_those_of_the_ledger(page_as: PageAs, room: Showroom) -> None:
    async with room.rich.session() as session:
        period = periods.preset("30", await periods.zone(session), utc_now())
        of_it = (col(Usage.created_at) >= period.start, col(Usage.created_at) < period.end)
        ledger = await session.scalar(select(func.sum(col(Usage.cost))).where(*of_it))
        calls = await session.scalar(select(func.count()).select_from(Usage).where(*of_it))
    assert ledger
    page = await page_as(room.owner)
    for by in ("employee", "model", "channel", "purpose", "key"):
        await page.goto(f"/t/{room.owner.slug}/usage?by={by}")
        assert await exact(page, 'section[aria-label="Total cost"]') == [ledger]
        assert await exact(page, 'section[aria-label="Model calls"]') == [calls]
        *parts, total = await exact(page, "#rows td:first-of-type")
        assert total == ledger
        assert sum(parts) == ledger
    await page.goto(f"/t/{room.owner.slug}/usage/conversations")
    assert sum(await exact(page, ".table")) == ledger


async def test_a_chart_is_drawn_and_drawn_anew_in_the_dark(page_as: PageAs, room: Showroom) -> None:
    page = await page_as(room.owner)
    await page.goto(f"/t/{room.owner.slug}/usage?by=model")
    await expect(page.get_by_role("img", name=re.compile(r"^Cost per day by model: \$[\d,.]+ in all"))).to_be_visible()
    light = await colours(page, "cost-chart")
    assert {"#2f6fdf", "#e69f00"} <= light
    await page.emulate_media(color_scheme="dark")
    await expect(page.locator("html.dark")).to_be_attached()
    dark = await colours(page, "cost-chart")
    assert {"#5b92f7", "#f0b73a"} <= dark
    assert not {"#2f6fdf", "#e69f00"} & dark
    await page.goto(f"/t/{room.owner.slug}/outcomes")
    assert "#5b92f7" in await colours(page, "outcomes-chart")


async def test_the_numbers_are_in_a_table_beside_the_chart(page_as: PageAs, room: Showroom) -> None:
    page = await page_as(room.owner)
    await page.goto(f"/t/{room.owner.slug}/usage?range=7")
    table = page.get_by_role("table", name="Cost per day")
    await expect(table).to_be_hidden()
    await page.locator("summary", has_text="Show as table").focus()
    await page.keyboard.press("Enter")
    await expect(table).to_be_visible()
    await expect(table.locator("tbody tr")).to_have_count(7)
    assert sum(await exact(page, "#cost .table td:last-child")) == sum(
        await exact(page, "#rows .total td:first-of-type")
    )
    await check_page(page)


async def test_without_javascript_there_are_tables(browser: Browser, portal_url: str, room: Showroom) -> None:
    context = await browser.new_context(base_url=portal_url, java_script_enabled=False)
    await context.add_cookies([room.owner.browser_cookie])
    page = await context.new_page()
    await page.goto(f"/t/{room.owner.slug}/usage")
    await expect(page.locator("#cost canvas")).to_be_hidden()
    await expect(page.get_by_role("table", name="Cost by employee")).to_be_visible()
    await page.get_by_label("Employee", exact=True).select_option("ada")
    await page.get_by_role("button", name="Apply", exact=True).click()
    await expect(page).to_have_url(re.compile(r"employee=ada"))
    await expect(page.locator("#rows tbody tr")).to_have_count(2)
    await context.close()


async def test_a_bar_leads_to_the_conversations_of_its_day(page_as: PageAs, room: Showroom) -> None:
    page = await page_as(room.owner)
    await page.goto(f"/t/{room.owner.slug}/usage?range=7&by=model")
    await expect(page.locator("#cost-chart")).to_be_visible()
    x, y = map(float, await run(page, _PLACE.format(canvas="cost-chart", colour="[0x2f, 0x6f, 0xdf]")))
    await page.locator("#cost-chart").click(position={"x": x, "y": y})
    await expect(page).to_have_url(re.compile(r"/usage/conversations\?.*model="))
    await expect(page).to_have_url(re.compile(r"from=([\d-]+)&to=\1"))
    await expect(page.get_by_role("heading", name="Conversations by cost", level=1)).to_be_visible()


async def test_budgets_are_set_and_warn(page_as: PageAs, room: Showroom) -> None:
    page = await page_as(room.owner)
    await page.goto(f"/t/{room.owner.slug}/usage")
    await page.get_by_role("link", name="Edit budgets").click()
    await page.get_by_label("US dollars a month").fill("much")
    await page.get_by_role("button", name="Save budgets").click()
    await expect(page.get_by_role("alert")).to_contain_text("Write dollars, such as 300 or 49.50.")
    await check_page(page)
    await page.get_by_label("US dollars a month").fill("0.02")
    await page.get_by_label("Pause").check()
    await page.get_by_role("button", name="Save budgets").click()
    await expect(page.locator("#toaster")).to_contain_text("Budgets saved.")
    whole = page.locator("#budgets li", has_text="The whole business")
    await expect(whole).to_contain_text("Over budget")
    await expect(whole.get_by_role("progressbar")).to_have_attribute("value", "0.02")
    await expect(page.locator("#budgets")).to_contain_text("Messages wait until there is a budget again.")
    badge = page.locator(".sidebar-rail").get_by_role("link", name="Usage & cost").locator(".place-badge")
    await expect(badge).to_have_count(0)
    # What this member has seen by saving it is new to others.
    other = await enrolled(room.rich.database, room.rich.vault, "admin", room.rich.tenant_id)
    page = await page_as(other)
    await page.goto(f"/t/{other.slug}/home")
    await expect(page.get_by_text("The business's budget for the month is used up")).to_be_visible()
    place = page.locator(".sidebar-rail").get_by_role("link", name=re.compile("Usage & cost.*new"))
    await expect(place).to_contain_text("2")
    await check_page(page)
    await place.click()
    await expect(page.locator("#budgets")).to_contain_text("Over budget")
    await page.goto(f"/t/{other.slug}/home")
    await expect(page.locator(".place-badge:visible", has_text="new")).to_have_count(0)


async def test_sheets_are_downloaded(page_as: PageAs, room: Showroom) -> None:
    page = await page_as(room.owner)
    for label, name in (("What is shown, by employee", "usage-by-employee-"), ("Every model call", "model-calls-")):
        await page.goto(f"/t/{room.owner.slug}/usage?range=7")
        await page.get_by_role("button", name="Export CSV").click()
        async with page.expect_download() as started:
            await page.locator(".menu-item", has_text=label).click()
        download = await started.value
        assert download.suggested_filename.startswith(name)
