"""Forms in a real browser: pressed once, not left by accident, errors where the eye and the ear find them."""

import pytest
from playwright.async_api import BrowserContext, Dialog, Page, expect

from konstruct.db import Database
from konstruct.vault import Vault
from tests.browser.checking import check_page, run
from tests.browser.conftest import PageAs
from tests.support.members import Enrolled, enrolled

pytestmark = pytest.mark.stack

# At the very end of each sending, so that the page stays.
_COUNTED_INSTEAD = """
addEventListener("submit", (event) => {
  event.preventDefault();
  document.body.dataset.sent = Number(document.body.dataset.sent ?? 0) + 1;
});
[]
"""


@pytest.fixture
async def who(database: Database, vault: Vault) -> Enrolled:
    return await enrolled(database, vault)


@pytest.fixture
async def form(page_as: PageAs, who: Enrolled) -> Page:
    page = await page_as(who)
    await page.goto(f"/t/{who.slug}/gallery/form")
    return page


async def test_a_mistake_takes_the_focus_and_leads_to_its_field_and_keeps_what_was_typed(form: Page) -> None:
    await form.get_by_label("About").fill("Answers questions.")
    await form.get_by_role("button", name="Save").click()

    summary = form.get_by_role("alert").filter(has_text="This could not be saved yet.")
    await expect(summary).to_be_focused()
    await expect(form.get_by_label("About")).to_have_value("Answers questions.")
    name = form.get_by_label("Name")
    await expect(name).to_have_attribute("aria-invalid", "true")
    await expect(name).to_have_accessible_description("Give it a name. As people will see it.")
    await check_page(form)
    await summary.get_by_role("link", name="Give it a name.").click()
    await expect(name).to_be_focused()
    await name.fill("Mara")
    await expect(name).not_to_have_attribute("aria-invalid", "true")


async def test_a_form_that_htmx_sends_does_all_that_too(form: Page) -> None:
    await form.goto(f"{form.url}?by_htmx=1")
    await form.get_by_label("About").fill("Answers questions.")
    await form.get_by_role("button", name="Save").click()
    await expect(form.get_by_role("alert").filter(has_text="This could not be saved yet.")).to_be_focused()
    await expect(form.get_by_label("About")).to_have_value("Answers questions.")
    # Whoever goes on now would lose it.
    await form.locator("#sidebar").get_by_role("link", name="Home").click()
    await form.get_by_role("button", name="Stay here").click()

    await form.get_by_label("Name").fill("Mara")
    await form.get_by_role("button", name="Save").click()
    await expect(form.get_by_text("Saved Mara.")).to_be_visible()


async def test_what_was_saved_is_said_once_and_can_be_undone(form: Page) -> None:
    await form.get_by_label("Name").fill("<b>Mara</b>")
    await form.get_by_role("button", name="Save").click()

    toast = form.get_by_role("status").filter(has_text="Saved <b>Mara</b>.")
    await expect(toast).to_be_visible()
    await check_page(form)
    await toast.get_by_role("button", name="Undo").click()
    await expect(form.get_by_text("It is as it was.")).to_be_visible()
    await form.reload()
    await expect(form.locator("#toaster [data-toast]")).to_have_count(0)


async def test_a_field_that_one_leaves_half_filled_says_so(form: Page) -> None:
    mail = form.get_by_label("E-mail")
    await mail.fill("ana@")
    await mail.press("Tab")
    await expect(form.get_by_text("Write an e-mail address, such as ana@example.com.")).to_be_visible()
    await mail.fill("ana@example.com")
    await expect(form.get_by_text("Write an e-mail address")).to_be_hidden()


async def test_a_form_is_sent_once_however_often_it_is_pressed(form: Page) -> None:
    await run(form, _COUNTED_INSTEAD)
    await form.get_by_label("Name").fill("Mara")
    button = form.get_by_role("button", name="Save")
    await button.click()
    await expect(button).to_have_attribute("aria-busy", "true")
    await expect(button).to_be_disabled()
    await button.dispatch_event("click")
    await form.get_by_label("Name").press("Enter")
    await expect(form.locator("body")).to_have_attribute("data-sent", "1")


async def test_a_page_with_changes_is_not_left_by_accident(form: Page, who: Enrolled) -> None:
    home = form.locator("#sidebar").get_by_role("link", name="Home")
    await form.get_by_label("Name").fill("Mara")
    await home.click()
    question = form.get_by_role("dialog", name="Leave without saving?")
    await expect(question).to_be_visible()
    await check_page(form)
    await question.get_by_role("button", name="Stay here").click()
    await expect(form.get_by_label("Name")).to_have_value("Mara")

    await home.click()
    await question.get_by_role("button", name="Leave").click()
    await expect(form).to_have_url(f"**/t/{who.slug}/home".replace("**", form.url.partition("/t/")[0]))


async def test_closing_a_page_with_changes_asks_and_without_does_not(form: Page) -> None:
    asked: list[str] = []

    async def note(dialog: Dialog) -> None:
        asked.append(dialog.type)
        await dialog.accept()

    form.on("dialog", note)
    await form.reload()
    assert asked == []
    await form.get_by_label("Name").fill("Mara")
    await form.reload()
    assert asked == ["beforeunload"]
    await form.get_by_label("Name").fill("Mara")
    await form.get_by_label("Name").fill("")
    await form.reload()
    assert asked == ["beforeunload"]


async def test_what_came_back_with_errors_counts_as_unsaved(form: Page) -> None:
    await form.get_by_role("button", name="Save").click()
    await expect(form.get_by_text("This could not be saved yet.")).to_be_visible()
    await form.locator("#sidebar").get_by_role("link", name="Home").click()
    await expect(form.get_by_role("dialog", name="Leave without saving?")).to_be_visible()


async def test_a_password_can_be_looked_at(form: Page) -> None:
    field = form.get_by_label("Password")
    await field.fill("four quiet lanterns")
    await expect(field).to_have_attribute("type", "password")
    await form.get_by_role("button", name="Show what is typed").click()
    await expect(field).to_have_attribute("type", "text")


async def test_forms_work_without_scripts(context: BrowserContext, page_as: PageAs, who: Enrolled) -> None:
    browser = context.browser
    assert browser is not None
    signed_in = await page_as(who)
    plain = await browser.new_context(
        base_url=signed_in.url if signed_in.url != "about:blank" else None, java_script_enabled=False
    )
    try:
        await plain.add_cookies(await signed_in.context.cookies())  # type: ignore[arg-type]
        page = await plain.new_page()
        await signed_in.goto(f"/t/{who.slug}/gallery/form")
        await page.goto(signed_in.url)
        await page.get_by_role("button", name="Save").click()
        await expect(page.locator("#f-name-error")).to_have_text("Give it a name.")
        await page.get_by_label("Name").fill("Mara")
        await page.get_by_role("button", name="Save").click()
        await expect(page.get_by_text("Saved Mara.")).to_be_visible()
    finally:
        await plain.close()
