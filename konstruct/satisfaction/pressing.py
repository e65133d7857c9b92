"""Answers by a button where pressing one is no message: in Slack."""

from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct.conversations import lock
from konstruct.errors import BadInput, Conflict, NotAllowed, NotFound
from konstruct.satisfaction import answering
from konstruct.satisfaction.answering import Taken
from konstruct.tables import Contact, Rating

TOO_LATE: Final = "It is too late for a rating: this was asked more than a day ago."


async def press(session: AsyncSession, connection_id: UUID, external_id: str, button_id: str) -> tuple[UUID, Taken]:
    """A button that was pressed where pressing is no message: the conversation, and what became of it.

    Raises:
        BadInput: it is no button of ours.
        NotFound: the question is not there any more.
        NotAllowed: somebody else was asked.
        Conflict: it is too late.
    """
    chosen = answering.pressed_score(button_id)
    if chosen is None:
        raise BadInput("This button is not known.")
    # The conversation before the rest, as everybody locks them: a number that is written meanwhile does so, too.
    conversation_id = await session.scalar(select(col(Rating.conversation_id)).where(col(Rating.id) == chosen[0]))
    if conversation_id is None:
        raise NotFound("This question is not there any more.")
    conversation = await lock(session, conversation_id)
    rating = await answering.find(session, chosen[0])
    if rating is None or conversation.connection_id != connection_id:
        raise NotFound("This question is not there any more.")
    known = await session.scalar(select(col(Contact.external_id)).where(col(Contact.id) == rating.contact_id))
    if known != external_id:
        raise NotAllowed("Somebody else was asked this.")
    if answering.is_over(rating):
        raise Conflict(TOO_LATE)
    return conversation.id, await answering.keep(session, conversation, rating, chosen[1], "")
