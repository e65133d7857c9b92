"""The page of outcomes: what became of conversations, why people were asked, and how that ended."""

import csv
import io
import re

import httpx
import pytest

from konstruct.db import Database
from konstruct.handoffs.owning import Wish
from konstruct.tables import Rating, Tenant
from konstruct.vault import Vault
from tests.portal.channels import sign_in
from tests.support.handoffs import claim, hand_back, hand_off, seat
from tests.support.members import Enrolled, enrolled
from tests.support.office import Office, open_office


@pytest.fixture
async def office(database: Database, vault: Vault) -> Office:
    office = await open_office(database, vault)
    await seat(office)
    return office


@pytest.fixture
async def viewer(office: Office) -> Enrolled:
    return await enrolled(office.database, office.vault, "viewer", office.tenant_id)


@pytest.fixture
async def happened(office: Office) -> None:
    """Two answered alone, one given back by a person, one for whom nobody came yet; one satisfied."""
    alone = await office.exchange("Hi", "Yes?", root="1.0")
    await office.exchange("Hello", "Yes?", root="2.0", contact="U2")
    handoff_id = await hand_off(office, await office.say("A person!", root="3.0", contact="U3"))
    await claim(office, handoff_id)
    await hand_back(office, handoff_id)
    angry = Wish("rule", "r", "x", rule="=angry", target="grace")
    await hand_off(office, await office.say("Now!", root="4.0", contact="U4"), angry)
    conversation = (await office.conversations())[0]
    async with office.session() as session:
        session.add(
            Rating(
                tenant_id=office.tenant_id,
                conversation_id=alone.conversation_id,
                contact_id=conversation.contact_id,
                employee_id=office.employee_id,
                score=4,
            )
        )


async def opened(portal: httpx.AsyncClient, who: Enrolled, path: str = "outcomes") -> str:
    sign_in(portal, who)
    answer = await portal.get(f"/t/{who.slug}/{path}")
    assert answer.status_code == 200
    return answer.text


def card(page: str, title: str) -> str:
    [value] = re.findall(rf'aria-label="{title}">.*?<data [^>]*>(.*?)</data>', page, re.DOTALL)
    assert isinstance(value, str)
    return value


def texts(page: str, where: str) -> list[list[str]]:
    part = page[page.index(f'id="{where}"') :].partition("</section>")[0]
    cells = [
        re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL) for row in re.findall(r"<tr.*?</tr>", part, re.DOTALL)
    ]
    return [[re.sub(r"<[^>]+>", "", cell).strip() for cell in row] for row in cells]


@pytest.mark.usefixtures("happened")
async def test_what_became_of_conversations_is_told(portal: httpx.AsyncClient, viewer: Enrolled) -> None:
    page = await opened(portal, viewer)
    assert card(page, "Conversations") == "4"
    assert card(page, "Resolved without a person") == "50.0%"
    assert card(page, "With people") == "50.0%"
    assert card(page, "Satisfaction") == "4.0 of 5"
    reasons = [row[:4] for row in texts(page, "reasons")[1:]]
    assert reasons == [
        ["The employee asked for a person", "–", "Anybody", "1"],
        ["A rule", "=angry", "Grace Hopper", "1"],
    ]
    assert [row[:4] for row in texts(page, "rows")[1:]] == [["Ada", "4", "50.0%", "50.0%"]]
    channels = texts(await opened(portal, viewer, "outcomes?by=channel"), "rows")
    assert [row[1:4] for row in channels[1:]] == [["4", "50.0%", "50.0%"]]
    assert "It is resolved without a person if" in page
    assert 'aria-label="Handed back to the employee: 50.0%"' in page
    assert 'aria-label="4 of 5: 100.0%"' in page


@pytest.mark.usefixtures("happened")
async def test_the_sheet_holds_every_day(portal: httpx.AsyncClient, viewer: Enrolled) -> None:
    sign_in(portal, viewer)
    answer = await portal.get(f"/t/{viewer.slug}/outcomes/shown.csv?range=7")
    lines = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert [line["conversations"] for line in lines] == ["0"] * 6 + ["4"]
    last = lines[-1]
    assert (last["resolved_without_a_person"], last["with_people"], last["handoffs"]) == ("2", "2", "2")
    assert (last["rated"], last["rated_4"], last["time_zone"]) == ("1", "1", "UTC")


async def test_where_nobody_wrote_there_is_one_way_on(portal: httpx.AsyncClient, viewer: Enrolled) -> None:
    page = await opened(portal, viewer)
    assert "Nobody wrote in these days" in page
    assert "<canvas" not in page
    assert "See the channels" in await opened(portal, viewer, "outcomes?range=365")


@pytest.mark.usefixtures("happened")
async def test_what_retention_has_let_go_of_is_told(
    portal: httpx.AsyncClient, office: Office, viewer: Enrolled
) -> None:
    assert "may be missing" not in await opened(portal, viewer)
    async with office.session() as session:
        (await session.get_one(Tenant, office.tenant_id)).retention = {"messages": 10}
    assert "Older hand-offs may be missing" in await opened(portal, viewer)
    assert "may be missing" not in await opened(portal, viewer, "outcomes?range=7")
