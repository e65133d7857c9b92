"""A real Chromium on a real portal, in the session's own event loop."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from konstruct.accounts.permissions import ROLES, Role
from konstruct.db import Database
from konstruct.settings import Settings
from konstruct.vault import Vault
from portal.app import build
from tests.browser import chromium
from tests.browser.checking import DESK, listen
from tests.browser.gallery import add_gallery
from tests.support.http import serve
from tests.support.members import Enrolled, enrolled
from tests.support.showroom import Showroom, furnish

PageAs = Callable[[Enrolled | Role | None], Awaitable[Page]]


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    program = chromium.find()
    async with async_playwright() as playwright:
        opened = await playwright.chromium.launch(
            executable_path=program,
            env={**os.environ, **chromium.libraries(program)},
            # In a container there is mostly no sandbox for it, and too little shared memory. Beyond the limit, which is
            # none that keeps it from what it needs, it starts no process before there is a page for it.
            args=["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--renderer-process-limit=1"],
        )
        # For what should be there soon, on a machine that has other things to do.
        expect.set_options(timeout=15_000)
        yield opened
        await opened.close()


@pytest.fixture(scope="package")
async def portal_url(settings: Settings) -> AsyncIterator[str]:
    """A portal on a free port, with a page besides its own that shows every component.

    It ends with the last of these tests, since it writes mails of whatever tenant has some to be written.
    """
    guard = build(settings)
    add_gallery(guard.app)
    async with serve(guard) as url:
        yield url


@pytest.fixture(scope="module")
async def room(database: Database, vault: Vault) -> Showroom:
    """A business with something on every page."""
    return await furnish(database, vault)


async def new_context(browser: Browser, portal_url: str) -> BrowserContext:
    opened = await browser.new_context(
        base_url=portal_url, viewport=DESK, reduced_motion="reduce", locale="en-GB", timezone_id="Europe/Paris"
    )
    opened.set_default_timeout(10_000)
    return opened


@pytest.fixture
async def context(browser: Browser, portal_url: str) -> AsyncIterator[BrowserContext]:
    opened = await new_context(browser, portal_url)
    yield opened
    await opened.close()


@pytest.fixture
async def page(context: BrowserContext) -> Page:
    """Of nobody who is signed in."""
    opened = await context.new_page()
    listen(opened)
    return opened


@pytest.fixture
async def page_as(browser: Browser, portal_url: str, database: Database, vault: Vault) -> AsyncIterator[PageAs]:
    """Opens a page of a person who is enrolled, or of a new one with this role in a tenant of their own."""
    contexts = []

    async def open_page(who: Enrolled | Role | None = "owner") -> Page:
        person = await enrolled(database, vault, role=who) if who in ROLES else who
        opened = await new_context(browser, portal_url)
        contexts.append(opened)
        if isinstance(person, Enrolled):
            await opened.add_cookies([person.browser_cookie])
        page = await opened.new_page()
        listen(page)
        return page

    yield open_page
    for each in contexts:
        await each.close()
