"""Add to Slack: who comes back is connected, and nobody else; what Slack says then is told."""

import secrets
from collections.abc import AsyncIterator

import httpx
import pytest
from pydantic import SecretStr

from konstruct import connections
from konstruct.db import Database
from konstruct.settings import Settings
from konstruct.vault import Vault
from tests.gateway.office import add_workspace
from tests.portal.channels import Shop, add_to_slack, come_back, open_shop, sign_in
from tests.portal.conftest import browser
from tests.support import members
from tests.support.members import enrolled
from tests.support.slack_double import SlackDouble

CALLBACK = "https://portal.example/channels/slack/callback"


@pytest.fixture
async def slack() -> AsyncIterator[SlackDouble]:
    async with SlackDouble().running() as slack:
        slack.consent.redirect_urls = [CALLBACK]
        yield slack


@pytest.fixture
def with_slack(settings: Settings, slack: SlackDouble) -> Settings:
    return settings.model_copy(
        update={
            "slack_api_url": slack.api_url,
            "slack_client_id": slack.client_id,
            "slack_client_secret": SecretStr(slack.client_secret),
            "slack_signing_secret": SecretStr(slack.signing_secret),
            "portal_public_url": "https://portal.example",
            "gateway_public_url": "https://hooks.example",
        }
    )


@pytest.fixture
async def portal(with_slack: Settings) -> AsyncIterator[httpx.AsyncClient]:
    async with browser(with_slack) as visitor:
        yield visitor


@pytest.fixture
async def shop(database: Database, vault: Vault) -> Shop:
    return await open_shop(database, vault)


async def test_a_workspace_is_connected_to_the_tenant_of_who_added_it(
    portal: httpx.AsyncClient, shop: Shop, slack: SlackDouble
) -> None:
    workspace = add_workspace(slack)
    sign_in(portal, shop.owner)
    page = await portal.get(f"{shop.channels}/slack/connect")
    assert f"form-action 'self' {slack.url}" in page.headers["content-security-policy"]
    asked = await add_to_slack(portal, shop)
    assert (asked["client_id"], asked["redirect_uri"]) == (slack.client_id, CALLBACK)

    code = slack.consent.allow(workspace, asked["scope"], asked["redirect_uri"])
    done = await come_back(portal, state=asked["state"], code=code)

    assert done.status_code == 303
    [seen] = await shop.every()
    assert done.headers["location"] == f"{shop.channels}/{seen.connection_id}"
    assert (seen.external["team_name"], seen.employee.name) == (workspace.name, "Ada")
    page = await portal.get(done.headers["location"])
    assert f"{workspace.name} is connected." in page.text
    assert "Waiting for the first message" in page.text
    assert workspace.bot_token not in page.text


async def test_a_whole_organization_is_connected_once(
    portal: httpx.AsyncClient, shop: Shop, slack: SlackDouble, database: Database, vault: Vault
) -> None:
    grid = f"E{secrets.token_hex(4).upper()}"
    everywhere = add_workspace(slack, enterprise_id=grid, is_enterprise_install=True)
    single = add_workspace(slack, enterprise_id=grid)
    sign_in(portal, shop.owner)
    for workspace in (everywhere, single, everywhere):
        asked = await add_to_slack(portal, shop)
        done = await come_back(portal, state=asked["state"], code=slack.issue_code(workspace))
        assert done.status_code == 303
    accounts = {seen.account: seen.external["team_name"] for seen in await shop.every()}
    assert accounts == {f"{grid}/-": "Grid", f"{grid}/{single.team_id}": single.name}
    other = await open_shop(database, vault)
    sign_in(portal, other.owner)
    asked = await add_to_slack(portal, other)
    refused = await come_back(portal, state=asked["state"], code=slack.issue_code(everywhere))
    assert refused.status_code == 409


async def test_an_answer_is_good_once(portal: httpx.AsyncClient, shop: Shop, slack: SlackDouble) -> None:
    sign_in(portal, shop.owner)
    asked = await add_to_slack(portal, shop)
    codes = [slack.issue_code(add_workspace(slack)) for _ in range(2)]
    first, second = [await come_back(portal, state=asked["state"], code=code) for code in codes]
    assert (first.status_code, second.status_code) == (303, 409)
    assert "used already" in second.text
    assert len(await shop.every()) == 1


async def test_forged_answers_connect_nothing(portal: httpx.AsyncClient, shop: Shop, slack: SlackDouble) -> None:
    sign_in(portal, shop.owner)
    await add_to_slack(portal, shop)
    code = slack.issue_code(add_workspace(slack))
    for state in ("", "forged", f"{shop.owner.tenant_id.hex}.{secrets.token_urlsafe(32)}", f"{'0' * 32}.x"):
        answer = await come_back(portal, state=state, code=code)
        assert answer.status_code == 422
        assert "nothing that was begun here" in answer.text
    assert await shop.every() == []
    assert slack.calls == []


async def test_an_answer_is_for_who_asked_in_their_own_browser(
    portal: httpx.AsyncClient, shop: Shop, slack: SlackDouble, database: Database, vault: Vault
) -> None:
    colleague = await enrolled(database, vault, "admin", shop.owner.tenant_id)
    stranger = await enrolled(database, vault)
    sign_in(portal, shop.owner)
    asked = await add_to_slack(portal, shop)
    in_hand = portal.cookies["__Host-konstruct-slack"]
    code = slack.issue_code(add_workspace(slack))

    # Somebody who knows the state and, at worst, what the browser held.
    for person, status in ((stranger, 422), (colleague, 403)):
        sign_in(portal, person)
        portal.cookies.set("__Host-konstruct-slack", in_hand)
        assert (await come_back(portal, state=asked["state"], code=code)).status_code == status
    # The same person in another browser, and with another sign-in in the same one.
    sign_in(portal, shop.owner)
    assert "another browser" in (await come_back(portal, state=asked["state"], code=code)).text
    portal.cookies.clear()
    portal.cookies.set(members.COOKIE, await members.sign_in(database, shop.owner.user_id))
    portal.cookies.set("__Host-konstruct-slack", in_hand)
    assert (await come_back(portal, state=asked["state"], code=code)).status_code == 403
    # Nobody at all.
    portal.cookies.clear()
    signed_out = await come_back(portal, state=asked["state"], code=code)
    assert "/sign-in" in signed_out.headers["location"]
    assert slack.calls == []

    sign_in(portal, shop.owner)
    portal.cookies.set("__Host-konstruct-slack", in_hand)
    assert (await come_back(portal, state=asked["state"], code=code)).status_code == 303


async def test_who_cancels_connects_nothing(portal: httpx.AsyncClient, shop: Shop, slack: SlackDouble) -> None:
    sign_in(portal, shop.owner)
    for error, says in (("access_denied", "was not given leave"), ("server_error", "did not finish")):
        asked = await add_to_slack(portal, shop)
        answer = await come_back(portal, state=asked["state"], error=error)
        page = await portal.get(answer.headers["location"])
        assert says in page.text
    assert slack.calls == []


async def test_a_workspace_of_another_tenant_is_refused(
    portal: httpx.AsyncClient, shop: Shop, slack: SlackDouble, database: Database, vault: Vault
) -> None:
    holder, workspace = await open_shop(database, vault), add_workspace(slack)
    for each, status in ((holder, 303), (shop, 409)):
        sign_in(portal, each.owner)
        asked = await add_to_slack(portal, each)
        answer = await come_back(portal, state=asked["state"], code=slack.issue_code(workspace))
        assert answer.status_code == status
    assert "This workspace is already connected elsewhere" in answer.text
    assert holder.owner.slug not in answer.text
    assert await shop.every() == []
    assert [seen.status for seen in await holder.every()] == ["active"]


async def test_what_slack_refuses_is_told(portal: httpx.AsyncClient, shop: Shop, slack: SlackDouble) -> None:
    sign_in(portal, shop.owner)
    asked = await add_to_slack(portal, shop)
    answer = await come_back(portal, state=asked["state"], code="made-up")
    assert (answer.status_code, "took too long" in answer.text) == (502, True)

    asked, workspace = await add_to_slack(portal, shop), add_workspace(slack, withheld=frozenset({"im:history"}))
    code = slack.consent.allow(workspace, asked["scope"], asked["redirect_uri"])
    answer = await come_back(portal, state=asked["state"], code=code)
    assert (answer.status_code, "Missing: im:history." in answer.text) == (422, True)

    asked = await add_to_slack(portal, shop)
    code = slack.consent.allow(workspace, asked["scope"], "https://elsewhere.example/cb")
    answer = await come_back(portal, state=asked["state"], code=code)
    assert "redirect address is not the one" in answer.text
    assert await shop.every() == []


async def test_a_workspace_that_was_removed_is_connected_again(
    portal: httpx.AsyncClient, shop: Shop, slack: SlackDouble, vault: Vault
) -> None:
    slack.consent.rotates = True
    workspace = add_workspace(slack)
    sign_in(portal, shop.owner)
    for _ in range(2):
        asked = await add_to_slack(portal, shop)
        await come_back(portal, state=asked["state"], code=slack.issue_code(workspace))
        [seen] = await shop.every()
        assert (seen.status, seen.renews) == ("active", True)
        async with shop.database.tenant_session(shop.owner.tenant_id) as session:
            account = await connections.open_account(session, vault, seen.connection_id)
            await connections.mark(
                session, seen.connection_id, status="uninstalled", reason="The app was removed.", actor="slack"
            )
        assert account.secrets["bot_token"].get_secret_value() == workspace.bot_token
        page = await portal.get(shop.channels)
        assert "Removed" in page.text
    assert f"{workspace.name} is connected again." in page.text


async def test_disconnecting_takes_the_app_out_of_the_workspace(
    portal: httpx.AsyncClient, shop: Shop, slack: SlackDouble
) -> None:
    workspace = add_workspace(slack, name="Acme & Söhne")
    sign_in(portal, shop.owner)
    asked = await add_to_slack(portal, shop)
    done = await come_back(portal, state=asked["state"], code=slack.issue_code(workspace))
    url = done.headers["location"]

    unsure = await portal.post(f"{url}/disconnect", data={"confirmation": "Acme"})
    assert (unsure.status_code, workspace.token_state) == (422, "active")
    gone = await portal.post(f"{url}/disconnect", data={"confirmation": "Acme & Söhne"})

    assert gone.status_code == 303
    assert workspace.token_state == "token_revoked"
    [seen] = await shop.every()
    assert seen.status == "disconnected"
    assert "Disconnected" in (await portal.get(url)).text


async def test_what_cannot_be_told_to_slack_is_disconnected_all_the_same(
    portal: httpx.AsyncClient, shop: Shop, slack: SlackDouble
) -> None:
    sign_in(portal, shop.owner)
    asked = await add_to_slack(portal, shop)
    done = await come_back(portal, state=asked["state"], code=slack.issue_code(add_workspace(slack, name="Acme")))
    slack.fail_next("apps.uninstall", status=503)
    gone = await portal.post(f"{done.headers['location']}/disconnect", data={"confirmation": "Acme"})
    assert "Remove the app there by hand" in (await portal.get(gone.headers["location"])).text
    assert [seen.status for seen in await shop.every()] == ["disconnected"]


async def test_the_manifest_names_this_deployment(portal: httpx.AsyncClient, shop: Shop) -> None:
    sign_in(portal, shop.owner)
    page = await portal.get(f"{shop.channels}/slack/app")
    for address in (CALLBACK, "https://hooks.example/slack/events", "https://hooks.example/slack/interactivity"):
        assert address in page.text
    assert "The app is set up" in page.text


async def test_what_the_deployment_lacks_is_said(settings: Settings, shop: Shop) -> None:
    async with browser(settings) as visitor:
        sign_in(visitor, shop.owner)
        page = await visitor.get(f"{shop.channels}/slack/connect")
        for setting in ("CLIENT_ID", "CLIENT_SECRET", "SIGNING_SECRET"):
            assert f"KONSTRUCT_SLACK_{setting}" in page.text
        assert "KONSTRUCT_GATEWAY_PUBLIC_URL" in page.text
        answer = await visitor.post(f"{shop.channels}/slack/connect", data={"employee": shop.employee})
        assert (answer.status_code, "has no Slack app yet" in answer.text) == (422, True)


async def test_an_employee_of_this_tenant_is_chosen(
    portal: httpx.AsyncClient, shop: Shop, database: Database, vault: Vault
) -> None:
    other = await open_shop(database, vault)
    sign_in(portal, shop.owner)
    for employee in ("", "ada", other.employee):
        answer = await portal.post(f"{shop.channels}/slack/connect", data={"employee": employee})
        assert (answer.status_code, "Choose who is to answer there." in answer.text) == (422, True)
