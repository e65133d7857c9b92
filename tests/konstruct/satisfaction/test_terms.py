"""What a tenant may choose, and that the trail has it."""

from typing import Any

import pytest

from konstruct.errors import Mistakes
from konstruct.satisfaction import terms
from konstruct.satisfaction.terms import Terms
from tests.support.office import Office

CHOSEN: dict[str, Any] = {
    "enabled": True,
    "after_person": True,
    "after_quiet": False,
    "quiet_minutes": 45,
    "every_days": 14,
    "employees": ["ada"],
    "connections": ["slack"],
    "question": "Was it quick?",
}


async def change(office: Office, **changed: Any) -> list[str]:
    async with office.session() as session:
        return await terms.change(session, office.tenant_id, CHOSEN | changed, actor="user:x")


async def test_nobody_is_asked_unless_the_tenant_chooses_it(office: Office) -> None:
    async with office.session() as session:
        assert (await terms.read(session)) == Terms()
    assert not Terms().enabled


async def test_what_is_chosen_is_kept_and_on_record(office: Office) -> None:
    assert await change(office) == ["satisfaction"]
    async with office.session() as session:
        assert await terms.read(session) == Terms(**CHOSEN | {"employees": ("ada",), "connections": ("slack",)})
    [event] = await office.events("tenant.changed")
    assert event.actor == "user:x"
    assert event.detail["after"]["satisfaction"]["quiet_minutes"] == 45
    assert await change(office) == []


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"quiet_minutes": 1}, "quiet_minutes"),
        ({"quiet_minutes": 10_000}, "quiet_minutes"),
        ({"every_days": 0}, "every_days"),
        ({"question": "x" * 301}, "question"),
        ({"employees": ["nobody"]}, "employees"),
        ({"connections": ["nowhere"]}, "connections"),
        ({"after_person": False, "after_quiet": False}, "after_quiet"),
    ],
    ids=str,
)
async def test_what_cannot_be_is_told_of_by_its_field(office: Office, changed: dict[str, Any], field: str) -> None:
    with pytest.raises(Mistakes) as told:
        await change(office, **changed)
    assert list(told.value.fields) == [field]
