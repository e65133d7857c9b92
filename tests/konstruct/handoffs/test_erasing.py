"""Who is erased is nobody's to help any more: the handoff is over, and nothing that was said is left of it."""

import pytest

from konstruct import contacts
from konstruct.desk import people
from konstruct.errors import Conflict, NotFound
from konstruct.handoffs import attending, cards, owning, packet
from konstruct.inbox import Accepted
from konstruct.tables import Conversation
from konstruct.tables.base import utc_now
from tests.support.handoffs import GRACE, handoff_row, note, owned, seat
from tests.support.office import Office


@pytest.fixture
async def asked(office: Office) -> Accepted:
    await seat(office)
    return await office.say("I want a person", contact="U0CANARY")


async def erase(office: Office) -> None:
    async with office.session() as session:
        found = await contacts.find(session, "U0CANARY")
        await contacts.erase(session, office.tenant_id, found.contact_id, actor="test")


async def test_a_conversation_that_a_person_has_is_nobodys_when_its_contact_is_erased(
    office: Office, asked: Accepted
) -> None:
    handoff_id = await owned(office, asked)
    await note(office, handoff_id, "He is in a hurry.")
    [before] = await office.rows(Conversation)
    await erase(office)

    [conversation] = await office.rows(Conversation)
    assert (conversation.owner, conversation.agent, conversation.handoff_id) == ("employee", None, None)
    assert conversation.epoch == before.epoch + 1
    handoff = await handoff_row(office, handoff_id)
    assert (handoff.state, handoff.ended_how) == ("over", "erased")
    async with office.session() as session:
        with pytest.raises(NotFound, match="erased"):
            await packet.read(session, office.vault, handoff_id)
        shown = await cards.card(session, office.vault, handoff, await people.settings(session))
    assert (shown.reason, shown.summary, shown.standing) == ("", "", "The person whom it was about was erased.")
    assert "CANARY" not in shown.contact
    async with office.session() as session:
        with pytest.raises(Conflict, match="was erased"):
            await owning.claim(session, office.vault, handoff_id, GRACE)


async def test_its_card_is_brought_up_to_date_by_a_sweep(office: Office, asked: Accepted) -> None:
    handoff_id = await owned(office, asked)
    await erase(office)
    assert ((await handoff_row(office, handoff_id)).next_due_at or utc_now()) <= utc_now()

    async with office.session() as session:
        advanced = await attending.advance(session, office.vault, handoff_id, utc_now())
        assert (
            await attending.next_posts(
                session, office.vault, await owning.get(session, handoff_id), await people.settings(session)
            )
            == []
        )
    assert (advanced.tasks, advanced.notice_ids) == ((), ())
    assert (await handoff_row(office, handoff_id)).next_due_at is None
