"""A send that nobody follows any more, as when Temporal's database was lost in the midst of it."""

from datetime import timedelta
from uuid import UUID

from konstruct import unsettled
from konstruct.tables import Message
from tests.support.office import Office


async def swept(office: Office) -> dict[UUID, bool]:
    found = await unsettled.find(office.database, 10_000)
    return {each.message_id: each.is_notice for each in found if each.tenant_id == office.tenant_id}


async def let_pass(office: Office, by: timedelta) -> None:
    async with office.session() as session:
        for row in await office.rows(Message):
            message = await session.get_one(Message, (row.tenant_id, row.id))
            message.created_at -= by
            message.sending_at = message.sending_at and message.sending_at - by


async def test_it_is_looked_for_before_its_question_is_thought_of_again(office: Office) -> None:
    asked = await office.say("Hello?")
    [reply] = await office.answer(asked, "Hello!")
    await office.begin_send(asked, reply)
    await let_pass(office, timedelta(minutes=4))
    assert await swept(office) == {}
    await let_pass(office, timedelta(minutes=10))
    assert await swept(office) == {reply: True}
    await office.settle_sent(asked, reply)
    assert await swept(office) == {}
    assert await office.states() == ["answered", "sent"]


async def test_a_question_whose_answer_is_not_being_sent_is_thought_of_again(office: Office) -> None:
    asked = await office.say("Hello?")
    await office.answer(asked, "Hello!")
    await let_pass(office, timedelta(minutes=11))
    assert await swept(office) == {asked.message_id: False}
