"""Channels in a real browser: to Slack's page and back, the form for WhatsApp, and the first message that arrives."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from playwright.async_api import Locator, Page, expect
from pydantic import SecretStr

from gateway import app as gateway_app
from konstruct.db import Database
from konstruct.settings import Settings
from konstruct.vault import Vault
from portal.app import build
from tests.browser.checking import check_page
from tests.browser.conftest import PageAs
from tests.gateway.office import add_workspace
from tests.portal.channels import Shop, open_shop
from tests.support.graph_double import GraphDouble
from tests.support.http import serve
from tests.support.ports import free_ports
from tests.support.slack_double import SlackDouble

pytestmark = pytest.mark.stack


@dataclass(frozen=True)
class Town:
    """A portal and a gateway with a Slack and a Meta around them."""

    url: str
    slack: SlackDouble
    graph: GraphDouble


@pytest.fixture
async def town(settings: Settings) -> AsyncIterator[Town]:
    slack, graph = SlackDouble(), GraphDouble()
    port = free_ports("portal")["portal"]
    async with slack.running(), graph.running():
        here = settings.model_copy(
            update={
                "portal_public_url": f"http://127.0.0.1:{port}",
                "slack_api_url": slack.api_url,
                "slack_client_id": slack.client_id,
                "slack_client_secret": SecretStr(slack.client_secret),
                "slack_signing_secret": SecretStr(slack.signing_secret),
                "graph_api_url": graph.api_url,
                "whatsapp_app_secret": (SecretStr(graph.app_secret),),
                "whatsapp_verify_token": SecretStr("our-word"),
            }
        )
        slack.consent.redirect_urls = [f"http://127.0.0.1:{port}/channels/slack/callback"]
        async with serve(gateway_app.build(here)) as gateway, serve(build(here), port=port) as url:
            slack.events_url = f"{gateway}/slack/events"
            graph.webhook_url = f"{gateway}/whatsapp"
            yield Town(url, slack, graph)


@pytest.fixture
async def shop(database: Database, vault: Vault) -> Shop:
    return await open_shop(database, vault)


async def test_a_workspace_is_added_used_and_disconnected(page_as: PageAs, town: Town, shop: Shop) -> None:
    workspace = add_workspace(town.slack, name="Acme Bikes")
    page = await page_as(shop.owner)
    await page.goto(f"{town.url}{shop.channels}")
    await expect(page.get_by_role("heading", name="No channel is connected yet")).to_be_visible()
    await check_page(page)

    # Somebody thinks better of it first.
    await page.get_by_role("link", name="Add to Slack").first.click()
    await check_page(page)
    await page.get_by_label("Employee").select_option("Ada")
    await page.get_by_role("button", name="Add to Slack").click()
    await page.get_by_role("button", name="Cancel").click()
    await expect(page.get_by_text("Slack was not given leave")).to_be_visible()

    await page.get_by_role("link", name="Add to Slack").first.click()
    await page.get_by_role("button", name="Add to Slack").click()
    await page.get_by_role("button", name="Allow in Acme Bikes").click()
    await expect(page.get_by_role("heading", name="Acme Bikes", exact=True)).to_be_visible()
    await expect(page.get_by_text("Acme Bikes is connected.")).to_be_visible()
    waiting = page.get_by_text("Waiting for the first message")
    await expect(waiting).to_be_visible()
    await check_page(page)

    await town.slack.person_says(workspace.dm_with("U1").id, "U1", "Hello")
    await expect(page.get_by_text("It works: the first message arrived")).to_be_visible()
    await check_page(page)

    await page.get_by_role("button", name="Disconnect").first.click()
    dialog = page.get_by_role("dialog", name="Disconnect Acme Bikes?")
    await expect(dialog.get_by_role("button", name="Disconnect")).to_be_disabled()
    await dialog.get_by_role("textbox").fill("Acme Bikes")
    await check_page(page)
    await dialog.get_by_role("button", name="Disconnect").click()
    await expect(page.get_by_text("Acme Bikes is disconnected.")).to_be_visible()
    await check_page(page)
    assert workspace.token_state == "token_revoked"


async def test_the_apps_manifest_is_at_hand(page_as: PageAs, town: Town, shop: Shop) -> None:
    page = await page_as(shop.owner)
    await page.goto(f"{town.url}{shop.channels}/slack/app")
    await expect(page.get_by_role("button", name="Copy manifest")).to_be_visible()
    create = await page.get_by_role("link", name="Create the app at Slack").get_attribute("href")
    assert create is not None
    assert create.startswith("https://api.slack.com/apps?new_app=1&manifest_json=%7B")
    await check_page(page)


async def test_a_number_is_checked_as_it_is_typed_and_connected(page_as: PageAs, town: Town, shop: Shop) -> None:
    number = town.graph.add_number("+1 555 078 3881")
    town.graph.approve_template(number, "come_back")
    page = await page_as(shop.owner)
    await page.goto(f"{town.url}{shop.channels}/whatsapp")
    await check_page(page)

    token = page.get_by_label("Access token", exact=True)
    await token.press_sequentially("EAAGmadeupmadeupmadeup")
    await expect(found(page, "access_token")).to_contain_text("Meta does not accept this token")
    await check_page(page)
    await token.fill(number.token)
    await expect(found(page, "access_token")).to_contain_text("Good, without an end")
    await page.get_by_label("Phone number id").fill("+1 555 078 3881")
    await expect(found(page, "phone_number_id")).to_contain_text("This is a phone number.")
    await page.get_by_label("Phone number id").fill(number.phone_number_id)
    await expect(found(page, "phone_number_id")).to_contain_text("+1 555 078 3881 · Acme Bikes, quality high.")
    await page.get_by_label("WhatsApp Business Account id").fill(number.waba_id)
    await expect(found(page, "waba_id")).to_contain_text("is a number of this account")
    await expect(page.get_by_label("WhatsApp Business Account id")).to_be_focused()

    # What was typed is there again when somebody comes back later.
    await page.get_by_label("What the number is for").fill("Repairs")
    await expect(found(page, "subscription")).to_contain_text("not told of the account's messages yet")
    async with page.expect_response("**/whatsapp/check"):
        await page.get_by_label("What the number is for").blur()
    await page.goto(f"{town.url}{shop.channels}")
    await page.goto(f"{town.url}{shop.channels}/whatsapp")
    await expect(page.get_by_label("What the number is for")).to_have_value("Repairs")
    await expect(page.get_by_label("Access token", exact=True)).to_have_value("")

    await page.get_by_role("button", name="Subscribe").click()
    await expect(found(page, "subscription")).to_contain_text("The app is told of the account's messages.")
    await page.get_by_label("Template for after 24 hours").select_option("come_back (en)")
    await check_page(page)
    await page.get_by_role("button", name="Connect number").click()
    await expect(page.get_by_role("heading", name="+1 555 078 3881", exact=True)).to_be_visible()
    await expect(page.get_by_text("Waiting for the first message")).to_be_visible()
    await check_page(page)

    await town.graph.person_says(number, town.graph.person(), "Hello")
    await expect(page.get_by_text("It works: the first message arrived")).to_be_visible()
    await check_page(page)


def found(page: Page, name: str) -> Locator:
    """What stands below a field, of what Meta says to it."""
    return page.locator(f"#check-{name}")
