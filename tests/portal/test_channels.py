"""The channels of a tenant: how they are, in words; who serves them; and who may change that."""

import re
from uuid import UUID

import httpx
import pytest

from konstruct import connections
from konstruct.connecting import overview
from konstruct.connecting.overview import Seen
from konstruct.db import Database
from konstruct.identity import ConnectionId, new_id
from konstruct.vault import Vault
from portal import channel_words
from tests.portal.channels import Shop, open_shop, sign_in
from tests.support.members import enrolled
from tests.support.office import hire


@pytest.fixture
async def shop(database: Database, vault: Vault) -> Shop:
    return await open_shop(database, vault)


async def connect(shop: Shop, kind: str = "slack", **external: str | None) -> ConnectionId:
    account = new_id().hex
    async with shop.database.tenant_session(shop.owner.tenant_id) as session:
        return await connections.install(
            session,
            shop.vault,
            shop.owner.tenant_id,
            key=f"{kind}-{account[-4:]}",
            kind=kind,
            account=account,
            external={"team_id": "T1", "team_name": "Acme", **external},
            secrets={},
            employee_key="ada",
            actor="test",
        )


async def mark(shop: Shop, connection_id: ConnectionId, status: str, reason: str) -> Seen:
    async with shop.database.tenant_session(shop.owner.tenant_id) as session:
        await connections.mark(session, connection_id, status=status, reason=reason, actor="test")
    async with shop.database.tenant_session(shop.owner.tenant_id) as session:
        return await overview.one(session, connection_id)


async def test_without_channels_there_is_one_thing_to_do(portal: httpx.AsyncClient, shop: Shop) -> None:
    sign_in(portal, shop.owner)
    page = await portal.get(shop.channels)
    assert "No channel is connected yet" in page.text
    await connect(shop, "console")
    page = await portal.get(shop.channels)
    assert "Console" in page.text
    assert "No channel is connected yet" in page.text
    await connect(shop)
    assert "No channel is connected yet" not in (await portal.get(shop.channels)).text


@pytest.mark.parametrize(
    ("status", "reason", "label", "says"),
    [
        ("revoked", "token_expired", "Not working", "Its token has expired. Nobody is answered until"),
        ("revoked", "invalid_auth", "Not working", "Slack does not know this token"),
        ("revoked", "190", "Not working", "The access token has expired or was revoked"),
        ("revoked", "brand_new_code", "Not working", "The channel refuses it (brand_new_code)."),
        ("uninstalled", "The app was removed from the workspace.", "Removed", "Connect it again"),
        ("restricted", "Meta has disabled the business account.", "Restricted", "Business Support"),
    ],
)
async def test_what_is_wrong_with_a_channel_is_said(
    portal: httpx.AsyncClient, shop: Shop, status: str, reason: str, label: str, says: str
) -> None:
    seen = await mark(shop, await connect(shop), status, reason)
    state = channel_words.state(seen)
    assert state.label == label
    assert says in state.says
    sign_in(portal, shop.owner)
    for url in (shop.channels, f"{shop.channels}/{seen.connection_id}"):
        assert label in (await portal.get(url)).text


async def test_who_serves_is_changed(portal: httpx.AsyncClient, shop: Shop) -> None:
    connection_id = await connect(shop)
    async with shop.database.tenant_session(shop.owner.tenant_id) as session:
        bo = await hire(session, shop.owner.tenant_id, "bo", "Bo")
    url = f"{shop.channels}/{connection_id}"
    sign_in(portal, shop.owner)

    for path, form in (
        ("serve", {"employee": str(bo.id)}),
        ("bind", {"channel": " C0123ABCD ", "employee": shop.employee}),
        ("describe", {"functions": "Repairs"}),
    ):
        assert (await portal.post(f"{url}/{path}", data=form)).status_code == 303
    [seen] = await shop.every()
    assert (seen.employee.name, seen.functions) == ("Bo", ("Repairs",))
    assert [(channel, served.name) for channel, served in seen.bindings] == [("C0123ABCD", "Ada")]
    await portal.post(f"{url}/unbind", data={"channel": "C0123ABCD"})
    assert (await shop.every())[0].bindings == ()
    undo = (await portal.get(url)).text.partition("data-toast-text")[2]
    fields = dict(re.findall(r'type="hidden" name="([a-z]+)" value="([^"]+)"', undo))
    assert fields == {"channel": "C0123ABCD", "employee": shop.employee}
    await portal.post(f"{url}/bind", data=fields)
    assert [channel for channel, _ in (await shop.every())[0].bindings] == ["C0123ABCD"]


async def test_what_cannot_be_saved_stays_in_the_form(portal: httpx.AsyncClient, shop: Shop) -> None:
    url = f"{shop.channels}/{await connect(shop)}"
    sign_in(portal, shop.owner)
    answer = await portal.post(f"{url}/bind", data={"channel": "#general", "employee": shop.employee})
    assert (answer.status_code, 'value="#general"' in answer.text) == (422, True)
    answer = await portal.post(f"{url}/describe", data={"functions": "x" * 121})
    assert (answer.status_code, "x" * 121 in answer.text) == (422, True)
    assert (await portal.post(f"{url}/serve", data={"employee": str(new_id())})).status_code == 404


async def test_the_console_stays(portal: httpx.AsyncClient, shop: Shop) -> None:
    connection_id = await connect(shop, "console")
    sign_in(portal, shop.owner)
    page = await portal.get(f"{shop.channels}/{connection_id}")
    assert "bin/konstruct chat" in page.text
    answer = await portal.post(f"{shop.channels}/{connection_id}/disconnect", data={"confirmation": "Console"})
    assert answer.status_code == 409


async def test_who_only_looks_changes_nothing(
    portal: httpx.AsyncClient, shop: Shop, database: Database, vault: Vault
) -> None:
    url = f"{shop.channels}/{await connect(shop)}"
    stranger = await open_shop(database, vault)
    agent = await enrolled(database, vault, "agent", shop.owner.tenant_id)
    sign_in(portal, agent)
    page = await portal.get(url)
    assert page.status_code == 200
    assert "<form" not in page.text[page.text.index("<main") :].partition("</main>")[0]
    posts = [f"{url}/{act}" for act in ("serve", "bind", "unbind", "describe", "disconnect")]
    posts += [f"{shop.channels}/{path}" for path in ("slack/connect", "whatsapp", "whatsapp/check")]
    for post in posts:
        answer = await portal.post(post, data={"employee": shop.employee, "confirmation": "Acme"})
        assert answer.status_code == 403, post
    # A channel of another tenant is not there, whichever tenant's page is asked for it.
    sign_in(portal, stranger.owner)
    connection_id = UUID(url.rpartition("/")[2])
    for path in (f"{stranger.channels}/{connection_id}", url):
        assert (await portal.get(path)).status_code == 404, path
    answer = await portal.post(f"{stranger.channels}/whatsapp/again", data={"connection": str(connection_id)})
    assert answer.status_code == 404
    answer = await portal.post(f"{stranger.channels}/{connection_id}/disconnect", data={"confirmation": "Acme"})
    assert answer.status_code == 404
    assert [seen.status for seen in await shop.every()] == ["active"]
