"""API keys in the portal: made by who may, shown once, revoked for good; and the page that tells what they open."""

import json
import re
from html import unescape

import httpx
import pytest
from sqlmodel import col, select

from gateway.api import described
from konstruct import api_keys
from konstruct.db import Database
from konstruct.errors import Unauthentic
from konstruct.tables import AuditEvent
from konstruct.vault import Vault
from portal.api_reference import SECTIONS
from portal.api_scopes import PRESETS, SCOPES
from tests.support.members import COOKIE, Enrolled, enrolled, let_time_pass


@pytest.fixture
async def admin(portal: httpx.AsyncClient, database: Database, vault: Vault) -> Enrolled:
    person = await enrolled(database, vault, "admin")
    portal.cookies.set(COOKIE, person.cookie)
    return person


def keys_of(person: Enrolled) -> str:
    return f"/t/{person.slug}/settings/api-keys"


async def make(portal: httpx.AsyncClient, person: Enrolled, name: str = "back-office") -> str:
    answer = await portal.post(f"{keys_of(person)}/new", data={"name": name, "scope": ["tools:read", "approvals:read"]})
    assert answer.status_code == 200, answer.text
    [key] = set(re.findall(r"kst_[\w-]{43}", answer.text))
    return str(key)


async def test_a_key_is_shown_once_and_opens_what_was_chosen(
    portal: httpx.AsyncClient, database: Database, admin: Enrolled
) -> None:
    empty = (await portal.get(keys_of(admin))).text
    assert "No API key yet" in empty
    assert f'href="{keys_of(admin)}/new"' in empty
    key = await make(portal, admin)

    found = await api_keys.find(database, key)

    assert found.tenant_id == admin.tenant_id
    assert found.scopes == {"tools:read", "approvals:read"}
    listed = (await portal.get(keys_of(admin))).text
    assert "back-office" in listed
    assert key not in listed
    assert "Never" not in listed


async def test_whoever_makes_one_is_in_the_audit_trail(
    portal: httpx.AsyncClient, database: Database, admin: Enrolled
) -> None:
    await make(portal, admin)
    await portal.post(f"{keys_of(admin)}/back-office/revoke", data={"confirmation": "back-office"})
    async with database.tenant_session(admin.tenant_id) as session:
        events = (await session.scalars(select(AuditEvent).order_by(col(AuditEvent.seq)))).all()
    assert [(event.action, event.actor) for event in events] == [
        ("api_key.created", admin.actor),
        ("api_key.revoked", admin.actor),
    ]


@pytest.mark.parametrize(
    ("form", "says"),
    [
        ({"name": "Back Office", "scope": "tools:read"}, "lower-case letters"),
        ({"name": "", "scope": "tools:read"}, "lower-case letters"),
        ({"name": "back-office"}, "at least one thing"),
        ({"name": "back-office", "scope": "everything"}, "one or more of these scopes"),
    ],
)
async def test_a_mistake_is_told_and_what_was_typed_stays(
    portal: httpx.AsyncClient, admin: Enrolled, form: dict[str, str], says: str
) -> None:
    answer = await portal.post(f"{keys_of(admin)}/new", data=form)
    assert answer.status_code == 422
    assert says in answer.text
    assert f'value="{form["name"]}"' in answer.text


async def test_a_name_is_used_once(portal: httpx.AsyncClient, admin: Enrolled) -> None:
    await make(portal, admin)
    answer = await portal.post(f"{keys_of(admin)}/new", data={"name": "back-office", "scope": "tools:read"})
    assert answer.status_code == 422
    assert "choose another name" in answer.text


async def test_a_key_is_revoked_by_whoever_types_its_name(
    portal: httpx.AsyncClient, database: Database, admin: Enrolled
) -> None:
    key = await make(portal, admin)
    mistyped = await portal.post(f"{keys_of(admin)}/back-office/revoke", data={"confirmation": "backoffice"})
    assert mistyped.status_code == 422
    assert "exactly as it stands" in mistyped.text
    assert await api_keys.find(database, key)

    answer = await portal.post(f"{keys_of(admin)}/back-office/revoke", data={"confirmation": "back-office"})

    assert answer.status_code == 303
    with pytest.raises(Unauthentic):
        await api_keys.find(database, key)
    assert "Revoked keys (1)" in (await portal.get(keys_of(admin))).text
    assert (await portal.post(f"{keys_of(admin)}/other/revoke", data={"confirmation": "other"})).status_code == 404


async def test_making_and_revoking_is_for_who_has_just_shown_who_they_are(
    portal: httpx.AsyncClient, database: Database, admin: Enrolled
) -> None:
    await make(portal, admin)
    await let_time_pass(database, admin)
    for path in ("new", "back-office/revoke"):
        answer = await portal.post(f"{keys_of(admin)}/{path}", data={"name": "x", "confirmation": "back-office"})
        assert answer.status_code == 303
        assert answer.headers["location"].startswith("/account/confirm")


@pytest.mark.parametrize("role", ["agent", "viewer"])
async def test_others_see_nothing_of_them(
    portal: httpx.AsyncClient, database: Database, vault: Vault, admin: Enrolled, role: str
) -> None:
    await make(portal, admin)
    other = await enrolled(database, vault, "agent" if role == "agent" else "viewer", admin.tenant_id)
    portal.cookies.set(COOKIE, other.cookie)
    for path in (keys_of(admin), f"{keys_of(admin)}/new", f"/t/{admin.slug}/api"):
        assert (await portal.get(path)).status_code == 403
    assert (await portal.post(f"{keys_of(admin)}/new", data={"name": "x"})).status_code == 403
    stranger = await enrolled(database, vault)
    portal.cookies.set(COOKIE, stranger.cookie)
    revoked = await portal.post(f"{keys_of(admin)}/back-office/revoke", data={"confirmation": "back-office"})
    assert revoked.status_code == 404
    assert "back-office" not in (await portal.get(keys_of(stranger))).text


async def test_the_reference_tells_all_that_the_api_can(portal: httpx.AsyncClient, admin: Enrolled) -> None:
    here = f"/t/{admin.slug}/api"
    every = unescape((await portal.get(here)).text)
    for path, methods in json.loads(described.described())["paths"].items():
        for method, route in methods.items():
            section = f"{here}/{route['tags'][0]}"
            anchor = re.sub(r"[^a-z0-9]+", "-", f"{method}{path}".lower()).strip("-")
            assert f'href="{section}#{anchor}"' in every
    approvals = unescape((await portal.get(f"{here}/approvals")).text)
    assert 'id="post-approvals-approval-id-approve"' in approvals
    assert 'curl -X POST "http://127.0.0.1:8000/api/v1/approvals/{approval_id}/approve"' in approvals
    assert "Of exactly these arguments. A decision has to name it." in approvals
    assert (await portal.get(f"{here}/nothing")).status_code == 404


async def test_each_subject_of_the_api_has_a_page_with_an_introduction(
    portal: httpx.AsyncClient, admin: Enrolled
) -> None:
    routes = [route for methods in json.loads(described.described())["paths"].values() for route in methods.values()]
    for tag in {route["tags"][0] for route in routes}:
        title, says = SECTIONS[tag]
        page = unescape((await portal.get(f"/t/{admin.slug}/api/{tag}")).text)
        assert title in page
        assert says in page


async def test_routes_are_found_by_all_of_the_words(portal: httpx.AsyncClient, admin: Enrolled) -> None:
    here = f"/t/{admin.slug}/api"
    found = (await portal.get(f"{here}?q=DRAFT+employees:write")).text
    assert "#patch-employees-key-draft" in found
    assert "#get-employees-key-draft" not in found
    assert "#get-approvals" not in found
    assert "No route has all of these words" in (await portal.get(f"{here}?q=zebra")).text


async def test_the_description_is_had_with_the_address_of_the_gateway(
    portal: httpx.AsyncClient, admin: Enrolled
) -> None:
    answer = await portal.get(f"/t/{admin.slug}/api/openapi.json")
    assert answer.json()["servers"] == [{"url": "http://127.0.0.1:8000/api/v1"}]
    assert answer.json()["paths"] == json.loads(described.described())["paths"]


async def test_usual_choices_are_ticked(portal: httpx.AsyncClient, admin: Enrolled) -> None:
    for preset in PRESETS:
        page = (await portal.get(f"{keys_of(admin)}/new?preset={preset.key}")).text
        assert set(re.findall(r'value="([a-z]+:[a-z]+)" checked', page)) == set(preset.scopes)


async def test_a_key_that_may_much_is_listed_by_what_it_is_called(portal: httpx.AsyncClient, admin: Enrolled) -> None:
    reading = next(preset for preset in PRESETS if preset.key == "read")
    await portal.post(f"{keys_of(admin)}/new", data={"name": "reader", "scope": list(reading.scopes)})
    await portal.post(f"{keys_of(admin)}/new", data={"name": "odd", "scope": [*reading.scopes, "team:write"]})
    page = (await portal.get(keys_of(admin))).text
    assert "<summary>Read everything</summary>" in page
    assert f"<summary>{len(reading.scopes) + 1} scopes</summary>" in page


def test_every_scope_says_what_it_opens() -> None:
    assert set(SCOPES) == set(api_keys.SCOPES)
    assert all(set(preset.scopes) <= set(SCOPES) for preset in PRESETS)


def test_the_reference_is_of_the_api_as_it_is() -> None:
    """After a change of the API: `python -m gateway.api.described`."""
    assert described.FILE.read_text(encoding="utf-8") == described.described()
