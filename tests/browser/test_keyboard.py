"""Pages are walked with the keyboard alone: everything is reached, seen when it is, and nothing holds the focus."""

import re
from typing import Final

import pytest
from playwright.async_api import Page, expect

from tests.browser.checking import run
from tests.browser.conftest import PageAs
from tests.support.showroom import Showroom

pytestmark = pytest.mark.stack

_FOCUSED: Final = """
(() => {
  const each = document.activeElement;
  if (!each || each === document.body) return ["", "the page"];
  const box = each.getBoundingClientRect();
  const style = getComputedStyle(each);
  const middle = document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2);
  const wrong = [];
  if (box.width < 2 || box.height < 2) wrong.push("has no size");
  if (box.bottom < 0 || box.top > innerHeight) wrong.push("is off the screen");
  if (middle && !each.contains(middle) && !middle.contains(each))
    wrong.push(`is behind ${middle.outerHTML.slice(0, 80)}`);
  if (style.outlineStyle === "none" && style.boxShadow === "none") wrong.push("does not look focused");
  return [wrong.join(", "), each.outerHTML.slice(0, 140)];
})()
"""
_MOST: Final = 150
"""More than there is to reach on any page."""


async def walk(page: Page) -> list[str]:
    """What has the focus, in the order of Tab, until it leaves the page."""
    reached: list[str] = []
    for _ in range(_MOST):
        await page.keyboard.press("Tab")
        wrong, what = await run(page, _FOCUSED)
        if what == "the page":
            return reached
        assert not wrong, f"{page.url}: {what} {wrong}"
        reached.append(what)
    raise AssertionError(f"{page.url}: the focus never leaves, and is on {reached[-3:]}")


@pytest.mark.parametrize("path", ["home", "employees/ada", "channels", "team", "settings", "settings/api-keys"])
async def test_everything_is_reached_and_seen(page_as: PageAs, room: Showroom, path: str) -> None:
    page = await page_as(room.owner)
    await page.goto(f"/t/{room.owner.slug}/{path}")
    reached = await walk(page)
    assert "Skip to content" in reached[0]
    main = page.locator("main").locator("a[href], button, input:not([type=hidden]), select, textarea, summary")
    seen = [each for each in await main.all() if await each.is_visible() and await each.is_enabled()]
    radios = await page.locator("main input[type=radio]").count()
    # Of radio buttons Tab reaches one a group, and what is only for programs none.
    untabbed = await page.locator("main [tabindex='-1']").count()
    assert len(reached) >= len(seen) - radios - untabbed


async def test_the_first_link_leads_past_what_is_the_same_on_every_page(page_as: PageAs, room: Showroom) -> None:
    page = await page_as(room.owner)
    await page.goto(f"/t/{room.owner.slug}/team")
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Skip to content")).to_be_in_viewport()
    await page.keyboard.press("Enter")
    await expect(page.locator("main")).to_be_focused()
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Invite")).to_be_focused()


async def test_somebody_is_removed_with_the_keyboard_alone_or_rather_not(page_as: PageAs, room: Showroom) -> None:
    page = await page_as(room.owner)
    await page.goto(f"/t/{room.owner.slug}/team")
    menu = page.get_by_role("button", name="Change Ben Okafor")
    await menu.press("Enter")
    await expect(page.get_by_role("button", name=re.compile("^Make ")).locator("visible=true").first).to_be_focused()
    await page.keyboard.press("ArrowUp")
    await page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Remove Ben Okafor?")
    await expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
    for _ in range(4):
        await page.keyboard.press("Tab")
        where = await run(page, "[String(!!document.activeElement.closest('dialog') || !document.hasFocus())]")
        assert where == ["true"] or (await run(page, _FOCUSED))[1] == "the page"
    await page.keyboard.press("Escape")
    await expect(dialog).to_be_hidden()
    await expect(menu).to_be_focused()
