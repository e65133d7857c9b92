"""Saved replies in the composer, in a real browser: by a slash, by the button, by keys alone."""

from dataclasses import dataclass

import pytest
from playwright.async_api import Locator, Page, expect

from konstruct import saved_replies
from konstruct.db import Database
from konstruct.desk import people
from konstruct.handoffs.owning import Agent
from konstruct.vault import Vault
from tests.browser.checking import check_page
from tests.browser.conftest import PageAs
from tests.support.handoffs import claim, hand_off
from tests.support.members import Enrolled, enrolled
from tests.support.office import Office, open_office

REPLIES = {
    "hello": ("A friendly beginning", "Hi, {agent} of {business} here."),
    "late": ("A parcel that is late", "I am sorry that it is late."),
    "returns": ("How to return something", "Send it back.\nWe pay for it."),
}


@dataclass
class Desk:
    page: Page
    office: Office
    who: Enrolled

    @property
    def text(self) -> Locator:
        return self.page.locator("#reply-text")

    @property
    def options(self) -> Locator:
        return self.page.get_by_role("listbox", name="Saved replies").get_by_role("option")


@pytest.fixture
async def desk(database: Database, vault: Vault, page_as: PageAs) -> Desk:
    office = await open_office(database, vault)
    who = await enrolled(database, vault, "agent", office.tenant_id, name="Ana Duarte")
    async with office.session() as session:
        for key, (title, text) in REPLIES.items():
            await saved_replies.put(session, office.tenant_id, key, title, text, actor="test")
    asked = await office.say("Where is my bicycle?")
    await claim(office, await hand_off(office, asked), Agent(people.member_key(who.user_id), who.name))
    page = await page_as(who)
    await page.goto(f"/t/{who.slug}/inbox/{asked.conversation_id}")
    await expect(page.locator("#reply-text")).to_be_visible()
    return Desk(page, office, who)


async def test_one_is_chosen_by_keys_alone_after_a_slash(desk: Desk) -> None:
    await desk.text.press_sequentially("/")
    await expect(desk.options).to_have_count(3)
    await expect(desk.text).to_have_attribute("aria-activedescendant", "saved-reply-0")
    await desk.page.keyboard.press("ArrowDown")
    await expect(desk.text).to_have_attribute("aria-activedescendant", "saved-reply-1")
    await desk.page.keyboard.press("ArrowUp")
    await desk.page.keyboard.press("Enter")
    await expect(desk.text).to_have_value("Hi, Ana Duarte of Acme Bikes here.")
    await expect(desk.options).to_have_count(0)

    # Where the line begins anew, by what the title says.
    await desk.text.press_sequentially("\n/some")
    await expect(desk.options).to_have_text([r"How to return something/returnsSend it back. We pay for it."])
    await desk.page.keyboard.press("Tab")
    await expect(desk.text).to_have_value("Hi, Ana Duarte of Acme Bikes here.\nSend it back.\nWe pay for it.")
    await expect(desk.text).to_be_focused()


async def test_a_slash_elsewhere_and_two_of_them_are_words(desk: Desk) -> None:
    await desk.text.press_sequentially("and/or")
    await expect(desk.options).to_have_count(0)
    await desk.text.fill("")
    await desk.text.press_sequentially("//note")
    await expect(desk.options).to_have_count(0)
    await desk.text.fill("")
    await desk.text.press_sequentially("/")
    await expect(desk.options).to_have_count(3)
    await desk.page.keyboard.press("Escape")
    await expect(desk.options).to_have_count(0)
    await expect(desk.text).to_have_value("/")


async def test_one_is_chosen_with_the_mouse(desk: Desk) -> None:
    await desk.text.fill("One moment. ")
    await desk.page.get_by_role("button", name="Saved replies").click()
    await expect(desk.options).to_have_count(3)
    await check_page(desk.page)
    await desk.options.nth(1).click()
    await expect(desk.text).to_have_value("One moment. I am sorry that it is late.")


async def test_without_any_it_leads_to_where_they_are_made(desk: Desk) -> None:
    async with desk.office.session() as session:
        for key in REPLIES:
            await saved_replies.remove(session, desk.office.tenant_id, key, actor="test")
    await desk.page.get_by_role("button", name="Saved replies").click()
    await expect(desk.page.get_by_text("There are no saved replies yet.")).to_be_visible()
    await desk.page.get_by_role("link", name="Manage saved replies").click()
    await expect(desk.page.get_by_role("heading", name="No saved replies yet")).to_be_visible()
