"""The desk is changed one person or group at a time, never into what a manifest could not say."""

from typing import Any

import pytest

from konstruct import tenant_settings
from konstruct.desk import editing, people
from konstruct.errors import Conflict, Mistakes, NotFound
from tests.support.handoffs import owned, seat
from tests.support.office import Office
from tests.support.workshop import publish, set_tenant

GRACE = {"name": "Grace Hopper", "slack": "U012AB3CD", "email": "grace@example.com"}


async def person(office: Office, key: str | None = None, **fields: Any) -> str:
    async with office.session() as session:
        return await editing.put_person(session, office.tenant_id, key, fields, actor="user:ada")


async def group(office: Office, key: str | None = None, *, name: str = "", is_default: bool = False, **how: Any) -> str:
    async with office.session() as session:
        return await editing.put_group(
            session, office.tenant_id, key, how, name=name, is_default=is_default, actor="user:ada"
        )


async def remove_person(office: Office, key: str) -> None:
    async with office.session() as session:
        await editing.remove_person(session, office.tenant_id, key, actor="user:ada")


async def remove_group(office: Office, key: str) -> None:
    async with office.session() as session:
        await editing.remove_group(session, office.tenant_id, key, actor="user:ada")


async def desk(office: Office) -> people.Desk:
    async with office.session() as session:
        return await people.settings(session)


async def test_what_is_put_there_is_what_the_desk_goes_by(office: Office) -> None:
    key = await person(office, **GRACE)
    hours = {"mon": "09:00-12:00, 13:00-17:00", "closed": ["2026-12-25"]}
    name = await group(office, name="Front Desk", people=[key], hours=hours, ring="in_order", remind_every="20 minutes")
    found = (await desk(office)).group_for(name)
    assert (key, name) == ("grace-hopper", "front-desk")
    assert [each.name for each in found.people] == ["Grace Hopper"]
    assert (found.ring, found.remind_every.total_seconds()) == ("in_order", 1_200)
    assert found.hours is not None
    async with office.session() as session:
        loaded = await editing.load(session)
    assert loaded["groups"][name]["remind_every"] == "20 minutes"
    assert loaded["groups"][name]["hours"]["mon"] == hours["mon"]


async def test_nobody_has_the_address_of_the_page_that_adds_people(office: Office) -> None:
    assert await person(office, name="New") == "new-2"
    assert await group(office, name="New", people=["new-2"]) == "new-3"


async def test_two_of_one_name_have_keys_of_their_own(office: Office) -> None:
    keys = [await person(office, name="Grace"), await person(office, name="Grace")]
    assert keys == ["grace", "grace-2"]
    assert await group(office, name="Grace", people=keys) == "grace-3"


@pytest.mark.parametrize(
    ("fields", "field", "told"),
    [
        ({"name": ""}, "name", "This is empty."),
        ({"name": "Grace", "slack": "grace"}, "slack", "This must be a user's id such as U012AB3CD."),
        ({"name": "Grace", "email": "two @ addresses"}, "email", "This must be one address."),
        ({"name": "葛"}, "name", "begins with a letter"),
    ],
)
async def test_a_person_that_cannot_be_is_told_field_by_field(
    office: Office, fields: dict[str, str], field: str, told: str
) -> None:
    with pytest.raises(Mistakes) as raised:
        await person(office, **fields)
    assert list(raised.value.fields) == [field]
    assert told in raised.value.fields[field]
    assert (await desk(office)).people == ()


async def test_a_slack_user_is_one_persons(office: Office) -> None:
    await person(office, **GRACE)
    with pytest.raises(Mistakes) as raised:
        await person(office, **{**GRACE, "name": "Linus"})
    assert list(raised.value.fields) == ["slack"]


@pytest.mark.parametrize(
    ("how", "field", "told"),
    [
        ({"people": []}, "people", "at least one"),
        ({"people": ["nobody"]}, "people", "nobody of the desk's people"),
        ({"people": ["grace"], "hours": {"mon": "9-5"}}, "hours.mon", "must be times such as 09:00-12:00"),
        ({"people": ["grace"], "hours": {"mon": "09:00-12:00, 11:00-13:00"}}, "hours.mon", "has ended"),
        ({"people": ["grace"], "hours": {}}, "hours", "at least one day"),
        ({"people": ["grace"], "hours": {"mon": "09:00-17:00", "closed": ["25.12."]}}, "hours.closed", "such as 2026"),
        ({"people": ["grace"], "give_up_after": "9 weeks"}, "give_up_after", "at most 4 weeks"),
    ],
)
async def test_a_group_that_cannot_be_is_told_field_by_field(
    office: Office, how: dict[str, Any], field: str, told: str
) -> None:
    await person(office, name="Grace")
    with pytest.raises(Mistakes) as raised:
        await group(office, name="Front", **how)
    assert field in raised.value.fields
    assert told in raised.value.fields[field]
    assert (await desk(office)).groups == ()


async def test_with_several_groups_one_has_what_names_nobody(office: Office) -> None:
    key = await person(office, name="Grace")
    first = await group(office, name="First", people=[key])
    second = await group(office, name="Second", people=[key])
    assert (await desk(office)).default.key == first
    with pytest.raises(Conflict, match="let another group have those first"):
        await add_third_and_remove(office, key, first)
    await group(office, second, people=[key], is_default=True)
    await remove_group(office, first)
    assert (await desk(office)).default.key == second


async def add_third_and_remove(office: Office, key: str, first: str) -> None:
    await group(office, name="Third", people=[key])
    await remove_group(office, first)


async def test_who_has_a_conversation_stays(office: Office) -> None:
    await seat(office)
    await owned(office, await office.say("I want a person"))
    with pytest.raises(Conflict, match="Grace Hopper has a conversation: hand back or pass on"):
        await remove_person(office, "grace")
    await remove_person(office, "linus")
    assert [each.key for each in (await desk(office)).people] == ["grace"]


async def test_who_is_alone_in_a_group_stays(office: Office) -> None:
    key = await person(office, name="Grace")
    await group(office, name="Front", people=[key])
    with pytest.raises(Conflict, match="the only one in “front”"):
        await remove_person(office, key)


async def test_what_a_published_employee_hands_over_to_stays(office: Office) -> None:
    key = await person(office, name="Grace")
    other = await person(office, name="Linus")
    name = await group(office, name="Refunds", people=[key, other])
    rule = {"name": "money", "when": {"keywords": ["refund"]}, "then": {"hand_off": {"to": name}}}
    await publish(office, escalation=[rule])
    with pytest.raises(Conflict, match="Ada hands over to “refunds”: change Ada's rules"):
        await remove_group(office, name)
    await remove_person(office, other)
    assert (await desk(office)).groups[0].people == ((await desk(office)).agent(key),)


async def test_what_was_removed_meanwhile_is_said_to_be(office: Office) -> None:
    for attempt in (
        remove_person(office, "nobody"),
        remove_group(office, "nobody"),
        person(office, "nobody", name="X"),
    ):
        with pytest.raises(NotFound):
            await attempt
    key = await person(office, name="Grace")
    with pytest.raises(NotFound):
        await group(office, "nobody", people=[key])


async def test_the_trail_tells_groups_before_and_after_and_of_people_that_they_changed(office: Office) -> None:
    key = await person(office, **GRACE)
    await person(office, key, **{**GRACE, "email": "hopper@example.com"})
    name = await group(office, name="Front", people=[key])
    await group(office, name, people=[key], ring="in_order")
    await group(office, name, people=[key], ring="in_order")
    [changed] = await office.events("desk.person_changed")
    assert (changed.actor, changed.detail) == ("user:ada", {"key": key, "fields": ["email"]})
    [regrouped] = await office.events("desk.group_changed")
    assert regrouped.detail["before"] == {"people": [key]}
    assert regrouped.detail["after"] == {"people": [key], "ring": "in_order"}


async def test_handoffs_are_shown_in_a_channel_of_a_workspace_of_the_tenants(office: Office) -> None:
    async with office.session() as session:
        await editing.put_place(session, office.tenant_id, "slack", "C024BE91L", actor="user:ada")
    found = await desk(office)
    assert (found.connection_key, found.channel) == ("slack", "C024BE91L")
    for connection, channel, field in (("other", "C024BE91L", "connection"), ("slack", None, "channel")):
        async with office.session() as session:
            with pytest.raises(Mistakes) as raised:
                await editing.put_place(session, office.tenant_id, connection, channel, actor="user:ada")
        assert list(raised.value.fields) == [field]


async def test_what_a_manifest_wrote_is_gone_on_from(office: Office) -> None:
    kept = {"groups": {"front": {"people": ["grace"], "remind_every_seconds": 900}}, "people": {"grace": {"name": "G"}}}
    await set_tenant(office, desk=kept)
    await person(office, name="Linus")
    async with office.session() as session:
        settings = await tenant_settings.locked(session, office.tenant_id)
    assert settings.desk["groups"] == kept["groups"]
