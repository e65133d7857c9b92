"""Every component, in a real browser: how it looks to axe, and what it does."""

import pytest
from playwright.async_api import Page, expect

from konstruct.accounts import profile
from konstruct.db import Database
from konstruct.vault import Vault
from tests.browser.checking import TELEPHONE, check_page, complaints
from tests.browser.conftest import PageAs
from tests.support.members import Enrolled, enrolled

pytestmark = pytest.mark.stack


@pytest.fixture
async def who(database: Database, vault: Vault) -> Enrolled:
    return await enrolled(database, vault)


@pytest.fixture
async def gallery(page_as: PageAs, who: Enrolled) -> Page:
    page = await page_as(who)
    await page.goto(f"/t/{who.slug}/gallery")
    return page


@pytest.fixture
async def form(page_as: PageAs, who: Enrolled) -> Page:
    page = await page_as(who)
    await page.goto(f"/t/{who.slug}/gallery/form")
    return page


async def test_all_components_are_accessible_in_light_and_dark_and_fit_a_telephone(gallery: Page, form: Page) -> None:
    await check_page(gallery)
    await check_page(form)


async def test_what_opens_over_a_page_is_accessible_too(gallery: Page) -> None:
    for button in ("Delete for good", "Dialog", "Confirm"):
        await gallery.get_by_role("button", name=button, exact=True).click()
        await check_page(gallery)
        await gallery.keyboard.press("Escape")
    for button in ("Your account", "Theme", "More"):
        await gallery.get_by_role("button", name=button, exact=True).click()
        await check_page(gallery)
        await gallery.keyboard.press("Escape")
    await gallery.keyboard.press("Control+k")
    await check_page(gallery)
    await gallery.keyboard.press("Escape")
    await gallery.keyboard.press("?")
    await check_page(gallery)


async def test_a_theme_that_was_chosen_holds_on_other_pages_and_needs_no_server(gallery: Page, who: Enrolled) -> None:
    root = gallery.locator("html")
    await expect(root).not_to_have_class("dark")
    await gallery.get_by_role("button", name="Theme").click()
    await gallery.get_by_role("button", name="Dark").click()
    await expect(root).to_have_class("dark")

    await gallery.goto(f"/t/{who.slug}/gallery/form", wait_until="commit")
    # From the first moment on: the script that sets it runs before anything is drawn.
    await expect(gallery.locator("html.dark")).to_be_attached()
    await expect(gallery.locator("#theme-menu [aria-pressed=true]")).to_have_text("Dark")
    await gallery.get_by_role("button", name="Theme").click()
    await gallery.get_by_role("button", name="As the system").click()
    await expect(root).not_to_have_class("dark")
    await gallery.emulate_media(color_scheme="dark")
    await expect(root).to_have_class("dark")


async def test_a_folded_sidebar_stays_folded(gallery: Page) -> None:
    employees = gallery.locator("#sidebar").get_by_text("Employees")
    await expect(employees).to_be_visible()
    await gallery.get_by_role("button", name="Fold the sidebar").click()
    await expect(employees).to_be_hidden()
    await gallery.reload()
    await expect(employees).to_be_hidden()
    await gallery.get_by_role("button", name="Unfold the sidebar").click()
    await expect(employees).to_be_visible()


async def test_the_drawer_of_a_telephone_keeps_the_focus_and_gives_it_back(gallery: Page) -> None:
    await gallery.set_viewport_size(TELEPHONE)
    opener = gallery.get_by_role("button", name="Menu", exact=True)
    await opener.focus()
    await gallery.keyboard.press("Enter")
    drawer = gallery.locator("#drawer")
    await expect(drawer.get_by_role("link", name="Employees")).to_be_visible()
    for _ in range(12):
        await gallery.keyboard.press("Tab")
        outside = gallery.locator(":focus:not(#drawer *):not(body):not(#drawer)")
        await expect(outside).to_have_count(0)
    await gallery.keyboard.press("Escape")
    await expect(drawer).to_be_hidden()
    await expect(opener).to_be_focused()


async def test_menus_are_walked_with_arrows(gallery: Page) -> None:
    opener = gallery.get_by_role("button", name="More", exact=True)
    await opener.click()
    await expect(opener).to_have_attribute("aria-expanded", "true")
    await expect(gallery.get_by_role("link", name="Duplicate")).to_be_focused()
    await gallery.keyboard.press("ArrowDown")
    await expect(gallery.get_by_role("button", name="Archive")).to_be_focused()
    await gallery.keyboard.press("ArrowUp")
    await gallery.keyboard.press("ArrowUp")
    await expect(gallery.locator("#more").get_by_role("button", name="Delete")).to_be_focused()
    await gallery.keyboard.press("Enter")
    await expect(gallery.get_by_role("dialog", name="Delete Northwind Retail?")).to_be_visible()
    await expect(opener).to_have_attribute("aria-expanded", "false")


async def test_what_cannot_be_undone_waits_for_its_word(gallery: Page) -> None:
    await gallery.get_by_role("button", name="Delete for good").click()
    dialog = gallery.get_by_role("dialog", name="Delete Northwind Retail?")
    button = dialog.get_by_role("button", name="Delete for good")
    await expect(button).to_be_disabled()
    await dialog.get_by_label("Type northwind to go on").fill("northwin")
    await expect(button).to_be_disabled()
    await dialog.get_by_label("Type northwind to go on").fill("northwind")
    await expect(button).to_be_enabled()
    await button.click()
    await expect(gallery.get_by_text("It is as it was.")).to_be_visible()


async def test_tabs_are_changed_by_arrows(gallery: Page) -> None:
    await gallery.get_by_role("tab", name="One").focus()
    await gallery.keyboard.press("ArrowRight")
    await expect(gallery.get_by_role("tab", name="Two")).to_be_focused()
    await expect(gallery.get_by_text("The second part.")).to_be_visible()
    await expect(gallery.get_by_text("The first part")).to_be_hidden()
    await gallery.keyboard.press("End")
    await expect(gallery.get_by_text("The third part.")).to_be_visible()


async def test_moments_are_told_in_the_viewers_zone(database: Database, gallery: Page, who: Enrolled) -> None:
    await profile.change(database, who.user_id, name=who.name, time_zone="Asia/Tokyo")
    await gallery.reload()
    five_minutes = gallery.get_by_role("cell", name="5 minutes ago").locator("time")
    await expect(five_minutes).to_be_visible()
    title = await five_minutes.get_attribute("title")
    assert title is not None
    assert "GMT+9" in title or "JST" in title


async def test_a_part_that_comes_later_is_as_the_rest(gallery: Page) -> None:
    await gallery.get_by_role("button", name="Load a part").click()
    await expect(gallery.locator("#part time")).to_have_text("5 minutes ago")


async def test_a_failure_is_a_toast_and_changes_nothing(gallery: Page) -> None:
    await gallery.get_by_role("button", name="Fail").click()
    toast = gallery.get_by_role("alert").filter(has_text="Konstruct is not all there right now.")
    await expect(toast).to_be_visible()
    await expect(gallery.locator("#part")).to_have_text("What was here before.")
    await toast.get_by_role("button", name="Dismiss").click()
    await expect(toast).to_have_count(0)


async def test_a_toast_is_at_hand_within_a_dialog_that_is_open(gallery: Page) -> None:
    await gallery.get_by_role("button", name="Dialog", exact=True).click()
    dialog = gallery.get_by_role("dialog", name="Invite somebody")
    await dialog.get_by_role("button", name="Fail here").click()
    toast = dialog.get_by_role("alert")
    await expect(toast).to_contain_text("Konstruct is not all there right now.")
    await gallery.keyboard.press("Escape")
    await expect(dialog).to_be_hidden()
    toast = gallery.get_by_role("alert").filter(has_text="Konstruct is not all there right now.")
    await toast.get_by_role("button", name="Dismiss").click()
    await expect(toast).to_have_count(0)


async def test_the_focus_stays_where_it_was_when_a_part_is_replaced(gallery: Page) -> None:
    await gallery.get_by_role("button", name="Again").focus()
    await gallery.keyboard.press("Enter")
    await expect(gallery.get_by_role("button", name="Once again")).to_be_focused()


async def test_when_nobody_answers_it_is_said_and_nothing_is_lost(gallery: Page) -> None:
    await gallery.context.set_offline(True)
    await gallery.get_by_role("button", name="Load a part").click()
    await expect(gallery.get_by_text("Konstruct could not be reached. Nothing was lost; try again.")).to_be_visible()
    await expect(gallery.locator("#part")).to_have_text("What was here before.")


async def test_what_a_proxy_says_is_not_put_into_the_page(gallery: Page) -> None:
    await gallery.route("**/gallery/part", lambda route: route.fulfill(status=502, body="<h1>Bad Gateway</h1>"))
    await gallery.get_by_role("button", name="Load a part").click()
    await expect(gallery.get_by_text("Something went wrong between here and Konstruct.")).to_be_visible()
    await expect(gallery.locator("#part")).to_have_text("What was here before.")


async def test_text_is_copied(gallery: Page) -> None:
    await gallery.context.grant_permissions(["clipboard-read", "clipboard-write"])
    button = gallery.locator("[data-copy=kst_example]")
    await button.click()
    await expect(button).to_have_text("Copied")
    await gallery.get_by_role("button", name="Dialog", exact=True).click()
    mail = gallery.get_by_label("E-mail")
    await mail.focus()
    await gallery.keyboard.press("Control+v")
    await expect(mail).to_have_value("kst_example")
    assert not complaints(gallery)
