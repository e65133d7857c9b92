"""A newcomer with a browser and nothing to read: from signing up to the first reply, in three steps."""

import secrets
import time
from dataclasses import dataclass, field

import pytest
from playwright.async_api import Browser, Locator, Page, expect

from tests.acceptance.town import Town, prompt
from tests.browser.checking import DESK, check_page, listen
from tests.browser.conftest import browser as browser

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

PASSWORD = "four quiet lanterns drifting"
MINUTES = 15


@dataclass
class Newcomer:
    """Counts what they do; looking at a page is not counted."""

    page: Page
    clicks: int = 0
    fields: int = 0
    began: float = field(default_factory=time.monotonic)

    async def press(self, name: str, role: str = "button") -> None:
        target = self.page.get_by_role("link" if role == "link" else "button", name=name, exact=True)
        await self.click(target.first)

    async def click(self, target: Locator) -> None:
        await target.click()
        self.clicks += 1

    async def fill(self, label: str, text: str) -> None:
        # Where one need not be filled in, its label says so, too.
        await self.page.get_by_label(label, exact=not label.endswith("?")).fill(text)
        self.fields += 1

    def report(self, way: str) -> str:
        seconds = time.monotonic() - self.began
        return f"newcomer, {way}: {self.clicks} clicks, {self.fields} fields, {seconds:.0f} seconds of the machine"

    async def sign_up(self, business: str) -> None:
        await self.page.goto("/")
        await self.press("Sign up", "link")
        await self.fill("Your name", "Nora Lind")
        await self.fill("Work e-mail", f"nora-{secrets.token_hex(5)}@example.com")
        await self.fill("Password", PASSWORD)
        await self.fill("Business", business)
        await self.press("Sign up")
        await self.press("Open the mailbox", "link")
        await self.press("Follow the link", "link")
        await self.press("Open my account")
        await expect(self.page.get_by_role("heading", name=f"Set up {business}")).to_be_visible()


@pytest.fixture
async def newcomer(browser: Browser, town: Town) -> Newcomer:
    portal = f"http://127.0.0.1:{town.env['KONSTRUCT_PORTAL_PORT']}"
    context = await browser.new_context(base_url=portal, viewport=DESK, reduced_motion="reduce", locale="en-GB")
    context.set_default_timeout(20_000)
    page = await context.new_page()
    listen(page)
    return Newcomer(page)


async def test_from_signing_up_to_the_first_reply_in_slack(newcomer: Newcomer, town: Town) -> None:
    unique = secrets.token_hex(5).upper()
    workspace = town.slack.world.add_workspace(
        team_id=f"T{unique}",
        bot_user_id=f"U{unique}B",
        bot_id=f"B{unique}",
        bot_token=f"xoxb-{unique}-{secrets.token_hex(8)}",
        name=f"Lind Bikes {unique}",
    )
    page = newcomer.page
    await newcomer.sign_up("Lind Bikes")
    await check_page(page)

    await newcomer.press("Add to Slack")
    await newcomer.press(f"Allow in Lind Bikes {unique}")
    await expect(page.get_by_text("is connected", exact=False).first).to_be_visible()
    await check_page(page)

    await newcomer.fill("What should it know of your business?", "We repair bicycles. Open Tuesday to Saturday.")
    await newcomer.press("Publish and go on")
    await expect(page.get_by_text("Waiting for your message")).to_be_visible()
    await check_page(page)

    channel = workspace.dm_with("U0NORA").id
    await town.slack.person_says(channel, "U0NORA", "When are you open?", team=workspace.team_id)
    newcomer.fields += 1
    await town.slack.wait_for_message(channel, 1, team=workspace.team_id, timeout=60)
    await newcomer.press("See what is next", "link")
    await expect(page.get_by_role("heading", name="You are set up")).to_be_visible()
    print(newcomer.report("Slack"))  # noqa: T201
    await check_page(page)

    assert any("Open Tuesday to Saturday" in prompt(call) for call in town.models.calls)
    assert time.monotonic() - newcomer.began < MINUTES * 60
    await page.goto("/")
    await expect(page.get_by_role("heading", name="All is well")).to_be_visible()


async def test_without_a_channel_the_first_reply_is_in_the_browser(newcomer: Newcomer) -> None:
    page = newcomer.page
    await newcomer.sign_up("Kite Works")
    # Who goes away and comes back is led on where they were.
    await newcomer.press("Try it here first")
    await page.goto("/")
    await newcomer.press("Go on", "link")
    await newcomer.press("Publish and go on")
    await expect(page.get_by_placeholder("Write as a contact would …")).to_be_visible()
    await check_page(page)

    await page.get_by_placeholder("Write as a contact would …").fill("Do you sell kites?")
    newcomer.fields += 1
    await newcomer.press("Send")
    await expect(page.get_by_text("It was answered")).to_be_visible(timeout=60_000)
    await expect(page.get_by_text("You said: Do you sell kites?")).to_be_visible()
    await newcomer.press("See what is next", "link")
    await expect(page.get_by_role("heading", name="You are set up")).to_be_visible()
    print(newcomer.report("in the browser"))  # noqa: T201
    await check_page(page)
