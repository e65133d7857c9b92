"""What an erased contact had said may come once more: it changes nothing, and does not bring them back."""

from konstruct import contacts, erasing
from konstruct.tables import Contact, Conversation, Message
from tests.support.asked import erase_what_waits
from tests.support.office import Office


async def erase(office: Office, external_id: str = "U1") -> None:
    async with office.session() as session:
        found = await contacts.find(session, external_id)
        await erasing.ask(session, office.tenant_id, found.contact_id, actor="test")
    await erase_what_waits(office)


async def test_what_an_erased_contact_had_said_is_not_taken_anew(office: Office) -> None:
    asked = await office.say("Canary", external_id="C1:1.0")
    await erase(office)

    again = await office.say("Canary", external_id="C1:1.0")

    assert (again.is_new, again.message_id) == (False, asked.message_id)
    assert len(await office.rows(Contact)) == len(await office.rows(Conversation)) == 1
    [message] = await office.rows(Message)
    assert (message.state, message.sealed) == ("deleted", None)
    assert message.external_id is not None
    assert "C1:1.0" not in message.external_id


async def test_what_they_say_afterwards_is_taken(office: Office) -> None:
    await office.say("Canary", external_id="C1:1.0")
    await erase(office)

    assert (await office.say("Do you know me?", external_id="C1:2.0")).is_new
    assert len(await office.rows(Contact)) == 2
