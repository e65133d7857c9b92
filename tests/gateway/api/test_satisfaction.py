"""Whether contacts are asked, over the API: read and set whole, by a key that may."""

import pytest

from tests.gateway.programs import Program, program_of
from tests.support.office import Office


async def test_it_is_off_until_it_is_set(program: Program, office: Office) -> None:
    answer = await program.get("/settings/satisfaction")
    assert (answer.status, answer.body["enabled"], answer.body["quiet_minutes"]) == (200, False, 30)

    wanted = {"enabled": True, "after_person": False, "quiet_minutes": 45, "employees": ["ada"]}
    answer = await program.call("PUT", "/settings/satisfaction", wanted)

    assert answer.status == 200
    assert answer.body == (await program.get("/settings/satisfaction")).body
    assert {name: answer.body[name] for name in wanted} == wanted
    assert answer.body["after_quiet"] is True
    [event] = await office.events("tenant.changed")
    assert event.actor == "api:back-office"


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        ({"enabled": True, "employees": ["nobody"]}, "nobody"),
        ({"quiet_minutes": 1}, "quiet_minutes"),
        ({"unknown": 1}, "unknown"),
        ({"enabled": True, "after_person": False, "after_quiet": False}, "Choose when"),
    ],
    ids=str,
)
async def test_what_cannot_be_is_told_of(program: Program, wanted: dict[str, object], says: str) -> None:
    answer = await program.call("PUT", "/settings/satisfaction", wanted)
    assert answer.status == 422
    assert says in answer.body["error"]


async def test_a_key_that_may_only_read_sets_nothing(office: Office, api: str) -> None:
    reader = await program_of(office, api, "settings:read")
    assert (await reader.get("/settings/satisfaction")).status == 200
    assert (await reader.call("PUT", "/settings/satisfaction", {"enabled": True})).status == 403
