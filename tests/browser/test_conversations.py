"""Conversations in a browser: a timeline with everything in it, earlier events, and what is chosen to be shown."""

import re

import pytest
from playwright.async_api import expect

from konstruct.db import Database
from konstruct.record import timeline
from konstruct.vault import Vault
from tests.browser.checking import check_page
from tests.browser.conftest import PageAs
from tests.support.members import enrolled
from tests.support.office import open_office
from tests.support.showroom import Showroom

pytestmark = pytest.mark.stack


async def test_a_timeline_with_everything_in_it(page_as: PageAs, room: Showroom) -> None:
    page = await page_as(room.owner)
    await page.goto(f"/t/{room.owner.slug}/conversations/{room.eventful}")
    await expect(page.get_by_role("heading", level=1)).to_contain_text("Conversation with")
    await page.get_by_text("used refund_order").click()
    await expect(page.get_by_text('"amount": "129.00"')).to_be_visible()
    await check_page(page)


async def test_chips_choose_what_is_shown(page_as: PageAs, room: Showroom) -> None:
    page = await page_as(room.owner)
    await page.goto(f"/t/{room.owner.slug}/conversations/{room.eventful}")
    chips = page.get_by_label("What is shown")
    await chips.get_by_role("link", name="Tools").click()
    await expect(page).to_have_url(re.compile("show=tools"))
    await expect(page.get_by_text("used look_up_order")).to_be_visible()
    await expect(page.get_by_text("My parcel 1042")).to_have_count(0)
    await chips.get_by_role("link", name="Messages").click()
    await expect(page.get_by_text("My parcel 1042")).to_be_visible()
    await expect(page.get_by_text("used look_up_order")).to_be_visible()
    await chips.get_by_role("link", name="Everything").click()
    await expect(page.get_by_text("took the conversation over")).to_be_visible()


async def test_what_was_earlier_comes_without_a_new_page(page_as: PageAs, database: Database, vault: Vault) -> None:
    office = await open_office(database, vault)
    asked = await office.say("Number 0 of many")
    for number in range(1, timeline.PAGE + 10):
        await office.say(f"Number {number} of many")
    who = await enrolled(database, vault, "viewer", office.tenant_id)
    page = await page_as(who)
    await page.goto(f"/t/{who.slug}/conversations/{asked.conversation_id}")
    await expect(page.locator(".event")).to_have_count(timeline.PAGE)
    await page.get_by_role("link", name="Earlier").click()
    await expect(page.locator(".event")).to_have_count(timeline.PAGE + 10)
    await expect(page.locator(".event").first).to_contain_text("Number 0 of many")
    await expect(page.get_by_role("link", name="Earlier")).to_have_count(0)


async def test_the_list_is_narrowed_down_and_kept_in_the_address(page_as: PageAs, room: Showroom) -> None:
    page = await page_as(room.owner)
    await page.goto(f"/t/{room.owner.slug}/conversations")
    rows = page.locator(".conversation-row")
    everything = await rows.count()
    await page.get_by_label("Rating").select_option("good")
    await page.get_by_role("button", name="Apply").click()
    await expect(page).to_have_url(re.compile("rating=good"))
    await expect(rows).not_to_have_count(everything)
    await expect(rows.filter(has_text=re.compile("[45] of 5"))).to_have_count(await rows.count())
    await check_page(page)
    await page.get_by_role("link", name="Clear").click()
    await expect(rows).to_have_count(everything)
