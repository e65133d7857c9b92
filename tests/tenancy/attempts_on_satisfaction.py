"""What one tenant may try on another's ratings; ``test_crossing`` runs it."""

from collections.abc import Awaitable, Callable
from typing import Final

from sqlalchemy.exc import NoResultFound
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import select

from konstruct.errors import NotFound
from konstruct.identity import new_id
from konstruct.satisfaction import answering, asking, pressing, terms, texts
from konstruct.satisfaction.terms import Terms
from konstruct.tables import Conversation, Rating
from tests.support.office import Furnished

Attempt = Callable[[AsyncSession, Furnished, Furnished], Awaitable[object]]

_CHOSEN: Final = {
    "enabled": True,
    "after_person": True,
    "after_quiet": True,
    "quiet_minutes": 30,
    "every_days": 7,
    "employees": [],
    "connections": [],
    "question": "",
}


async def _theirs(session: AsyncSession, theirs: Furnished) -> Conversation:
    """As somebody would have it who came by it otherwise."""
    async with theirs.session() as other:
        found = await other.get_one(Conversation, (theirs.tenant_id, theirs.asked.conversation_id))
        other.expunge(found)
        return found


async def answer_for_them(session: AsyncSession, ours: Furnished, theirs: Furnished) -> object:
    conversation = await _theirs(session, theirs)
    return await answering.take(session, conversation, conversation.contact_id, "5", texts.buttons(new_id())[4]["id"])


async def keep_theirs(session: AsyncSession, ours: Furnished, theirs: Furnished) -> object:
    conversation = await _theirs(session, theirs)
    rating = Rating(
        tenant_id=theirs.tenant_id,
        conversation_id=conversation.id,
        contact_id=conversation.contact_id,
        employee_id=conversation.employee_id,
    )
    return await answering.keep(session, conversation, rating, 5, "")


async def find_theirs(session: AsyncSession, ours: Furnished, theirs: Furnished) -> object:
    async with theirs.session() as other:
        known = (await other.scalars(select(Rating.id))).first() or new_id()
    return await answering.find(session, known)


async def due_of_theirs(session: AsyncSession, ours: Furnished, theirs: Furnished) -> object:
    return theirs.asked.conversation_id in await asking.due(session, Terms(enabled=True, quiet_minutes=2), 1_000)


ON_SATISFACTION: Final[dict[str, tuple[Attempt, object]]] = {
    "satisfaction.terms.read": (lambda session, ours, theirs: terms.read(session), Terms()),
    "satisfaction.terms.change": (
        lambda session, ours, theirs: terms.change(session, theirs.tenant_id, _CHOSEN, actor="a"),
        NoResultFound,
    ),
    "satisfaction.asking.due": (due_of_theirs, False),
    "satisfaction.asking.ask": (
        lambda session, ours, theirs: asking.ask(session, ours.vault, theirs.asked.conversation_id, Terms()),
        NotFound,
    ),
    "satisfaction.asking.forget_unasked": (lambda session, ours, theirs: asking.forget_unasked(session), 0),
    "satisfaction.answering.take": (answer_for_them, None),
    "satisfaction.answering.find": (find_theirs, None),
    "satisfaction.answering.keep": (keep_theirs, ValueError),
    "satisfaction.pressing.press": (
        lambda session, ours, theirs: pressing.press(
            session, theirs.connection_id, "U1", texts.buttons(new_id())[0]["id"]
        ),
        NotFound,
    ),
}
