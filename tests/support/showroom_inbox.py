"""What waits in the rich business, is only told, and is over, for the inbox's list."""

from datetime import timedelta
from typing import Final

from sqlalchemy import update
from sqlmodel import col

from konstruct import naming
from konstruct.desk import people
from konstruct.handoffs import owning
from konstruct.tables import Conversation, Handoff
from konstruct.tables.base import utc_now
from tests.support.handoffs import a_wish, hand_back, hand_off
from tests.support.members import Enrolled
from tests.support.office import Office

_WAIT: Final = (
    ("Sofia Lindqvist", "The wrong bike came, and my daughter's birthday is today.", "urgent", 41, "They sound upset."),
    ("Rui Castro", "Can I pay in three parts?", "normal", 18, "Nothing is known of instalments."),
    ("Noor Haddad", "A person, please.", "high", 7, "They asked for a person."),
)
_TOLD: Final = ("Emil Brandt", "I want twelve bikes for my company.", "A large order.")
_OVER: Final = ("Lucía Ferrer", "Thank you, that was quick!")


async def _inbox(office: Office, owner: Enrolled) -> None:
    for place, (name, text, priority, minutes, reason) in enumerate(_WAIT):
        asked = await office.say(text, root=f"inbox-{place}", contact=f"UINBOX{place}")
        handoff_id = await hand_off(office, asked, a_wish(reason, priority=priority))
        await _called(office, asked.conversation_id, name)
        async with office.session() as session:
            since = utc_now() - timedelta(minutes=minutes)
            await session.execute(update(Handoff).where(col(Handoff.id) == handoff_id).values(created_at=since))
    name, text, reason = _TOLD
    asked = await office.say(text, root="inbox-told", contact="UINBOXTOLD")
    async with office.session() as session:
        await owning.tell(session, office.vault, asked.conversation_id, a_wish(reason, rule="large-order"))
    await _called(office, asked.conversation_id, name)
    name, text = _OVER
    asked = await office.say(text, root="inbox-over", contact="UINBOXOVER")
    handoff_id = await hand_off(office, asked, a_wish("They asked for a person."))
    await _called(office, asked.conversation_id, name)
    async with office.session() as session:
        me = await owning.agent(session, await people.agent_key(session, owner.user_id, owner.email))
    await hand_back(office, handoff_id, me)


async def _called(office: Office, conversation_id: object, name: str) -> None:
    async with office.session() as session:
        conversation = await session.get_one(Conversation, (office.tenant_id, conversation_id))
        cipher = await office.vault.cipher(session, office.tenant_id, conversation.contact_id)
        await naming.learn(session, office.vault, office.tenant_id, cipher, name)
