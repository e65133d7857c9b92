"""Many tabs of one agent: a browser lets six requests to a host through at a time, and no tab may be shut out."""

import re
from dataclasses import dataclass, field

import pytest
from playwright.async_api import BrowserContext, Page, Request, expect

from konstruct.db import Database
from konstruct.inbox import Accepted
from konstruct.vault import Vault
from tests.browser.conftest import PageAs
from tests.support.handoffs import hand_off
from tests.support.members import Enrolled, enrolled
from tests.support.office import Office, open_office

pytestmark = pytest.mark.stack

TABS = 8
LISTENING = 4
"""Tabs that are seen and listen, and one of those that nobody sees."""
UNSEEN = """
let isHidden = true;
Object.defineProperty(document, "hidden", { get: () => isHidden });
window.turn = (hidden) => {
  isHidden = hidden;
  document.dispatchEvent(new Event("visibilitychange"));
};
"""
"""Playwright's pages are all seen; as those of a window behind another one, these are not until they are turned."""


@dataclass
class Tabs:
    office: Office
    asked: Accepted
    agent: Enrolled
    context: BrowserContext
    streams: set[Request] = field(default_factory=set)
    """Those that are open."""
    pages: list[Page] = field(default_factory=list)

    @property
    def inbox(self) -> str:
        return f"/t/{self.agent.slug}/inbox"

    async def open(self, *, is_hidden: bool = False) -> Page:
        page = await self.context.new_page()
        if is_hidden:
            await page.add_init_script(UNSEEN)
        page.on("request", lambda request: self.streams.add(request) if "/inbox/stream" in request.url else None)
        for end in ("requestfailed", "requestfinished"):
            page.on(end, lambda request: self.streams.discard(request))
        await page.goto(self.inbox)
        await expect(page.locator("#inbox-list")).to_be_visible()
        self.pages.append(page)
        return page


@pytest.fixture
async def tabs(database: Database, vault: Vault, page_as: PageAs) -> Tabs:
    office = await open_office(database, vault)
    agent = await enrolled(office.database, office.vault, "agent", office.tenant_id, name="Ana Duarte")
    asked = await office.say("Where is my bicycle?")
    first = await page_as(agent)
    return Tabs(office, asked, agent, first.context)


async def test_eight_tabs_that_are_seen_are_all_let_through_and_told(tabs: Tabs) -> None:
    for _ in range(TABS):
        await tabs.open()
    assert 1 <= len(tabs.streams) < LISTENING

    await hand_off(tabs.office, tabs.asked)
    for page in tabs.pages:
        await expect(page.locator(".inbox-rows > li")).to_have_count(1)
        await expect(page).to_have_title(re.compile(r"^\(1\) "))
    last = tabs.pages[-1]
    await last.locator("a.inbox-row").click()
    await expect(last.locator("#conversation-log").get_by_text("Where is my bicycle?")).to_be_visible()


async def test_of_those_that_nobody_sees_one_listens_for_all_and_another_one_when_it_is_closed(tabs: Tabs) -> None:
    for _ in range(TABS):
        await tabs.open(is_hidden=True)
    listening = {request.frame.page for request in tabs.streams}
    assert len(listening) == 1
    await hand_off(tabs.office, tabs.asked)
    for page in tabs.pages:
        await expect(page).to_have_title(re.compile(r"^\(1\) "))

    [leader] = listening
    rest = [page for page in tabs.pages if page is not leader]
    async with tabs.context.expect_event("request", lambda request: "/inbox/stream" in request.url):
        await leader.close()
    await hand_off(tabs.office, await tabs.office.say("Me too", root="2.0", contact="U2"))
    for page in rest:
        await expect(page).to_have_title(re.compile(r"^\(2\) "))


async def test_a_tab_that_is_seen_again_is_up_to_date_though_it_has_heard_nothing(tabs: Tabs) -> None:
    for _ in range(LISTENING):
        await tabs.open()
    hidden = await tabs.open(is_hidden=True)
    late = await tabs.open(is_hidden=True)
    await expect(late.locator(".inbox-rows > li")).to_have_count(0)
    await hand_off(tabs.office, tabs.asked)
    await expect(late).to_have_title(re.compile(r"^\(1\) "))
    for page in (late, hidden):
        await page.evaluate("(hidden) => turn(hidden)", False)
        await expect(page.locator(".inbox-rows > li")).to_have_count(1)
