"""The form for a WhatsApp number: each wrong value is told while it is typed, and nothing that was typed is lost."""

import re
from collections.abc import AsyncIterator

import httpx
import pytest
from pydantic import SecretStr

from konstruct import connections
from konstruct.connecting import drafts
from konstruct.db import Database
from konstruct.settings import Settings
from konstruct.vault import Vault
from tests.portal.channels import Shop, open_shop, sign_in
from tests.portal.conftest import browser
from tests.support.graph_double import App, GraphDouble, Number
from tests.support.members import enrolled

_CHECK = re.compile(r'<div id="check-(\w+)" class="check" data-state="(\w+)"[^>]*>(.*?)</div>', re.DOTALL)


@pytest.fixture
async def graph() -> AsyncIterator[GraphDouble]:
    async with GraphDouble().running() as graph:
        yield graph


@pytest.fixture
def number(graph: GraphDouble) -> Number:
    return graph.add_number("+1 555 078 3881")


@pytest.fixture
async def portal(settings: Settings, graph: GraphDouble) -> AsyncIterator[httpx.AsyncClient]:
    deployment = {
        "graph_api_url": graph.api_url,
        "whatsapp_app_secret": (SecretStr(graph.app_secret),),
        "whatsapp_verify_token": SecretStr("our-word"),
        "gateway_public_url": "https://hooks.example",
    }
    async with browser(settings.model_copy(update=deployment)) as visitor:
        yield visitor


@pytest.fixture
async def shop(database: Database, vault: Vault) -> Shop:
    return await open_shop(database, vault)


def filled_in(shop: Shop, number: Number, **changed: str) -> dict[str, str]:
    right = {
        "access_token": number.token,
        "phone_number_id": number.phone_number_id,
        "waba_id": number.waba_id,
        "employee": shop.employee,
        "functions": "Repairs\nOpening hours",
    }
    return right | changed


def checks(page: httpx.Response) -> dict[str, str]:
    """The state of each value, as the page shows it."""
    return {name: state for name, state, _ in _CHECK.findall(page.text)}


async def test_a_number_is_connected_and_its_first_message_is_waited_for(
    portal: httpx.AsyncClient, shop: Shop, graph: GraphDouble, number: Number, vault: Vault
) -> None:
    graph.approve_template(number, "come_back")
    sign_in(portal, shop.owner)
    form = await portal.get(f"{shop.channels}/whatsapp")
    assert "https://hooks.example/whatsapp" in form.text
    assert "our-word" in form.text

    typed = filled_in(shop, number, template="come_back/en")
    told = await portal.post(f"{shop.channels}/whatsapp/check", data=typed)
    assert checks(told) == {
        "access_token": "ok", "phone_number_id": "ok", "waba_id": "ok", "app_secret": "ok", "subscription": "failed"
    }  # fmt: skip
    await portal.post(f"{shop.channels}/whatsapp/subscribe", data=typed)
    assert graph.world.subscribed == {(graph.app.id, number.waba_id)}
    done = await portal.post(f"{shop.channels}/whatsapp", data=typed)

    assert done.status_code == 303
    [seen] = await shop.every()
    assert (seen.account, seen.functions) == (number.phone_number_id, ("Repairs", "Opening hours"))
    assert seen.external["reengage_template"] == "come_back"
    async with shop.database.tenant_session(shop.owner.tenant_id) as session:
        account = await connections.open_account(session, vault, seen.connection_id)
        assert account.secrets == {"access_token": SecretStr(number.token)}
        draft = await drafts.read(session, vault, shop.owner.tenant_id, shop.owner.user_id)
        assert draft == drafts.Draft()
    page = await portal.get(done.headers["location"])
    assert "Waiting for the first message" in page.text
    heard = await portal.get(f"{done.headers['location']}/heard", headers={"hx-request": "true"})
    assert 'hx-trigger="every 2s"' in heard.text
    async with shop.database.tenant_session(shop.owner.tenant_id) as session:
        await connections.note_event(session, seen.connection_id)
    heard = await portal.get(f"{done.headers['location']}/heard", headers={"hx-request": "true"})
    assert "It works: the first message arrived" in heard.text
    assert "hx-trigger" not in heard.text


@pytest.mark.parametrize(
    ("field", "wrong", "says"),
    [
        ("access_token", "EAAGmadeupmadeupmadeup", "Meta does not accept this token"),
        ("phone_number_id", "106540352242922", "Meta knows no phone number with this id"),
        ("phone_number_id", "+1 555 078 3881", "This is a phone number."),
        ("waba_id", "102290129340398", "Meta knows no WhatsApp Business Account with this id"),
        ("app_secret", "fedcba9876543210", "This is not the secret of the Meta app"),
        ("template", "come_back/en", "There is no such template"),
        ("functions", "", "Say what this number is for"),
        ("employee", "nobody", "Choose who is to answer there."),
    ],
)
async def test_each_wrong_value_is_told_and_the_rest_is_kept(
    portal: httpx.AsyncClient, shop: Shop, number: Number, field: str, wrong: str, says: str
) -> None:
    sign_in(portal, shop.owner)
    answer = await portal.post(f"{shop.channels}/whatsapp", data=filled_in(shop, number, **{field: wrong}))
    assert answer.status_code == 422
    assert says in answer.text
    assert await shop.every() == []
    kept = {"phone_number_id": number.phone_number_id, "waba_id": number.waba_id} | {field: wrong}
    assert f'value="{kept["phone_number_id"]}"' in answer.text
    assert number.token not in answer.text

    again = await portal.post(f"{shop.channels}/whatsapp", data=filled_in(shop, number, app_secret=""))
    # A secret that was wrong is replaced by one that is right, not by an empty field.
    assert again.status_code == (422 if field == "app_secret" else 303)


async def test_what_was_typed_is_there_again_and_secrets_are_not_shown(
    portal: httpx.AsyncClient, shop: Shop, number: Number, database: Database, vault: Vault
) -> None:
    sign_in(portal, shop.owner)
    told = await portal.post(
        f"{shop.channels}/whatsapp/check", data={"access_token": number.token, "functions": "Repairs"}
    )
    assert checks(told)["access_token"] == "ok"
    assert number.token not in told.text

    form = await portal.get(f"{shop.channels}/whatsapp")
    assert "Repairs" in form.text
    assert f"The one ending in {number.token[-4:]} is kept" in form.text
    assert number.token not in form.text
    # An empty field keeps it; a colleague's form is another one.
    typed = filled_in(shop, number, access_token="")
    colleague = await enrolled(database, vault, "admin", shop.owner.tenant_id)
    sign_in(portal, colleague)
    assert "Repairs" not in (await portal.get(f"{shop.channels}/whatsapp")).text
    assert (await portal.post(f"{shop.channels}/whatsapp", data=typed)).status_code == 422
    sign_in(portal, shop.owner)
    assert (await portal.post(f"{shop.channels}/whatsapp", data=typed)).status_code == 303


async def test_the_form_can_be_emptied(portal: httpx.AsyncClient, shop: Shop, number: Number) -> None:
    sign_in(portal, shop.owner)
    await portal.post(f"{shop.channels}/whatsapp/check", data=filled_in(shop, number))
    await portal.post(f"{shop.channels}/whatsapp/discard", data={})
    assert number.phone_number_id not in (await portal.get(f"{shop.channels}/whatsapp")).text


async def test_a_number_of_another_tenant_is_refused(
    portal: httpx.AsyncClient, shop: Shop, number: Number, database: Database, vault: Vault
) -> None:
    holder = await open_shop(database, vault)
    sign_in(portal, holder.owner)
    assert (await portal.post(f"{holder.channels}/whatsapp", data=filled_in(holder, number))).status_code == 303
    sign_in(portal, shop.owner)
    told = await portal.post(f"{shop.channels}/whatsapp/check", data=filled_in(shop, number))
    assert checks(told)["phone_number_id"] == "failed"
    answer = await portal.post(f"{shop.channels}/whatsapp", data=filled_in(shop, number))
    assert (answer.status_code, "connected elsewhere" in answer.text) == (422, True)
    assert holder.owner.slug not in answer.text
    assert await shop.every() == []


async def test_an_app_of_the_tenants_own_has_its_own_address(
    portal: httpx.AsyncClient, shop: Shop, number: Number
) -> None:
    number.app = App("99", "Shop's own", "0123456789abcdef")
    sign_in(portal, shop.owner)
    answer = await portal.post(f"{shop.channels}/whatsapp", data=filled_in(shop, number))
    assert "Needed here: without the secret of the Meta app" in answer.text
    await portal.post(f"{shop.channels}/whatsapp/check", data={"app_secret": number.app.secret})
    told = await portal.post(f"{shop.channels}/whatsapp/check", data=filled_in(shop, number))
    assert checks(told)["app_secret"] == "ok"
    form = await portal.get(f"{shop.channels}/whatsapp")
    assert f"https://hooks.example/whatsapp/{number.phone_number_id}" in form.text


async def test_connecting_again_begins_with_what_is_there(
    portal: httpx.AsyncClient, shop: Shop, number: Number
) -> None:
    sign_in(portal, shop.owner)
    await portal.post(f"{shop.channels}/whatsapp", data=filled_in(shop, number))
    [seen] = await shop.every()
    async with shop.database.tenant_session(shop.owner.tenant_id) as session:
        await connections.mark(session, seen.connection_id, status="revoked", reason="190", actor="channel")
    page = await portal.get(f"{shop.channels}/{seen.connection_id}")
    assert "The access token has expired or was revoked" in page.text
    led = await portal.post(f"{shop.channels}/whatsapp/again", data={"connection": str(seen.connection_id)})
    form = await portal.get(led.headers["location"])
    assert number.phone_number_id in form.text
    assert f"The one ending in {number.token[-4:]} is kept" in form.text

    number.token = "EAAGrenewedrenewedrenewed"
    done = await portal.post(f"{shop.channels}/whatsapp", data=filled_in(shop, number))
    assert done.headers["location"] == f"{shop.channels}/{seen.connection_id}"
    assert [(again.connection_id, again.status) for again in await shop.every()] == [(seen.connection_id, "active")]


async def test_disconnecting_has_meta_stop_telling_when_no_other_number_is_left(
    portal: httpx.AsyncClient, shop: Shop, graph: GraphDouble, number: Number
) -> None:
    other = graph.add_number("+1 555 078 3882", waba_id=number.waba_id, token=number.token)
    graph.world.subscribed.add((graph.app.id, number.waba_id))
    sign_in(portal, shop.owner)
    urls = [
        (await portal.post(f"{shop.channels}/whatsapp", data=filled_in(shop, each))).headers["location"]
        for each in (number, other)
    ]
    await portal.post(f"{urls[0]}/disconnect", data={"confirmation": number.display_phone_number})
    assert graph.world.subscribed
    await portal.post(f"{urls[1]}/disconnect", data={"confirmation": other.display_phone_number})
    assert not graph.world.subscribed
    assert {seen.status for seen in await shop.every()} == {"disconnected"}


async def test_while_meta_is_away_nothing_is_connected_and_nothing_lost(
    portal: httpx.AsyncClient, shop: Shop, graph: GraphDouble, number: Number
) -> None:
    sign_in(portal, shop.owner)
    graph.fail_next("token", code=2)
    answer = await portal.post(f"{shop.channels}/whatsapp", data=filled_in(shop, number))
    assert (answer.status_code, "Try again in a moment." in answer.text) == (422, True)
    assert number.phone_number_id in answer.text
