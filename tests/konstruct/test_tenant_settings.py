"""What a tenant says of itself is held to the manifest's rules, and every change is in its trail."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from konstruct import approvals, tenant_settings
from konstruct.errors import Mistakes
from konstruct.tenant_settings import Kept
from tests.support.office import Office

Change = Callable[..., Awaitable[list[str]]]


async def read(office: Office) -> Kept:
    async with office.session() as session:
        return await tenant_settings.read(session)


async def change(office: Office, how: Change, *given: Any, **named: Any) -> list[str]:
    async with office.session() as session:
        return await how(session, office.tenant_id, *given, **named, actor="user:ada")


async def test_every_part_is_changed_by_itself_and_noted_before_and_after(office: Office) -> None:
    assert await change(office, tenant_settings.change_basics, name="Acme Cycles", time_zone="Europe/Vienna") == [
        "name",
        "time_zone",
    ]
    await change(office, tenant_settings.change_models, ["openai/gpt-5.4", "local/smollm2"])
    await change(office, tenant_settings.change_limits, {"contact": "5/minute", "tenant": " "})
    kept = await read(office)
    assert (kept.name, kept.time_zone) == ("Acme Cycles", "Europe/Vienna")
    assert kept.models == ["openai/gpt-5.4", "local/smollm2"]
    assert kept.limits == {"contact": "5/minute"}
    events = await office.events("tenant.changed")
    assert [event.actor for event in events] == ["user:ada"] * 3
    assert events[0].detail["before"] == {"name": "Acme Bikes", "time_zone": "UTC"}
    assert events[2].detail["after"] == {"limits": {"contact": "5/minute"}}


async def test_what_is_as_it_was_is_not_written(office: Office) -> None:
    assert await change(office, tenant_settings.change_basics, name="Acme Bikes", time_zone="UTC") == []
    assert await office.events("tenant.changed") == []


async def test_approvals_are_asked_for_where_the_tenant_has_a_channel(office: Office) -> None:
    wanted = {"connection": "slack", "channel": "C024BE91L", "deciders": ["U012AB3CD"], "expires_after": "6 hours"}
    await change(office, tenant_settings.change_approvals, wanted)
    async with office.session() as session:
        settings = await approvals.settings(session)
    assert (settings.connection_key, settings.channel, settings.deciders) == ("slack", "C024BE91L", ("U012AB3CD",))
    assert settings.expires_after.total_seconds() == 21_600


@pytest.mark.parametrize(
    ("how", "given", "field", "told"),
    [
        (tenant_settings.change_models, (["gpt-5"],), "models", "must be provider/model"),
        (tenant_settings.change_models, (["openai/gpt-5.4"] * 2,), "models", "each model once"),
        (tenant_settings.change_limits, ({"contact": "many"},), "contact", "such as 20/minute"),
        (tenant_settings.change_approvals, ({"connection": "other", "channel": "C1"},), "connection", "Choose one"),
        (tenant_settings.change_approvals, ({"channel": "C024BE91L"},), "connection", "Choose the workspace"),
        (tenant_settings.change_approvals, ({"connection": "slack"},), "channel", "Enter the channel's id"),
        (tenant_settings.change_approvals, ({"expires_after": "soon"},), "expires_after", "such as 30 minutes"),
        (tenant_settings.change_approvals, ({"deciders": ["grace"]},), "deciders", "a user's id"),
    ],
)
async def test_what_cannot_be_is_told_beside_its_field(
    office: Office, how: Change, given: tuple[Any, ...], field: str, told: str
) -> None:
    before = await read(office)
    with pytest.raises(Mistakes) as raised:
        await change(office, how, *given)
    assert told in raised.value.fields[field]
    assert await read(office) == before


@pytest.mark.parametrize(
    ("name", "zone", "field"), [("", "UTC", "name"), ("x" * 81, "UTC", "name"), ("Acme", "Vienna", "time_zone")]
)
async def test_a_name_or_zone_that_is_none_is_refused(office: Office, name: str, zone: str, field: str) -> None:
    with pytest.raises(Mistakes) as raised:
        await change(office, tenant_settings.change_basics, name=name, time_zone=zone)
    assert list(raised.value.fields) == [field]
