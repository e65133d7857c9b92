"""A channel that far more comes in through than may: one message a while is refused on record, the others are sent
back."""

from datetime import timedelta

import pytest
from fastapi import FastAPI

from gateway.full import LASTS, Full
from konstruct.errors import TooMany
from konstruct.tables import Tenant
from tests.gateway.conftest import OpenOffice
from tests.gateway.office import Office
from tests.support.slack_double import SlackDouble
from tests.support.whatsapp_posts import Number, post, posted


@pytest.mark.parametrize("scope", ["connection", "tenant"])
async def test_what_comes_behind_a_refusal_is_sent_back_and_nobody_elses_is(
    slack: SlackDouble, gateway: str, new_office: OpenOffice, scope: str
) -> None:
    office, other = await new_office(limits={scope: "1/hour"}), await new_office()

    async def says(whose: Office, person: str) -> list[int | None]:
        said = await slack.person_says(whose.workspace.dm_with(person).id, person, "hi", team=whose.workspace.team_id)
        return [delivery.status for delivery in said.deliveries]

    assert await says(office, "U1") == [200]
    assert await says(office, "U2") == [200]
    assert set(await says(office, "U3")) == {429}
    assert await says(other, "U4") == [200]

    states = sorted((message.direction, message.state) for message in await office.messages())
    assert states == [("inbound", "received"), ("inbound", "refused"), ("outbound", "pending")]


async def test_a_person_who_writes_too_much_sends_nobody_elses_back(
    slack: SlackDouble, gateway: str, new_office: OpenOffice
) -> None:
    office = await new_office(limits={"contact": "1/hour"})
    for person in ("U1", "U1", "U2"):
        said = await slack.person_says(office.workspace.dm_with(person).id, person, "hello")
        assert [delivery.status for delivery in said.deliveries] == [200]


async def test_whatsapps_messages_are_sent_back_alike_and_what_became_of_ours_is_taken(
    hears_whatsapp: FastAPI, number: Number
) -> None:
    async with number.office.session() as session:
        (await session.get_one(Tenant, number.office.tenant_id)).limits = {"connection": "1/hour"}
    people = ("16505550001", "16505550002", "16505550003")

    answers = [await post(hears_whatsapp, posted(number.messages(number.text("hi", wa_id=one)))) for one in people]

    assert [answer.status for answer in answers] == [200, 200, 429]
    assert await number.office.states() == ["received", "refused", "pending"]
    assert (await post(hears_whatsapp, posted(number.status("wamid.1", "read")))).status == 200


def test_a_channel_is_full_for_a_while_after_the_last_refusal() -> None:
    now = 0.0
    full = Full(lambda: now)
    full.refuse("T1")
    full.note("T1")
    with pytest.raises(TooMany, match="come again") as told:
        full.refuse("T1")
    assert told.value.retry_after == LASTS
    full.refuse("T2")
    now = LASTS / timedelta(seconds=1)
    full.refuse("T1")
