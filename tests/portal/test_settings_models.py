"""Own keys of models in the portal: tried before they are kept, never shown, and for owners and admins alone."""

from collections.abc import AsyncIterator

import httpx
import pytest

from konstruct.db import Database
from konstruct.settings import Settings
from konstruct.vault import Vault
from tests.portal.conftest import browser
from tests.support.members import Enrolled, enrolled, let_time_pass
from tests.support.model_doubles import ModelDoubles

GOOD = "sk-ant-good-canary-4321"


@pytest.fixture
async def doubles() -> AsyncIterator[ModelDoubles]:
    async with ModelDoubles(keys={"anthropic": [GOOD], "openai": ["sk-good"]}).running() as running:
        yield running


@pytest.fixture
async def owner(database: Database, vault: Vault) -> Enrolled:
    return await enrolled(database, vault)


@pytest.fixture
async def visitor(settings: Settings, doubles: ModelDoubles, owner: Enrolled) -> AsyncIterator[httpx.AsyncClient]:
    at = {
        "anthropic_base_url": doubles.base_url("anthropic"),
        "openai_base_url": doubles.base_url("openai"),
        "anthropic_api_key": None,
        "openai_api_key": None,
    }
    async with browser(settings.model_copy(update=at)) as client:
        client.cookies.update(owner.cookies)
        yield client


def at(person: Enrolled, path: str = "") -> str:
    return f"/t/{person.slug}/settings/models{path}"


async def put(client: httpx.AsyncClient, person: Enrolled, key: str = GOOD) -> httpx.Response:
    return await client.post(at(person, "/anthropic"), data={"api_key": key})


async def test_a_key_that_works_is_kept_and_shown_by_its_end_alone(visitor: httpx.AsyncClient, owner: Enrolled) -> None:
    assert "Not set up" in (await visitor.get(at(owner))).text
    answer = await put(visitor, owner)
    assert (answer.status_code, answer.headers["location"]) == (303, at(owner))
    page = (await visitor.get(at(owner))).text
    assert "…4321" in page
    assert owner.name in page
    assert "works, and is asked with your own access" in page
    for path in ("", "/anthropic"):
        assert "canary" not in (await visitor.get(at(owner, path))).text


async def test_a_key_that_is_refused_leaves_the_old_one_in_place(
    visitor: httpx.AsyncClient, owner: Enrolled, doubles: ModelDoubles
) -> None:
    await put(visitor, owner)
    answer = await put(visitor, owner, "sk-ant-wrong-canary")
    assert answer.status_code == 422
    assert "does not take this key" in answer.text
    assert "wrong-canary" not in answer.text
    assert "…4321" in (await visitor.get(at(owner))).text


async def test_an_address_that_was_typed_stays_in_the_form_and_is_guarded(
    visitor: httpx.AsyncClient, owner: Enrolled, doubles: ModelDoubles
) -> None:
    inside = doubles.base_url("openai")
    answer = await visitor.post(at(owner, "/openai"), data={"api_key": "sk-good", "base_url": inside})
    assert answer.status_code == 422
    assert f'value="{inside}"' in answer.text
    assert "KONSTRUCT_WEB_ALLOWED" in answer.text
    assert "sk-good" not in answer.text
    assert doubles.calls == []


async def test_a_key_can_be_tested_again_and_what_came_of_it_is_shown(
    visitor: httpx.AsyncClient, owner: Enrolled, doubles: ModelDoubles
) -> None:
    await put(visitor, owner)
    await visitor.post(at(owner, "/anthropic/test"))
    assert "answered: your access works" in (await visitor.get(at(owner))).text
    doubles.keys["anthropic"] = []
    await visitor.post(at(owner, "/anthropic/test"))
    page = (await visitor.get(at(owner))).text
    assert "Anthropic refuses this key" in page
    assert "it is mistyped, or was revoked" in page


async def test_it_is_removed_by_who_types_its_name(visitor: httpx.AsyncClient, owner: Enrolled) -> None:
    await put(visitor, owner)
    assert (await visitor.post(at(owner, "/anthropic/remove"), data={"confirmation": "yes"})).status_code == 422
    assert "…4321" in (await visitor.get(at(owner))).text
    assert (await visitor.post(at(owner, "/anthropic/remove"), data={"confirmation": "anthropic"})).status_code == 303
    assert "Not set up" in (await visitor.get(at(owner))).text
    assert (await visitor.post(at(owner, "/anthropic/test"))).status_code == 404
    assert (await visitor.get(at(owner, "/nobody"))).status_code == 404


async def test_who_was_away_shows_who_they_are_first(
    visitor: httpx.AsyncClient, owner: Enrolled, database: Database
) -> None:
    await let_time_pass(database, owner)
    answer = await put(visitor, owner)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/account/confirm")
    assert "Not set up" in (await visitor.get(at(owner))).text


async def test_another_tenant_sees_none_of_it(
    visitor: httpx.AsyncClient, owner: Enrolled, database: Database, vault: Vault
) -> None:
    await put(visitor, owner)
    stranger = await enrolled(database, vault)
    visitor.cookies.clear()
    visitor.cookies.update(stranger.cookies)
    assert "…4321" not in (await visitor.get(at(stranger))).text
    for path in ("", "/anthropic"):
        assert (await visitor.get(at(owner, path))).status_code == 404
    assert (await visitor.post(at(owner, "/anthropic/remove"), data={"confirmation": "anthropic"})).status_code == 404


@pytest.mark.parametrize("role", ["agent", "viewer"])
async def test_who_only_works_there_is_shown_no_keys(
    visitor: httpx.AsyncClient, owner: Enrolled, database: Database, vault: Vault, role: str
) -> None:
    member = await enrolled(database, vault, role, owner.tenant_id)  # type: ignore[arg-type]
    visitor.cookies.clear()
    visitor.cookies.update(member.cookies)
    assert (await visitor.get(at(owner))).status_code == 403
    assert (await put(visitor, owner)).status_code == 403


async def test_whether_ours_stands_in_is_chosen_without_typing_the_key_again(
    visitor: httpx.AsyncClient, owner: Enrolled, doubles: ModelDoubles
) -> None:
    await put(visitor, owner)
    assert "Nobody&#39;s stands in" in (await visitor.get(at(owner))).text
    answer = await visitor.post(at(owner, "/anthropic"), data={"api_key": "", "falls_back": "on"})
    assert (answer.status_code, answer.headers["location"]) == (303, at(owner))
    page = (await visitor.get(at(owner))).text
    assert "What comes with this Konstruct stands in" in page
    assert "…4321" in page
    assert [call.key for call in doubles.calls][-1] == GOOD


async def test_a_kept_key_never_goes_to_another_address_and_nobody_stands_in_for_a_server_of_their_own(
    visitor: httpx.AsyncClient, owner: Enrolled, doubles: ModelDoubles
) -> None:
    await visitor.post(at(owner, "/openai"), data={"api_key": "sk-good"})
    doubles.calls.clear()
    elsewhere = {"api_key": "", "base_url": "https://thief.example.com/v1"}
    answer = await visitor.post(at(owner, "/openai"), data=elsewhere)
    assert (answer.status_code, "Paste the key here." in answer.text) == (422, True)
    both = {"api_key": "sk-good", "base_url": "https://llm.example.com/v1", "falls_back": "on"}
    answer = await visitor.post(at(owner, "/openai"), data=both)
    assert (answer.status_code, "stands in for yours" in answer.text) == (422, True)
    assert doubles.calls == []
