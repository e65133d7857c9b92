"""What the showroom's agents have at hand: saved replies, and contacts who have names."""

from typing import Final

from sqlmodel import col, select

from konstruct import naming, saved_replies
from konstruct.tables import Contact
from tests.support.members import Enrolled
from tests.support.office import Office

_REPLIES: Final = (
    ("hello", "A friendly beginning", "Hi {contact}, this is {agent} of {business}. I have read what you wrote."),
    ("returns", "How to return something", "Send it back within 30 days in its own box; we pay for the parcel."),
    ("late", "A parcel that is late", "I am sorry that it is not there yet. I ask the carrier and write again today."),
    ("repair", "Booking a repair", "Our workshop is open Monday to Friday, 9 to 18. Which day suits you?"),
    ("refund", "A refund is on its way", "The refund is booked. Banks take three to five days until it is to be seen."),
)
_NAMES: Final = ("Lucía Gómez", "Marek Nowak", "Aylin Demir", "Sam O’Neill", "Priya Raman")


async def furnish_words(office: Office, owner: Enrolled) -> None:
    async with office.session() as session:
        for key, title, text in _REPLIES:
            await saved_replies.put(session, office.tenant_id, key, title, text, actor=owner.actor)
    async with office.session() as session:
        contacts = (
            await session.scalars(select(Contact).where(col(Contact.erased_at).is_(None)).order_by(col(Contact.id)))
        ).all()
        ciphers = await office.vault.ciphers(session, [contact.id for contact in contacts])
        for contact, name in zip((each for each in contacts if each.id in ciphers), _NAMES, strict=False):
            await naming.learn(session, office.vault, office.tenant_id, ciphers[contact.id], name)
