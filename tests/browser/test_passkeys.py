"""Passkeys in a real Chromium, with a device that it pretends to have: added, signed in with, refused; and the pages
around them held against what every page must hold."""

import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pyotp
import pytest
from playwright.async_api import Browser, BrowserContext, CDPSession, Page, expect
from sqlalchemy import update

from konstruct.accounts import sessions, tenant_factors
from konstruct.db import Database
from konstruct.tables import UserSession
from konstruct.tables.base import utc_now
from konstruct.vault import Vault
from tests.browser.checking import DESK, check_page, complaints, listen
from tests.support.members import COOKIE, Enrolled, enrolled, let_time_pass


@pytest.fixture
def site(portal_url: str) -> str:
    """Browsers make passkeys for names alone."""
    return portal_url.replace("127.0.0.1", "localhost")


@asynccontextmanager
async def opened(browser: Browser, site: str, person: Enrolled | None = None) -> AsyncIterator[Page]:
    context: BrowserContext = await browser.new_context(base_url=site, viewport=DESK, reduced_motion="reduce")
    context.set_default_timeout(15_000)
    if person is not None:
        await context.add_cookies(
            [
                {
                    "name": COOKIE,
                    "value": person.cookie,
                    "domain": "localhost",
                    "path": "/",
                    "secure": True,
                    "httpOnly": True,
                    "sameSite": "Lax",
                }
            ]
        )
    page = await context.new_page()
    listen(page)
    yield page
    await context.close()


@dataclass(frozen=True)
class Device:
    """With a fingerprint reader, which is touched at once."""

    session: CDPSession
    name: str

    async def take_out(self) -> dict[str, object]:
        """The passkey that it holds."""
        [held] = (await self.session.send("WebAuthn.getCredentials", {"authenticatorId": self.name}))["credentials"]
        found: dict[str, object] = held
        return found

    async def put_in(self, passkey: dict[str, object]) -> None:
        await self.session.send("WebAuthn.addCredential", {"authenticatorId": self.name, "credential": passkey})


async def give_device(page: Page, *, verifies: bool = True) -> Device:
    session = await page.context.new_cdp_session(page)
    await session.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": verifies,
        "automaticPresenceSimulation": True,
    }
    made = await session.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    return Device(session, made["authenticatorId"])


async def test_a_passkey_is_added_and_signs_in_without_a_password(
    browser: Browser, site: str, database: Database, vault: Vault
) -> None:
    ana = await enrolled(database, vault)
    async with opened(browser, site, ana) as page:
        await page.goto("/account/security")
        await check_page(page)
        device = await give_device(page)
        await page.get_by_label("Name of the new passkey").fill("Ana's laptop")
        await page.get_by_role("button", name="Add a passkey").click()
        await expect(page.get_by_role("heading", name="Your recovery codes")).to_be_visible()
        await expect(page.locator(".recovery-codes li")).to_have_count(10)
        await page.get_by_role("link", name="I have kept them").click()
        await expect(page.get_by_text("Ana's laptop", exact=True)).to_be_visible()
        # The device has one already, and says so itself.
        await page.get_by_role("button", name="Add a passkey").click()
        await expect(page.locator("[data-passkey-says]")).to_contain_text("on this device already", timeout=15_000)
        passkey = await device.take_out()
        # Last, for it takes the device away.
        await check_page(page)
    async with opened(browser, site) as page:
        # Else the device answers what the browser offers in the fields, at times before the button is pressed.
        await page.add_init_script("PublicKeyCredential.isConditionalMediationAvailable = async () => false")
        await page.goto("/sign-in")
        await (await give_device(page)).put_in(passkey)
        await page.get_by_role("button", name="Sign in with a passkey").click()
        await expect(page).to_have_url(re.compile(f"/t/{ana.slug}/home"))
        assert complaints(page) == []


async def test_each_failure_has_its_sentence_and_the_password_still_works(
    browser: Browser, site: str, database: Database, vault: Vault
) -> None:
    ana = await enrolled(database, vault)
    async with opened(browser, site) as page:
        await page.goto("/sign-in")
        await check_page(page)
        await give_device(page, verifies=False)
        await page.get_by_role("button", name="Sign in with a passkey").click()
        await expect(page.locator("[data-passkey-says]")).to_contain_text("No passkey was used", timeout=15_000)
        await page.route("**/sign-in/passkey/options", lambda route: route.abort())
        await page.get_by_role("button", name="Sign in with a passkey").click()
        await expect(page.locator("[data-passkey-says]")).to_contain_text("cannot be reached", timeout=15_000)
        await page.get_by_label("E-mail").fill(ana.email)
        await page.get_by_label("Password", exact=True).fill(ana.password)
        await page.get_by_role("button", name="Sign in", exact=True).click()
        await expect(page).to_have_url(re.compile(f"/t/{ana.slug}/home"))


async def test_an_app_is_set_up_and_asked_for(browser: Browser, site: str, database: Database, vault: Vault) -> None:
    ana = await enrolled(database, vault)
    async with opened(browser, site, ana) as page:
        await page.goto("/account/security")
        await page.get_by_role("button", name="Set up an app").click()
        await expect(page.get_by_role("img", name="A picture for your authenticator app")).to_be_visible()
        await check_page(page)
        letters = await page.locator(".copyable code").inner_text()
        app = pyotp.TOTP(letters.replace(" ", ""))
        await page.get_by_label("Give the code").fill(app.at(time.time(), counter_offset=-1))
        await page.get_by_role("button", name="Turn it on").click()
        await expect(page.locator(".recovery-codes li")).to_have_count(10)
        await check_page(page)
    async with opened(browser, site) as page:
        await page.goto("/sign-in")
        await page.get_by_label("E-mail").fill(ana.email)
        await page.get_by_label("Password", exact=True).fill(ana.password)
        await page.get_by_role("button", name="Sign in", exact=True).click()
        await expect(page.get_by_role("heading", name="Confirm that it is you")).to_be_visible()
        await check_page(page)
        await page.get_by_label("Code").fill("000000")
        await page.get_by_role("button", name="Go on").click()
        await expect(page.get_by_text("This code is not right")).to_be_visible()
        await check_page(page)
        await page.get_by_label("Code").fill(app.now())
        await page.get_by_role("button", name="Go on").click()
        await expect(page).to_have_url(re.compile(f"/t/{ana.slug}/home"))


async def test_the_pages_of_api_keys_hold(browser: Browser, site: str, database: Database, vault: Vault) -> None:
    ana = await enrolled(database, vault)
    base = f"/t/{ana.slug}"
    async with opened(browser, site, ana) as page:
        await page.goto(f"{base}/settings/api-keys")
        await check_page(page)
        await page.get_by_role("link", name="New API key").click()
        await page.get_by_label("Name").fill("Back Office")
        await page.get_by_label("See tools").check()
        await page.get_by_role("button", name="Make the key").click()
        await expect(page.get_by_role("alert")).to_be_visible()
        await check_page(page)
        await page.get_by_label("Name").fill("back-office")
        await page.get_by_role("button", name="Make the key").click()
        await expect(page.get_by_text("kst_").first).to_be_visible()
        await check_page(page)
        await page.get_by_role("link", name="Done").click()
        await page.get_by_role("button", name="Revoke").click()
        await check_page(page)
        await page.get_by_label("Type back-office to go on").fill("back-office")
        await page.get_by_role("button", name="Revoke this key").click()
        await expect(page.get_by_text("Revoked keys (1)")).to_be_visible()
        await page.goto(f"{base}/api")
        await check_page(page)
        await page.goto(f"{base}/settings/security")
        await check_page(page)


async def test_who_is_asked_for_a_second_factor_and_for_who_they_are_sees_how(
    browser: Browser, site: str, database: Database, vault: Vault
) -> None:
    ana = await enrolled(database, vault)
    async with database.tenant_session(ana.tenant_id) as session:
        await tenant_factors.require(session, ana.tenant_id, True, actor=ana.actor)
    async with opened(browser, site, ana) as page:
        await page.goto(f"/t/{ana.slug}/home")
        await expect(page.get_by_role("heading", name="A second factor is needed")).to_be_visible()
        await check_page(page)
        await give_device(page)
        await page.get_by_role("button", name="Add a passkey").click()
        await page.get_by_role("link", name="I have kept them").click()
        await let_time_pass(database, ana)
        # Too late for it: first to where one confirms who one is, with what one has.
        await page.get_by_role("button", name="Add a passkey").click()
        await expect(page.get_by_role("heading", name="Confirm that it is you")).to_be_visible()
        await page.get_by_role("button", name="Confirm with a passkey").click()
        await expect(page).to_have_url(re.compile("/account/security$"))
        async with database.account_session(ana.user_id) as session:
            await session.execute(update(UserSession).values(authenticated_at=utc_now() - 2 * sessions.RECENT))
        await page.goto("/account/password")
        await expect(page.get_by_role("heading", name="Confirm that it is you")).to_be_visible()
        await check_page(page)
