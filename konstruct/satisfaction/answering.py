"""Answers to how somebody was helped: what is one, kept once, changed by another press within the day, and thanked."""

import unicodedata
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import exists
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct import audit
from konstruct.messages import outgoing_notice
from konstruct.satisfaction import texts
from konstruct.scope.languages import language_of
from konstruct.tables import Connection, Conversation, Message, Rating
from konstruct.tables.base import utc_now

OPEN_FOR: Final = timedelta(hours=24)
LONGEST: Final = 24
"""Characters of a message that may be an answer."""
_STARS: Final = "★⭐☆🌟"
_NOT_HEARD: Final = "\ufe0f\ufe0e\u20e3.!)/"


@dataclass(frozen=True)
class Taken:
    """``thanks_id``: what is to be sent; None where it was thanked for before."""

    score: int
    thanks_id: UUID | None


def score_of(said: str) -> int | None:
    """A bare number from 1 to 5, in whatever digits, with or without its stars; or that many stars alone."""
    if len(said) > LONGEST:
        return None
    heard = "".join(char for char in said if not char.isspace() and char not in _NOT_HEARD)
    stars = sum(char in _STARS for char in heard)
    digits = [char for char in heard if char not in _STARS]
    if not digits:
        return stars if stars in texts.SCORES else None
    number = unicodedata.digit(digits[0], 0) if len(digits) == 1 else 0
    return number if number in texts.SCORES and stars in (0, number) else None


def pressed_score(button_id: str) -> tuple[UUID, int] | None:
    """The question and its answer that a button stands for; None of another button."""
    rating_id, _, score = button_id.removeprefix(texts.PREFIX).partition(":")
    if not button_id.startswith(texts.PREFIX) or score not in map(str, texts.SCORES):
        return None
    try:
        return UUID(rating_id), int(score)
    except ValueError:
        return None


async def take(
    session: AsyncSession, conversation: Conversation, contact_id: UUID, said: str, pressed: str = ""
) -> Taken | None:
    """What a contact writes or presses, if it is an answer; None where it is a message like any other. The conversation
    must be locked, and the message not be there yet."""
    if (chosen := pressed_score(pressed)) is not None:
        rating = await find(session, chosen[0])
        is_theirs = rating is not None and rating.conversation_id == conversation.id
        if rating is None or not is_theirs or rating.contact_id != contact_id or is_over(rating):
            return None
        return await keep(session, conversation, rating, chosen[1], said)
    score = score_of(said)
    if score is None or conversation.owner != "employee":
        return None
    rating = await _awaited(session, conversation, contact_id)
    return await keep(session, conversation, rating, score, "") if rating is not None else None


def is_over(rating: Rating) -> bool:
    return rating.asked_at < utc_now() - OPEN_FOR


async def find(session: AsyncSession, rating_id: UUID) -> Rating | None:
    found: Rating | None = await session.scalar(
        select(Rating).where(col(Rating.id) == rating_id).with_for_update().execution_options(populate_existing=True)
    )
    return found


async def _awaited(session: AsyncSession, conversation: Conversation, contact_id: UUID) -> Rating | None:
    """The question that was asked last, if nothing was said to it yet."""
    asked = (
        select(Rating, col(Message.seq))
        .join(
            Message,
            (col(Message.tenant_id) == col(Rating.tenant_id)) & (col(Message.id) == col(Rating.message_id)),
        )
        .where(col(Rating.conversation_id) == conversation.id, col(Rating.contact_id) == contact_id)
        .where(col(Rating.score).is_(None), col(Rating.asked_at) > utc_now() - OPEN_FOR)
        .where(col(Message.state).in_(("sending", "sent")))
        .order_by(col(Rating.asked_at).desc())
        .limit(1)
        .with_for_update(of=Rating)
    )
    found = (await session.execute(asked)).one_or_none()
    if found is None:
        return None
    rating, seq = found
    has_gone_on = await session.scalar(
        select(
            exists().where(
                col(Message.conversation_id) == conversation.id,
                col(Message.seq) > seq,
                col(Message.author) == "contact",
            )
        )
    )
    return None if has_gone_on else rating


async def keep(session: AsyncSession, conversation: Conversation, rating: Rating, score: int, said: str) -> Taken:
    """``said``: in which language they wrote, where that is known."""
    if rating.score == score:
        return Taken(score, None)
    is_first = rating.score is None
    rating.score, rating.answered_at = score, utc_now()
    audit.record(
        session,
        tenant_id=conversation.tenant_id,
        conversation_id=conversation.id,
        actor="contact",
        action="rating.given" if is_first else "rating.changed",
        subject_id=rating.contact_id,
        rating_id=str(rating.id),
        score=score,
    )
    if not is_first:
        return Taken(score, None)
    language = await _language(session, rating) or language_of(said)
    thanks = outgoing_notice(conversation, texts.in_language(language).thanks)
    functions = await session.scalar(
        select(col(Connection.functions)).where(col(Connection.id) == conversation.connection_id)
    )
    # Whoever was not helped is offered a person, where that word is heard.
    if score <= 2 and functions:
        thanks.detail = texts.person_button(language)
    session.add(thanks)
    return Taken(score, thanks.id)


async def _language(session: AsyncSession, rating: Rating) -> str | None:
    """In which the question was asked, by its second line, which is ours."""
    asked = await session.scalar(select(col(Message.body)).where(col(Message.id) == rating.message_id))
    scale = (asked or "").rpartition("\n")[2]
    return next((language for language, each in texts.TEXTS.items() if each.scale == scale), None)
