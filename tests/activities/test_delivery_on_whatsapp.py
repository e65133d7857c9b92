"""Delivery to the pretended WhatsApp: what is sent, what is given up, and what that says of the connection."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from uuid import UUID

import pytest
from pydantic import SecretStr
from temporalio.testing import ActivityEnvironment

from activities.delivery import Delivery
from konstruct import connections
from konstruct.adapters.slack import open_session
from konstruct.adapters.whatsapp import WhatsAppMessenger
from konstruct.adapters.whatsapp_calls import ACCESS_TOKEN
from konstruct.contracts.conversation import Delivered, DeliverRequest
from konstruct.errors import ChannelRateLimited, SendUncertain
from konstruct.inbox import Accepted
from konstruct.tables import Connection
from tests.support.doubles import KeptWindows
from tests.support.graph_double import GraphDouble, Number, Person
from tests.support.office import Office


@dataclass(frozen=True)
class Shop:
    """An office that is also on WhatsApp, where somebody has just written."""

    office: Office
    graph: GraphDouble
    number: Number
    person: Person
    asked: Accepted
    delivery: Delivery

    async def deliver(self, message_ids: list[UUID]) -> Delivered:
        request = DeliverRequest(self.office.tenant_id, self.asked.conversation_id, message_ids)
        return await ActivityEnvironment().run(self.delivery.deliver, request)


@pytest.fixture
async def shop(office: Office) -> AsyncIterator[Shop]:
    async with GraphDouble().running() as graph, open_session() as http:
        number, person = graph.add_number(), graph.person(user_id="US.1")
        async with office.session() as session:
            connection_id = await connections.install(
                *(session, office.vault, office.tenant_id),
                key="phone",
                kind="whatsapp",
                account=number.phone_number_id,
                external=number.external(),
                secrets={ACCESS_TOKEN: SecretStr(number.token)},
                employee_key="ada",
                actor="test",
            )
        said = await graph.person_says(number, person, "Do you repair bikes?")
        on_phone = replace(office, connection_id=connection_id)
        asked = await on_phone.say(
            "Do you repair bikes?",
            channel=number.phone_number_id,
            root=person.key,
            contact=person.key,
            external_id=said.id,
        )
        messengers = {"whatsapp": WhatsAppMessenger(http, graph.api_url)}
        delivery = Delivery(office.database, office.vault, messengers, KeptWindows())
        yield Shop(on_phone, graph, number, person, asked, delivery)


async def test_an_answer_reaches_the_phone_and_carries_our_id(shop: Shop) -> None:
    [part] = await shop.office.answer(shop.asked, "We do!")
    assert await shop.deliver([part]) == Delivered("sent")
    [sent] = shop.graph.sent(shop.number, shop.person)
    assert (sent.text, sent.opaque, sent.body["recipient"]) == ("We do!", str(part), "US.1")
    assert "context" not in sent.body
    assert (await shop.office.message(part)).external_id == sent.id


async def test_where_the_contact_has_written_on_an_answer_names_its_question(shop: Shop) -> None:
    question = (await shop.office.message(shop.asked.message_id)).external_id
    [first, second] = await shop.office.answer(shop.asked, "We do!", "Also on Sundays.")
    said = await shop.graph.person_says(shop.number, shop.person, "And trikes?")
    key = shop.person.key
    await shop.office.say(
        "And trikes?", channel=shop.number.phone_number_id, root=key, contact=key, external_id=said.id
    )
    assert await shop.deliver([first, second]) == Delivered("sent")
    contexts = [sent.body.get("context") for sent in shop.graph.sent(shop.number, shop.person)]
    assert contexts == [{"message_id": question}, None]


async def test_too_much_for_one_person_waits_and_is_sent_once(shop: Shop) -> None:
    shop.graph.world.burst = 0
    parts = await shop.office.answer(shop.asked, "We do!")
    for seconds in (4, 16):
        with pytest.raises(ChannelRateLimited) as limit:
            await shop.deliver(parts)
        assert limit.value.retry_after.total_seconds() == seconds
    assert await shop.office.states() == ["taken", "pending"]
    shop.graph.world.burst = 1
    assert await shop.deliver(parts) == Delivered("sent")
    assert len(shop.graph.sent()) == 1


async def test_a_send_without_an_answer_is_not_made_again_while_it_may_be_told_of(shop: Shop) -> None:
    parts = await shop.office.answer(shop.asked, "We do!")
    shop.graph.drop_next("messages", accepted=True)
    for _ in range(2):
        with pytest.raises(SendUncertain):
            await shop.deliver(parts)
    assert [sent.opaque for sent in shop.graph.sent()] == [str(parts[0])]


async def test_who_cannot_be_reached_is_given_up_with_whatsapps_number(shop: Shop) -> None:
    shop.person.is_reachable = False
    [part] = await shop.office.answer(shop.asked, "We do!")
    assert await shop.deliver([part]) == Delivered("failed")
    assert (await shop.office.message(part)).detail == {"error": "131026"}
    assert await shop.deliver([part]) == Delivered("failed")
    assert len(shop.graph.calls_of("messages")) == 1


async def test_an_expired_token_ends_the_connection_until_it_is_set_up_again(shop: Shop) -> None:
    shop.number.token_state = "expired"
    parts = await shop.office.answer(shop.asked, "We do!")
    assert await shop.deliver(parts) == Delivered("failed")
    [connection] = [row for row in await shop.office.rows(Connection) if row.kind == "whatsapp"]
    assert (connection.status, connection.status_reason) == ("revoked", "190")
