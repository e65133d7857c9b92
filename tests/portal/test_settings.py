"""A tenant's settings in the portal: what is typed wrong stays and is told, what is right is saved and noted."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import update
from sqlmodel import col, select

from konstruct import retention, tenant_settings
from konstruct.desk import hours, people
from konstruct.desk.people import Group
from konstruct.retention import Periods
from konstruct.tables import AuditEvent, Message
from portal.pages.settings.desk import shown
from tests.support.members import Enrolled, enrolled, let_time_pass
from tests.support.office import Office


@pytest.fixture
async def owner(office: Office, portal: httpx.AsyncClient) -> Enrolled:
    person = await enrolled(office.database, office.vault, tenant=office.tenant_id)
    portal.cookies.update(person.cookies)
    return person


def at(person: Enrolled, path: str = "") -> str:
    return f"/t/{person.slug}/settings{path}"


async def send(portal: httpx.AsyncClient, person: Enrolled, path: str, **fields: Any) -> httpx.Response:
    return await portal.post(at(person, path), data=fields)


def told(answer: httpx.Response) -> str:
    return re.sub(r"\s+", " ", answer.text)


async def test_each_part_is_saved_by_itself_by_whoever_did_it(
    portal: httpx.AsyncClient, owner: Enrolled, office: Office
) -> None:
    assert (await send(portal, owner, "/basics", name="Acme & Sons", time_zone="Europe/Vienna")).status_code == 303
    await send(portal, owner, "/default-models", model=["openai/gpt-5.4", "", "local/smollm2"])
    await send(portal, owner, "/limits", contact="5/minute", connection="", tenant="")
    await send(
        portal,
        owner,
        "/approvals",
        connection="slack",
        channel="C024BE91L",
        deciders="U012AB3CD, U0LINUS",
        expires_after="6 hours",
    )
    async with office.session() as session:
        kept = await tenant_settings.read(session)
    assert (kept.name, kept.time_zone) == ("Acme & Sons", "Europe/Vienna")
    assert kept.models == ["openai/gpt-5.4", "local/smollm2"]
    assert kept.limits == {"contact": "5/minute"}
    assert kept.approvals["deciders"] == ["U012AB3CD", "U0LINUS"]
    assert {event.actor for event in await office.events("tenant.changed")} == {owner.actor}
    page = (await portal.get(at(owner))).text
    for shown_there in ("Acme &amp; Sons", "5 messages a minute", "6 hours", "U0LINUS"):
        assert shown_there in page


@pytest.mark.parametrize(
    ("path", "fields", "sentence", "kept"),
    [
        ("/basics", {"name": "Acme <b>", "time_zone": "Vienna"}, "must be a time zone", "Acme &lt;b&gt;"),
        ("/default-models", {"model": "gpt-nine"}, "must be provider/model", "gpt-nine"),
        ("/limits", {"contact": "plenty"}, "must be a number in a time", "plenty"),
        ("/approvals", {"connection": "slack", "channel": ""}, "Enter the channel", "slack"),
        ("/desk/place", {"connection": "slack", "channel": "general"}, "must be a channel", "general"),
        ("/retention", {"messages": "a year"}, "Enter a whole number of days", "a year"),
    ],
)
async def test_what_is_typed_wrong_stays_and_is_told(
    portal: httpx.AsyncClient, owner: Enrolled, path: str, fields: dict[str, str], sentence: str, kept: str
) -> None:
    answer = await send(portal, owner, path, **fields)
    assert answer.status_code == 422
    assert "data-error-summary" in answer.text
    assert sentence in answer.text
    assert kept in answer.text


async def test_people_and_groups_come_to_the_desk_and_go(
    portal: httpx.AsyncClient, owner: Enrolled, office: Office
) -> None:
    assert "Nobody is at the desk yet" in (await portal.get(at(owner, "/desk"))).text
    assert f'value="{owner.email}"' in (await portal.get(at(owner, f"/desk/people/new?of_team={owner.email}"))).text
    await send(portal, owner, "/desk/people/new", name="Grace Hopper", slack="U012AB3CD", email="")
    await send(portal, owner, "/desk/people/new", name="Linus", slack="", email="linus@example.com")
    hours_ = {"open": "hours", "hours.mon": "09:00-17:00", "hours.closed": "2026-12-25", "remind_every": "20 minutes"}
    answer = await send(
        portal, owner, "/desk/groups/new", name="Front desk", people=["grace-hopper"], ring="in_order", **hours_
    )
    assert answer.status_code == 303
    async with office.session() as session:
        desk = await people.settings(session)
    assert [group.key for group in desk.groups] == ["front-desk"]
    assert desk.groups[0].hours is not None
    page = (await portal.get(at(owner, "/desk/groups/front-desk"))).text
    for there in ('value="09:00-17:00"', "2026-12-25", 'value="20 minutes"'):
        assert there in page
    await send(portal, owner, "/desk/people/grace-hopper/remove")
    assert "the only one in" in (await portal.get(at(owner, "/desk"))).text
    await send(portal, owner, "/desk/groups/front-desk/remove")
    await send(portal, owner, "/desk/people/grace-hopper/remove")
    async with office.session() as session:
        desk = await people.settings(session)
    assert ([each.key for each in desk.people], desk.groups) == (["linus"], ())
    for path in ("/desk/people/nobody", "/desk/groups/nobody"):
        assert (await portal.get(at(owner, path))).status_code == 404


async def test_a_group_that_cannot_be_keeps_what_was_typed(portal: httpx.AsyncClient, owner: Enrolled) -> None:
    await send(portal, owner, "/desk/people/new", name="Grace")
    answer = await send(
        portal, owner, "/desk/groups/new", name="Front", people=["grace"], open="hours", **{"hours.tue": "nine to five"}
    )
    assert answer.status_code == 422
    assert 'value="nine to five"' in answer.text
    assert "must be times such as 09:00-12:00" in answer.text
    assert re.search(r'value="grace"[^>]* checked', answer.text)
    answer = await send(portal, owner, "/desk/groups/new", name="Front", open="hours")
    assert "at least one day" in answer.text


MONDAY = datetime(2026, 11, 30, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("days", "now", "is_open", "told_"),
    [
        ({"mon": "09:00-17:00"}, MONDAY, True, "Open now, until 17:00"),
        ({"mon": "09:00-17:00"}, MONDAY + timedelta(hours=8), False, "Opens Mon 7 Dec 09:00"),
        ({"tue": "09:00-17:00"}, MONDAY, False, "Opens Tue 09:00"),
        ({"mon": "14:00-17:00"}, MONDAY, False, "Opens 14:00"),
        ({"mon": "10:00-06:00"}, MONDAY, True, "Open now, until Tue 06:00"),
    ],
)
def test_a_group_says_when_it_opens_and_closes(days: dict[str, str], now: datetime, is_open: bool, told_: str) -> None:
    found = shown(Group("g", hours=hours.read("UTC", days)), now, is_default=False)
    assert (found.is_open, found.told) == (is_open, told_)
    assert shown(Group("g"), now, is_default=True).told == "Always open"


async def test_a_shorter_time_is_confirmed_after_what_it_removes_was_shown(
    portal: httpx.AsyncClient, owner: Enrolled, office: Office
) -> None:
    await office.exchange("Long ago")
    async with office.session() as session:
        await session.execute(update(Message).values(created_at=col(Message.created_at) - timedelta(days=50)))
    answer = await send(portal, owner, "/retention", messages="30", files="", memories="")
    assert answer.status_code == 200
    assert '<dt>Messages</dt><dd class="nums">2</dd>' in answer.text
    async with office.session() as session:
        assert await retention.settings(session) == Periods()
    typed = {"messages": "30", "files": "", "memories": ""}
    assert (await send(portal, owner, "/retention", **typed, confirmation="yes")).status_code == 422
    assert (await send(portal, owner, "/retention", **typed, confirmation=owner.slug)).status_code == 303
    async with office.session() as session:
        assert await retention.settings(session) == Periods(messages=30)
        event = (await session.scalars(select(AuditEvent).where(AuditEvent.action == "retention.changed"))).one()
    assert event.actor == owner.actor
    # A longer one needs no such thing.
    assert (await send(portal, owner, "/retention", messages="60")).status_code == 303


SECTIONS = ["", "/models", "/desk", "/retention"]


@pytest.mark.parametrize("path", SECTIONS)
async def test_sections_lead_to_each_other_and_are_for_owners_and_admins(
    portal: httpx.AsyncClient, owner: Enrolled, office: Office, path: str
) -> None:
    page = await portal.get(at(owner, path))
    assert page.status_code == 200
    for other in SECTIONS:
        assert f'href="{at(owner, other)}"' in page.text
    agent = await enrolled(office.database, office.vault, "agent", office.tenant_id)
    stranger = await enrolled(office.database, office.vault)
    for person, status in ((agent, 403), (stranger, 404)):
        portal.cookies.clear()
        portal.cookies.update(person.cookies)
        assert (await portal.get(at(owner, path))).status_code == status


@pytest.mark.parametrize(
    "path",
    [
        *("/basics", "/default-models", "/limits", "/approvals", "/retention", "/desk/place"),
        *("/desk/people/new", "/desk/people/grace/remove", "/desk/groups/new", "/desk/groups/front/remove"),
    ],
)
async def test_nobody_else_changes_anything(
    portal: httpx.AsyncClient, owner: Enrolled, office: Office, path: str
) -> None:
    viewer = await enrolled(office.database, office.vault, "viewer", office.tenant_id)
    stranger = await enrolled(office.database, office.vault)
    for person, status in ((viewer, 403), (stranger, 404)):
        portal.cookies.clear()
        portal.cookies.update(person.cookies)
        assert (await send(portal, owner, path, name="Not yours", time_zone="UTC")).status_code == status
    assert await office.events("tenant.changed") == []


async def test_an_owner_deletes_the_business_by_its_name_and_nobody_finds_it_again(
    portal: httpx.AsyncClient, owner: Enrolled, office: Office
) -> None:
    assert f'href="{at(owner, "/delete")}"' in (await portal.get(at(owner))).text
    assert "<dt>Employees</dt>" in (await portal.get(at(owner, "/delete"))).text
    assert (await send(portal, owner, "/delete", confirmation="yes")).status_code == 422
    assert (await portal.get(at(owner))).status_code == 200
    answer = await send(portal, owner, "/delete", confirmation=owner.slug)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert (await portal.get(at(owner))).status_code == 404
    [event] = await office.events("tenant.deleted")
    assert event.actor == owner.actor


async def test_only_an_owner_who_has_just_shown_who_they_are_deletes_it(
    portal: httpx.AsyncClient, owner: Enrolled, office: Office
) -> None:
    admin = await enrolled(office.database, office.vault, "admin", office.tenant_id)
    await let_time_pass(office.database, owner)
    answer = await send(portal, owner, "/delete", confirmation=owner.slug)
    assert answer.headers["location"].startswith("/account/confirm")
    portal.cookies.clear()
    portal.cookies.update(admin.cookies)
    assert (await send(portal, owner, "/delete", confirmation=owner.slug)).status_code == 403
    assert "Delete the business" not in (await portal.get(at(owner))).text
    assert await office.events("tenant.deleted") == []


async def test_the_palette_finds_a_section_by_what_is_in_it(portal: httpx.AsyncClient, owner: Enrolled) -> None:
    found = await portal.get(f"/t/{owner.slug}/search", params={"q": "time zone"})
    assert f'"{at(owner)}"' in found.text
    assert f'"{at(owner, "/retention")}"' not in found.text
    assert f'"{at(owner, "/desk")}"' in (await portal.get(f"/t/{owner.slug}/search", params={"q": "Holid"})).text
