"""Signing up, in and out, one's account and the team, as people see them."""

import re
import secrets

import pytest
from playwright.async_api import Page, expect

from konstruct.accounts import mails
from konstruct.db import Database
from konstruct.vault import Vault
from tests.browser.checking import check_page
from tests.browser.conftest import PageAs
from tests.support.members import PASSWORD, enrolled


async def link_to(database: Database, vault: Vault, address: str) -> str:
    """The path in the newest mail to somebody."""
    mail = next(mail for mail in await mails.kept(database, vault, 1_000) if mail.to == address)
    found = re.search(r"https?://[^/\s]+(/\S+)", mail.text)
    assert found
    return found[1]


async def test_a_newcomer_is_in_after_four_fields_and_a_link(page: Page, database: Database, vault: Vault) -> None:
    address = f"nora-{secrets.token_hex(5)}@example.com"
    await page.goto("/")
    await page.get_by_role("link", name="Sign up").click()
    await check_page(page)
    await page.get_by_label("Your name").fill("Nora Lind")
    await page.get_by_label("Work e-mail").fill(address)
    await page.get_by_label("Password", exact=True).fill(PASSWORD)
    await page.get_by_label("Business").fill("Lind Bikes")
    await page.get_by_role("button", name="Sign up").click()
    await expect(page.get_by_role("heading", name="Look into your mailbox")).to_be_visible()
    await check_page(page)

    await page.goto(await link_to(database, vault, address))
    await check_page(page)
    await page.get_by_role("button", name="Open my account").click()

    await expect(page).to_have_url(re.compile(r"/t/lind-bikes[-0-9a-f]*/"))
    await page.goto("/account")
    # The browser has said in which time zone it is.
    await expect(page.get_by_label("Time zone")).to_have_value("Europe/Paris")
    await page.get_by_role("button", name="Your account").click()
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


async def test_what_is_wrong_is_said_beside_its_field(page: Page, database: Database, vault: Vault) -> None:
    await page.goto("/sign-up")
    await page.get_by_label("Your name").fill("Nora")
    await page.get_by_label("Work e-mail").fill(f"nora-{secrets.token_hex(5)}@example.com")
    await page.get_by_label("Password", exact=True).fill("password1234")
    await page.get_by_label("Business").fill("Lind Bikes")
    await page.get_by_role("button", name="Sign up").click()

    await expect(page.locator("#f-password-error")).to_contain_text("easy to guess")
    await expect(page.locator("[data-error-summary]")).to_be_focused()
    await expect(page.get_by_label("Business")).to_have_value("Lind Bikes")
    await check_page(page)

    await page.goto("/sign-in")
    await page.get_by_label("E-mail").fill("nobody@example.com")
    await page.get_by_label("Password", exact=True).fill("wrong")
    await page.get_by_role("button", name="Sign in", exact=True).click()
    await expect(page.get_by_text("The e-mail address or the password is wrong.")).to_be_visible()
    await check_page(page)


@pytest.mark.parametrize(
    "path", ["/sign-in?next=/account&lost=true", "/reset", "/reset/sent", "/verify?token=no", "/invitations/no"]
)
async def test_pages_for_anybody(page: Page, path: str) -> None:
    await page.goto(path)
    await check_page(page)


@pytest.mark.parametrize(
    "path",
    [
        *["/account", "/account/email", "/account/password", "/account/sessions", "/account/delete"],
        *["/account/tenants/new", "/account/confirm?next=/account&lost=true"],
    ],
)
async def test_pages_of_a_person(page_as: PageAs, path: str) -> None:
    page = await page_as("owner")
    await page.goto(path)
    await check_page(page)


async def test_a_team_grows_and_shrinks(page_as: PageAs, page: Page, database: Database, vault: Vault) -> None:
    owner = await enrolled(database, vault)
    address = f"emil-{secrets.token_hex(5)}@example.com"
    desk = await page_as(owner)
    await desk.goto(f"/t/{owner.slug}/team")
    await check_page(desk)
    await desk.get_by_role("link", name="Invite").click()
    await check_page(desk)
    await desk.get_by_label("E-mail").fill(address)
    await desk.get_by_text("Viewer").click()
    await desk.get_by_role("button", name="Send invitation").click()
    await expect(desk.get_by_text("An invitation is on its way")).to_be_visible()
    await check_page(desk)

    await page.goto(await link_to(database, vault, address))
    await check_page(page)
    await page.get_by_label("Your name").fill("Emil Roth")
    await page.get_by_label("Password", exact=True).fill(PASSWORD)
    await page.get_by_role("button", name="Join").click()
    await expect(page).to_have_url(re.compile(f"/t/{owner.slug}/"))

    await desk.reload()
    await desk.get_by_role("button", name="Change Emil Roth").click()
    await desk.get_by_role("button", name="Make agent").click()
    await expect(desk.get_by_text("The role is agent now.")).to_be_visible()
    await desk.get_by_role("button", name="Change Emil Roth").click()
    await desk.get_by_role("button", name="Remove…").click()
    await desk.get_by_role("button", name="Remove", exact=True).click()
    await expect(desk.get_by_text("Removed from the team.")).to_be_visible()
    await page.reload()
    await expect(page.get_by_text("There is no page here.")).to_be_visible()
