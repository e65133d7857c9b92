"""Settings over the API: the business, its own model keys, its desk, how long things are kept, what it demands."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway import app as gateway_app
from konstruct.db import Database
from konstruct.settings import Settings
from konstruct.vault import Vault
from tests.gateway.programs import Program, program_of
from tests.support.http import serve
from tests.support.members import enrolled
from tests.support.model_doubles import ModelDoubles
from tests.support.office import Office, open_office

GOOD = "sk-ant-good-canary-4321"


@pytest.fixture
async def doubles() -> AsyncIterator[ModelDoubles]:
    async with ModelDoubles(keys={"anthropic": [GOOD], "openai": ["sk-good"]}).running() as running:
        yield running


@pytest.fixture
async def trying(settings: Settings, doubles: ModelDoubles, office: Office) -> AsyncIterator[Program]:
    """A program of a deployment whose providers are the test's own."""
    at = {
        "anthropic_base_url": doubles.base_url("anthropic"),
        "openai_base_url": doubles.base_url("openai"),
        "anthropic_api_key": None,
        "openai_api_key": None,
    }
    async with serve(gateway_app.build(settings.model_copy(update=at))) as url:
        yield await program_of(office, url, name="trying")


async def put(program: Program, path: str, body: Any) -> Any:
    answer = await program.call("PUT", f"/settings{path}", body)
    assert answer.status == 200, answer.body
    return answer.body


async def test_the_business_is_described_and_changed(program: Program, office: Office) -> None:
    await put(program, "/basics", {"name": "Acme Bikes", "time_zone": "Europe/Berlin"})
    await put(program, "/models", {"models": ["anthropic/claude-sonnet-4-6", "openai/gpt-5"]})
    await put(program, "/limits", {"contact": "5/minute", "tenant": None})
    approvals = {"connection": "slack", "channel": "C1", "deciders": ["U123ABC"], "expires_after": "3 days"}
    changed = await put(program, "/approvals", approvals)

    assert (changed["name"], changed["time_zone"]) == ("Acme Bikes", "Europe/Berlin")
    assert changed["models"] == ["anthropic/claude-sonnet-4-6", "openai/gpt-5"]
    assert changed["limits"] == {"contact": "5/minute", "connection": None, "tenant": None}
    assert changed["approvals"] == approvals
    assert (await program.get("/settings")).body == changed
    assert {event.actor for event in await office.events("tenant.changed")} == {"api:back-office"}


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/basics", {"name": "", "time_zone": "Europe/Berlin"}, "name"),
        ("/basics", {"name": "Acme", "time_zone": "Mars/Crater"}, "time_zone"),
        ("/models", {"models": ["openai/gpt-5", "openai/gpt-5"]}, "models"),
        ("/limits", {"contact": "many"}, "contact"),
        ("/approvals", {"connection": "nowhere", "channel": "C1"}, "connection"),
        ("/desk/place", {"connection": "slack"}, "channel"),
        ("/desk/people/nobody", {"name": ""}, "name"),
    ],
)
async def test_what_is_wrong_is_told_by_its_field(
    program: Program, path: str, body: dict[str, Any], field: str
) -> None:
    before = (await program.get("/settings")).body
    answer = await program.call("PUT", f"/settings{path}", body)
    assert (answer.status, list(answer.body["fields"])) == (422, [field]), answer.body
    assert (await program.get("/settings")).body == before


async def test_a_model_key_is_tried_kept_tested_and_removed(
    trying: Program, office: Office, doubles: ModelDoubles
) -> None:
    wrong = await trying.call("PUT", "/settings/model-keys/anthropic", {"api_key": "sk-ant-wrong-canary"})
    none = await trying.call("PUT", "/settings/model-keys/anthropic", {"falls_back": True})
    kept = await trying.call("PUT", "/settings/model-keys/anthropic", {"api_key": GOOD})
    chosen = await trying.call("PUT", "/settings/model-keys/anthropic", {"falls_back": True})
    works = await trying.post("/settings/model-keys/anthropic/test")
    doubles.keys["anthropic"] = []
    refused = await trying.post("/settings/model-keys/anthropic/test")
    shown = (await trying.get("/settings/model-keys")).body
    gone = await trying.call("DELETE", "/settings/model-keys/anthropic")

    assert (wrong.status, "does not take this key" in wrong.body["fields"]["api_key"]) == (422, True)
    assert (none.status, "api_key" in none.body["fields"], kept.body["falls_back"]) == (422, True, False)
    assert (chosen.status, chosen.body["last_four"], chosen.body["falls_back"]) == (200, "4321", True)
    assert (kept.status, kept.body["last_four"], kept.body["created_by"]) == (200, "4321", "api:trying")
    assert (works.body, refused.body["works"]) == ({"works": True, "says": ""}, False)
    [own] = shown["model_keys"]
    assert (own["refused_at"] is not None, "revoked" in own["refused_why"]) == (True, True)
    assert (gone.status, (await trying.get("/settings/model-keys")).body["model_keys"]) == (204, [])
    assert (await trying.post("/settings/model-keys/anthropic/test")).status == 404
    assert (await trying.call("PUT", "/settings/model-keys/nobody", {"api_key": GOOD})).status == 422
    for answer in (wrong, kept, works, refused):
        assert "canary" not in str(answer.body)
    for action in ("model_key.added", "model_key.removed"):
        assert [event.actor for event in await office.events(action)] == ["api:trying"]


async def test_an_address_inside_is_not_asked(trying: Program, doubles: ModelDoubles) -> None:
    inside = {"api_key": "sk-good", "base_url": doubles.base_url("openai")}
    answer = await trying.call("PUT", "/settings/model-keys/openai", inside)
    assert (answer.status, list(answer.body["fields"])) == (422, ["base_url"])
    assert doubles.calls == []


async def test_the_desk_has_people_groups_and_a_place(program: Program) -> None:
    ben = await program.post("/settings/desk/people", {"name": "Ben Ito", "email": "ben@example.com"})
    cleo = await program.post("/settings/desk/people", {"name": "Cléo", "slack": "U0123ABC"})
    hours = {"mon": "09:00-17:00", "time_zone": "Europe/Berlin", "closed": ["2026-12-25"]}
    first = {"name": "Returns", "people": ["ben-ito"], "hours": hours, "remind_every": "20 minutes"}
    group = await program.post("/settings/desk/groups", first)
    await program.post("/settings/desk/groups", {"name": "Billing", "people": ["cleo"], "is_default": True})
    await put(program, "/desk/place", {"connection": "slack", "channel": "C1"})
    await put(program, "/desk/people/ben-ito", {"name": "Ben Itō"})
    changed = await put(program, "/desk/groups/returns", {"people": ["cleo", "ben-ito"], "ring": "in_order"})

    assert [answer.body["key"] for answer in (ben, cleo, group)] == ["ben-ito", "cleo", "returns"]
    assert (ben.status, group.status, changed["key"]) == (201, 201, "returns")
    desk = (await program.get("/settings/desk")).body
    assert desk["place"] == {"connection": "slack", "channel": "C1"}
    assert desk["people"]["ben-ito"] == {"name": "Ben Itō", "email": None, "slack": None}
    assert (desk["groups"]["returns"]["people"], desk["groups"]["returns"]["ring"]) == (["cleo", "ben-ito"], "in_order")
    assert (desk["groups"]["returns"]["hours"], desk["groups"]["returns"]["remind_every"]) == (None, None)
    assert desk["default"] == "billing"
    assert (await program.call("DELETE", "/settings/desk/groups/returns")).status == 204
    assert (await program.call("DELETE", "/settings/desk/people/ben-ito")).status == 204
    only_one = await program.call("DELETE", "/settings/desk/people/cleo")
    assert (only_one.status, "the only one in" in only_one.body["error"]) == (409, True)


async def test_a_groups_hours_and_terms_are_read_as_they_were_given(program: Program) -> None:
    await program.post("/settings/desk/people", {"name": "Ben"})
    hours = {"mon": "09:00-12:00, 13:00-17:00", "closed": ["2026-12-25"]}
    given = {"people": ["ben"], "hours": hours, "give_up_after": "2 hours", "then": "hand_back"}
    await program.post("/settings/desk/groups", {"name": "Returns", **given})

    group = (await program.get("/settings/desk")).body["groups"]["returns"]

    assert (group["hours"]["mon"], group["hours"]["closed"]) == (hours["mon"], hours["closed"])
    assert (group["give_up_after"], group["then"]) == ("120 minutes", "hand_back")
    again = await program.call("PUT", "/settings/desk/groups/returns", group)
    assert (again.status, (await program.get("/settings/desk")).body["groups"]["returns"]) == (200, group)
    wrong = await program.call("PUT", "/settings/desk/groups/returns", {"people": ["ben"], "hours": {"mon": "late"}})
    assert (wrong.status, list(wrong.body["fields"])) == (422, ["hours.mon"])


async def test_what_a_shorter_time_removes_is_told_before(program: Program, office: Office) -> None:
    await office.exchange("Hello?", "Hello!")
    preview = await program.get("/settings/retention/preview?messages=30")
    refused = await program.call("PUT", "/settings/retention", {"messages": 30})
    changed = await program.call("PUT", "/settings/retention", {"messages": 30, "may_remove": True})
    longer = await program.call("PUT", "/settings/retention", {"messages": 60, "files": None})
    nonsense = await program.call("PUT", "/settings/retention", {"messages": 0, "may_remove": True})

    assert (preview.status, preview.body["messages"]) == (200, 0)
    assert (refused.status, "may_remove" in refused.body["error"]) == (409, True)
    assert (changed.status, changed.body["days"]) == (200, {"messages": 30, "files": None, "memories": None})
    assert (longer.status, longer.body["days"]["messages"], nonsense.status) == (200, 60, 422)
    assert len(await office.events("retention.changed")) == 2


async def test_a_second_factor_is_demanded_of_everybody(program: Program, office: Office) -> None:
    await enrolled(office.database, office.vault, "owner", office.tenant_id, name="Anna Berg")
    demanded = await put(program, "/second-factor", {"is_required": True})

    assert demanded == {"is_required": True, "with_factor": 0, "without": ["Anna Berg"]}
    assert (await program.get("/settings/second-factor")).body == demanded
    assert [event.actor for event in await office.events("tenant.second_factor")] == ["api:back-office"]


async def test_keys_are_listed_and_never_shown(program: Program, office: Office) -> None:
    await program_of(office, program.url, "tools:read", name="reader")
    listed = (await program.get("/settings/api-keys")).body["api_keys"]
    assert [(each["name"], each["revoked_at"]) for each in listed] == [("back-office", None), ("reader", None)]
    assert listed[1]["scopes"] == ["tools:read"]
    assert str(program.key) not in str(listed)


async def test_another_tenants_settings_are_not_there(
    program: Program, api: str, database: Database, vault: Vault
) -> None:
    theirs = await program_of(await open_office(database, vault), api)
    await program.post("/settings/desk/people", {"name": "Ben"})
    await put(program, "/basics", {"name": "Canary", "time_zone": "UTC"})

    assert (await theirs.get("/settings/desk")).body["people"] == {}
    assert (await theirs.get("/settings")).body["name"] != "Canary"
    assert (await theirs.call("PUT", "/settings/desk/people/ben", {"name": "Stolen"})).status == 404
    assert (await theirs.call("DELETE", "/settings/desk/people/ben")).status == 404
