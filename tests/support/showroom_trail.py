"""People of the rich business: one on two channels, of whom facts are known; one who opted out; one who was erased."""

from collections.abc import Sequence
from uuid import UUID

from sqlmodel import col, select

from konstruct import audit, consent, contacts, erasing, naming
from konstruct.audit import checks
from konstruct.identity import ConnectionId
from konstruct.memory import Fact, due, work
from konstruct.tables import Conversation
from tests.support.doubles import KeptWindows
from tests.support.members import Enrolled
from tests.support.office import Office

_FACTS = (
    ("Rides a Brompton to work, and stores it under the desk.", 0.96),
    ("Prefers to be written to in the morning.", 0.71),
    ("Is allergic to latex, so the grips must be cork.", 0.88),
)


async def _trail(office: Office, owner: Enrolled, whatsapp: ConnectionId) -> dict[str, UUID]:
    """What stands in addresses of pages: a contact, another who may be the same person, and an event."""
    lea = await met(office, "U0LEA55QX", "Lea Moreau")
    await learnt(office, lea, _FACTS)
    there = Office(**vars(office) | {"connection_id": whatsapp})
    phone = await met(there, "351911222333", "Lea M.")
    await met(there, "4915112345678", "")
    stop = await met(office, "U0TOMOKAF", "Tom Okafor")
    gone = await met(office, "U0GONE", "Gone")
    async with office.session() as session:
        await contacts.join(session, office.tenant_id, lea, phone, actor=owner.actor)
        await consent.state_wish(
            session, office.vault, stop, is_out=True, by=owner.actor, reason="Said so on the telephone."
        )
        erasure_id = await erasing.ask(session, office.tenant_id, gone, actor=owner.actor)
    await erasing.carry_out(office.database, office.vault, KeptWindows(), office.tenant_id, erasure_id)
    async with office.session() as session:
        check_id = await checks.ask(session, office.tenant_id, actor=owner.actor)
        await session.flush()
        await checks.give_up(session, check_id)
        found = await audit.find(session, action="tenant.changed", limit=1)
        found += await audit.find(session, limit=1)
    return {"contact_id": lea, "other_id": stop, "event_id": found[0].id}


async def met(office: Office, external_id: str, name: str) -> UUID:
    """Somebody writes, and is answered."""
    asked = await office.exchange(
        "Do you have cork grips for a Brompton?", "We do, in two sizes.", root=external_id, contact=external_id
    )
    async with office.session() as session:
        conversation = await session.get_one(Conversation, (office.tenant_id, asked.conversation_id))
        contact_id = conversation.contact_id
        cipher = await office.vault.cipher(session, office.tenant_id, contact_id)
        await naming.learn(session, office.vault, office.tenant_id, cipher, name)
    return contact_id


async def learnt(office: Office, contact_id: UUID, facts: Sequence[tuple[str, float]]) -> list[UUID]:
    """Facts of somebody, learned from their latest conversation, in which something was said."""
    async with office.session() as session:
        of_contact = select(col(Conversation.id)).where(col(Conversation.contact_id) == contact_id)
        conversation_id = (await session.scalars(of_contact.order_by(col(Conversation.id).desc()).limit(1))).one()
        opened = await due.open_work(session, office.vault, conversation_id)
        await work.write_sayings(session, office.vault, opened)
        source, _ = opened.unsummarised[0]
        made = [Fact(text, source, confidence) for text, confidence in facts]
        return await work.write_facts(session, office.vault, opened, contact_id, made)
