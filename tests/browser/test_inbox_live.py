"""The inbox in a browser: what is new appears by itself, also after the server was away; and the keyboard will do."""

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import pytest
from playwright.async_api import Browser, Locator, Page, expect

from konstruct.desk import people
from konstruct.embedded.loopback import free_port
from konstruct.handoffs import owning
from konstruct.settings import Settings
from konstruct.workbench.views import PRIORITIES
from portal.app import build
from portal.watching import Watching
from tests.browser.checking import DESK, TELEPHONE, check_page, run
from tests.browser.conftest import PageAs
from tests.support.handoffs import a_wish, claim, hand_off
from tests.support.http import serve
from tests.support.members import Enrolled, enrolled
from tests.support.office import Office
from tests.support.queues import queue

pytestmark = pytest.mark.stack

QUICK: Final = timedelta(milliseconds=100)
_SOON: Final = 20_000


async def agent(office: Office, name: str = "Ana Duarte") -> Enrolled:
    return await enrolled(office.database, office.vault, "agent", office.tenant_id, name=name)


@dataclass(frozen=True)
class Rows:
    """Of the list."""

    all: Locator

    def saying(self, text: str) -> Locator:
        return self.all.filter(has_text=text)


def rows(page: Page) -> Rows:
    return Rows(page.locator("#inbox-rows > li"))


async def test_what_somebody_writes_appears_without_a_new_page(page_as: PageAs, office: Office) -> None:
    who = await agent(office)
    asked = await office.say("A person, please")
    await hand_off(office, asked)
    page = await page_as(who)
    await page.goto(f"/t/{who.slug}/inbox/{asked.conversation_id}")
    await run(page, "(() => { window.isStillThere = true; return []; })()")
    await expect(rows(page).saying("A person, please")).to_have_count(1)

    await office.say("Is anybody there?")

    await expect(rows(page).saying("Is anybody there?")).to_have_count(1)
    await expect(page.locator("#inbox-conversation").get_by_text("Is anybody there?")).to_have_count(1)
    await expect(page.locator("#inbox-conversation").get_by_text("A person, please")).to_have_count(1)
    other = await office.say("Me, too", root="2.0", contact="U2")
    handoff_id = await hand_off(office, other, a_wish(priority="urgent"))
    await expect(rows(page).all.first).to_contain_text("Me, too")
    await expect(rows(page).all).to_have_count(2)
    await claim(office, handoff_id)
    await expect(rows(page).all).to_have_count(1)
    assert await page.evaluate("window.isStillThere")
    await check_page(page)


@asynccontextmanager
async def served(settings: Settings, port: int) -> AsyncIterator[str]:
    guard = build(settings)
    used = guard.services
    used.watching = Watching(used.database, used.presence, every=QUICK)
    async with serve(guard, port=port) as url:
        yield url


async def test_after_the_server_was_away_nothing_is_lost_and_nothing_is_doubled(
    browser: Browser, settings: Settings, office: Office
) -> None:
    who, port = await agent(office), free_port()
    asked = await office.say("Before")
    await hand_off(office, asked)
    context = await browser.new_context(base_url=f"http://127.0.0.1:{port}", viewport=DESK)
    await context.add_cookies([who.browser_cookie])
    page = await context.new_page()
    pane = page.locator("#inbox-conversation")
    async with AsyncExitStack() as first:
        await first.enter_async_context(served(settings, port))
        await page.goto(f"/t/{who.slug}/inbox/{asked.conversation_id}")
        await expect(pane.get_by_text("Before")).to_have_count(1)
        await expect(page.locator("#live-trouble")).to_be_hidden()
    await office.say("Meanwhile one")
    await office.say("Meanwhile two")
    await expect(page.locator("#live-trouble")).to_be_visible(timeout=_SOON)

    async with served(settings, port):
        await expect(pane.get_by_text("Meanwhile two")).to_have_count(1, timeout=_SOON)
        await expect(page.locator("#live-trouble")).to_be_hidden(timeout=_SOON)
        await office.say("After")
        await expect(pane.get_by_text("After", exact=True)).to_have_count(1, timeout=_SOON)
        for text in ("Before", "Meanwhile one", "Meanwhile two", "After"):
            await expect(pane.get_by_text(text, exact=True)).to_have_count(1)
        await expect(rows(page).saying("After")).to_have_count(1)
        await expect(rows(page).all).to_have_count(1)
        await context.close()


async def test_with_five_hundred_waiting_the_list_is_ordered_and_can_be_worked_with(
    page_as: PageAs, office: Office
) -> None:
    who = await agent(office)
    made = await queue(office, 500)
    wanted = sorted(made, key=lambda each: (PRIORITIES.index(each.priority), each.since))
    page = await page_as(who)
    await page.goto(f"/t/{who.slug}/inbox")
    await expect(page.get_by_role("link", name=re.compile("Needs you *500"))).to_be_visible()
    await expect(page.locator('.sidebar-rail [data-badge="inbox"]')).to_contain_text("500")
    await expect(rows(page).all).to_have_count(50)
    assert await shown(page) == [str(each.conversation_id) for each in wanted[:50]]
    await page.get_by_role("link", name="Next", exact=True).click()
    await expect(rows(page).saying(wanted[50].text)).to_be_visible()
    # A page is shown while the rest of it comes in.
    await expect(rows(page).all).to_have_count(50)
    assert await shown(page) == [str(each.conversation_id) for each in wanted[50:100]]
    await page.get_by_role("link", name="First page").click()
    await expect(rows(page).saying(wanted[0].text)).to_be_visible()
    await expect(page).to_have_title("(500) Inbox · Konstruct")

    await page.keyboard.press("j")
    await page.keyboard.press("j")
    await page.keyboard.press("k")
    await page.keyboard.press("j")
    await page.keyboard.press("Enter")

    await expect(page.locator("#inbox-conversation").get_by_text(wanted[1].text)).to_be_visible()
    await expect(page).to_have_url(re.compile(f"/inbox/{wanted[1].conversation_id}$"))
    await expect(page.locator(".inbox-row[aria-current]")).to_contain_text(wanted[1].text)
    await page.go_back()
    await expect(page.get_by_role("heading", name="No conversation is open")).to_be_visible()
    await page.go_forward()
    await expect(page.locator("#inbox-conversation").get_by_text(wanted[1].text)).to_be_visible()
    await check_page(page)


async def shown(page: Page) -> list[str]:
    return await run(page, "[...document.querySelectorAll('#inbox-rows > li')].map((row) => row.dataset.conversation)")


async def test_words_are_found_from_the_keyboard(page_as: PageAs, office: Office) -> None:
    who = await agent(office)
    for place, text in enumerate(("My brakes squeak", "Where is my order?"), 1):
        await office.say(text, root=f"{place}.0", contact=f"U{place}")
    page = await page_as(who)
    await page.goto(f"/t/{who.slug}/inbox?view=all")
    await page.keyboard.press("/")
    await page.keyboard.type("squeak")
    await page.keyboard.press("Enter")

    await expect(rows(page).all).to_have_count(1)
    await expect(page.get_by_text("1 found: all of this view was looked through.")).to_be_visible()
    await expect(page).to_have_url(re.compile("q=squeak"))
    await check_page(page)
    await page.goto(f"/t/{who.slug}/inbox?view=all&q=saddle")
    await page.get_by_role("link", name="Clear search and filters").click()
    await expect(rows(page).all).to_have_count(2)


async def test_two_who_look_at_one_conversation_see_each_other(page_as: PageAs, office: Office) -> None:
    ana, ben = await agent(office), await agent(office, "Ben Okoro")
    asked = await office.say("A person, please")
    handoff_id = await hand_off(office, asked)
    async with office.session() as session:
        by = await owning.agent(session, people.member_key(ben.user_id))
    await claim(office, handoff_id, by)
    anas, bens = await page_as(ana), await page_as(ben)
    at = f"/t/{ana.slug}/inbox/{asked.conversation_id}?view=open"
    await anas.goto(at)
    await bens.goto(at)
    head = "#inbox-conversation [data-presence]"

    await expect(anas.locator(head)).to_contain_text("Ben Okoro is viewing")
    await expect(bens.locator(head)).to_contain_text("Ana Duarte is viewing")
    await expect(anas.locator("#inbox-rows [data-present-in]").first).to_contain_text("Ben Okoro is viewing")
    await check_page(anas)
    await bens.locator("#inbox-conversation textarea:visible").first.press_sequentially("Hel")
    await expect(anas.locator(head)).to_contain_text("Ben Okoro is writing…")
    await bens.goto(f"/t/{ana.slug}/inbox")
    await expect(anas.locator(head)).to_be_empty()


async def test_one_is_told_of_what_is_new_and_not_of_what_was_there(page_as: PageAs, office: Office) -> None:
    who = await agent(office)
    await hand_off(office, await office.say("Old"))
    page = await page_as(who)
    await page.context.grant_permissions(["notifications"])
    await page.add_init_script(_HEARD)
    await page.goto(f"/t/{who.slug}/inbox")
    await expect(page).to_have_title("(1) Inbox · Konstruct")
    await page.get_by_role("button", name="How you are told").click()
    await page.get_by_role("button", name="Try it").click()
    await expect(page.get_by_text("Choose a sound or a notification first.")).to_be_visible()
    await page.get_by_role("switch", name="Play a sound").check()
    await page.get_by_role("switch", name="Show a notification").check()
    await page.get_by_role("button", name="Try it").click()
    await expect(page.locator("html")).to_have_attribute("data-rang", "2")
    await expect(page.locator("html")).to_have_attribute("data-noticed", "Somebody waits for a person")
    await check_page(page)
    await page.reload()
    await expect(page).to_have_title("(1) Inbox · Konstruct")
    await expect(page.locator("html")).not_to_have_attribute("data-rang", "2")

    await hand_off(office, await office.say("New", root="2.0"))

    await expect(page).to_have_title("(2) Inbox · Konstruct")
    await expect(page.locator("html")).to_have_attribute("data-noticed", "Somebody waits for a person")
    await expect(page.locator("html")).to_have_attribute("data-rang", "2")
    await expect(page.locator('.sidebar-rail [data-badge="inbox"]')).to_contain_text("2")
    await page.get_by_role("button", name="How you are told").click()
    await page.get_by_role("switch", name="Count it in the tab's title").uncheck()
    await expect(page).to_have_title("Inbox · Konstruct")


_HEARD: Final = """
  const html = () => document.documentElement;
  window.Notification = class {
    static permission = "granted";
    static requestPermission() { return Promise.resolve("granted"); }
    constructor(text) { html().dataset.noticed = text; }
    close() {}
  };
  const start = OscillatorNode.prototype.start;
  OscillatorNode.prototype.start = function (...when) {
    html().dataset.rang = Number(html().dataset.rang ?? 0) + 1;
    return start.apply(this, when);
  };
"""


async def test_on_a_telephone_list_conversation_and_what_is_known_are_a_screen_each(
    page_as: PageAs, office: Office
) -> None:
    who = await agent(office)
    asked = await office.say("A person, please")
    await hand_off(office, asked)
    page = await page_as(who)
    await page.set_viewport_size(TELEPHONE)
    await page.goto(f"/t/{who.slug}/inbox")
    pane, packet = page.locator("#inbox-conversation"), page.locator("#inbox-packet")
    await expect(pane).to_be_hidden()

    await rows(page).all.first.click()
    await expect(pane).to_be_visible()
    await expect(rows(page).all).to_have_count(1)
    await expect(rows(page).all.first).to_be_hidden()
    await page.get_by_role("link", name="Details").click()
    await expect(packet).to_be_visible()
    await expect(pane).to_be_hidden()
    await page.get_by_role("link", name="Conversation", exact=True).locator("visible=true").click()
    await expect(pane).to_be_visible()
    await pane.get_by_role("link", name="Inbox", exact=True).click()
    await expect(rows(page).all.first).to_be_visible()


async def test_without_scripts_it_is_a_page_all_the_same(browser: Browser, portal_url: str, office: Office) -> None:
    who = await agent(office)
    asked = await office.say("A person, please")
    await hand_off(office, asked)
    context = await browser.new_context(base_url=portal_url, viewport=DESK, java_script_enabled=False)
    await context.add_cookies([who.browser_cookie])
    page = await context.new_page()
    await page.goto(f"/t/{who.slug}/inbox")
    await rows(page).all.first.get_by_role("link").click()
    await expect(page.locator("#inbox-conversation").get_by_text("A person, please")).to_be_visible()
    await page.get_by_role("link", name="All", exact=True).click()
    await expect(page).to_have_url(re.compile(f"{asked.conversation_id}.*view=all"))
    await page.get_by_role("searchbox").fill("person")
    await page.get_by_role("searchbox").press("Enter")
    await expect(rows(page).all).to_have_count(1)
    await context.close()


async def test_the_shortcuts_are_listed(page_as: PageAs, office: Office) -> None:
    who = await agent(office)
    page = await page_as(who)
    await page.goto(f"/t/{who.slug}/inbox")
    await page.keyboard.press("?")
    for what in ("Next conversation", "Take over", "Hand back"):
        await expect(page.get_by_role("dialog").get_by_text(what)).to_be_visible()
