"""Whom to ask how they were helped, and asking them: once, however many try, and never where it would disturb."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, and_, delete, exists, false, func, not_, or_, text, true
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased
from sqlmodel import col, select

from konstruct import audit, reply_window
from konstruct.conversations import lock
from konstruct.db import Database
from konstruct.identity import new_id
from konstruct.messages import outgoing_notice
from konstruct.satisfaction import texts
from konstruct.satisfaction.terms import Terms
from konstruct.scope.languages import language_of
from konstruct.tables import (
    Approval,
    Connection,
    Contact,
    Conversation,
    Employee,
    Handoff,
    Message,
    Rating,
    Restoration,
)
from konstruct.tables.base import utc_now
from konstruct.vault import Vault
from konstruct.window import LINE, Line

PAUSE: Final = timedelta(minutes=1)
"""So long nothing was said before anybody is asked."""
NO_LATER_THAN: Final = timedelta(hours=20)
"""After this nobody is asked any more; so whoever is has time to answer where a channel's window closes."""
MOST_AT_ONCE: Final = 100

_RESTORED_AT: Final = select(func.max(col(Restoration.restored_at))).scalar_subquery()
_ONE, _OTHER = aliased(Contact), aliased(Message)
_LAST: Final = (
    select(col(Message.direction), col(Message.author), col(Message.state), col(Message.settled_at))
    .add_columns(col(Message.created_at))
    .where(col(Message.tenant_id) == col(Conversation.tenant_id), col(Message.conversation_id) == col(Conversation.id))
    .where(col(Message.purpose) == "reply", col(Message.author) != "system")
    .where(col(Message.state).not_in(("deleted", "discarded", "refused", "streaming")))
    .order_by(col(Message.seq).desc())
    .limit(1)
    .lateral("last")
)
_HANDOFF: Final = (
    select(col(Handoff.ended_at), col(Handoff.ended_how), col(Handoff.agent))
    .where(col(Handoff.tenant_id) == col(Conversation.tenant_id), col(Handoff.conversation_id) == col(Conversation.id))
    .where(col(Handoff.state) == "over", col(Handoff.claimed_at).is_not(None))
    .order_by(col(Handoff.ended_at).desc())
    .limit(1)
    .lateral("handoff")
)


async def tenants(database: Database, after: UUID | None, at_most: int) -> list[UUID]:
    """Those that have their contacts asked, by id."""
    async with database.system_session() as session:
        query = text("select tenants_that_ask(cast(:after as uuid), :at_most)")
        return list(await session.scalars(query, {"after": after, "at_most": at_most}))


async def due(session: AsyncSession, terms: Terms, limit: int = MOST_AT_ONCE) -> list[UUID]:
    """Conversations of the session's tenant in which it is time to ask, those that wait longest first."""
    query = select(col(Conversation.id)).order_by(col(Conversation.last_message_at)).limit(limit)
    return list(await session.scalars(_of_those(query, terms)))


async def ask(session: AsyncSession, vault: Vault, conversation_id: UUID, terms: Terms) -> UUID | None:
    """Writes the question down, to be sent; None where it is not to be asked any more. Raises NotFound when the
    session's tenant has no such conversation."""
    conversation = await lock(session, conversation_id)
    # Of two conversations of one person, one is asked about.
    await session.execute(
        select(col(Contact.id)).where(col(Contact.id) == conversation.contact_id).with_for_update(key_share=True)
    )
    query = select(col(Connection.kind), _HANDOFF.c.agent).where(col(Conversation.id) == conversation_id)
    found = (await session.execute(_of_those(query, terms))).one_or_none()
    if found is None or not _is_in_time(conversation, found.kind):
        return None
    rating_id = new_id()
    question = texts.question(terms.question, await _language(session, vault, conversation))
    message = outgoing_notice(conversation, question)
    message.detail = {"buttons": texts.buttons(rating_id)}
    session.add_all(
        [
            message,
            Rating(
                tenant_id=conversation.tenant_id,
                id=rating_id,
                conversation_id=conversation.id,
                contact_id=conversation.contact_id,
                employee_id=conversation.employee_id,
                agent=found.agent,
                message_id=message.id,
            ),
        ]
    )
    audit.record(
        session,
        tenant_id=conversation.tenant_id,
        conversation_id=conversation.id,
        actor="runtime",
        action="rating.asked",
        subject_id=conversation.contact_id,
        rating_id=str(rating_id),
        message_id=str(message.id),
    )
    return message.id


async def forget_unasked(session: AsyncSession) -> int:
    """Questions that never reached anybody are none: how many there were. Whoever was meant can be asked again."""
    unsent = select(col(Message.id)).where(col(Message.state).in_(("discarded", "failed")))
    gone = await session.scalars(
        delete(Rating)
        .where(col(Rating.asked_at) > utc_now() - timedelta(days=1), col(Rating.score).is_(None))
        .where(col(Rating.message_id).in_(unsent.where(col(Message.id) == col(Rating.message_id))))
        .returning(col(Rating.id))
    )
    return len(list(gone))


def _of_those(query: Any, terms: Terms) -> Any:
    """Narrowed down to where it is time to ask, by what can be seen without a lock."""
    now = utc_now()
    last, handoff = _LAST.c, _HANDOFF.c
    was_answered = and_(last.direction == "outbound", last.state == "sent")
    ended_well = and_(
        handoff.ended_how.in_(("resolved", "handed_back")),
        handoff.ended_at > now - NO_LATER_THAN,
        # What the contact wrote before that was seen by who resolved it.
        or_(was_answered, and_(last.direction == "inbound", last.created_at <= handoff.ended_at)),
    )
    fell_quiet = and_(was_answered, last.author == "employee", last.settled_at <= now - terms.quiet_for)
    when: list[ColumnElement[bool]] = [ended_well] if terms.after_person else []
    when += [fell_quiet] if terms.after_quiet else []
    query = (
        query.select_from(Conversation)
        .join(Contact, _same(Contact, Conversation.contact_id))
        .join(Connection, _same(Connection, Conversation.connection_id))
        .join(_LAST, true())
        .outerjoin(_HANDOFF, true())
        .where(not_(col(Conversation.is_rehearsal)), col(Conversation.owner) == "employee")
        .where(
            col(Conversation.last_message_at) <= now - PAUSE,
            col(Conversation.last_message_at) > now - NO_LATER_THAN,
            # So that a channel's window is still open.
            col(Conversation.contact_said_at) > now - NO_LATER_THAN,
            # What was over before may have been asked about, in what a backup does not hold.
            col(Conversation.last_message_at) > func.coalesce(_RESTORED_AT, text("'-infinity'::timestamptz")),
        )
        .where(col(Contact.opted_out_at).is_(None), col(Contact.erased_at).is_(None))
        .where(col(Connection.status) == "active")
        .where(or_(false(), *when), *_undisturbed(), _not_asked(now - terms.again_after))
    )
    if terms.connections:
        query = query.where(col(Connection.key).in_(terms.connections))
    if terms.employees:
        chosen = select(col(Employee.id)).where(col(Employee.key).in_(terms.employees))
        query = query.where(col(Conversation.employee_id).in_(chosen))
    return query


def _undisturbed() -> Sequence[ColumnElement[bool]]:
    """Nothing is under way, and nobody else takes part in the thread."""
    of_it = (col(_OTHER.tenant_id) == col(Conversation.tenant_id), col(_OTHER.conversation_id) == col(Conversation.id))
    is_open = exists().where(*of_it, col(_OTHER.state).in_(("received", "taken", "pending")))
    others = exists().where(
        *of_it, col(_OTHER.author) == "contact", col(_OTHER.contact_id) != col(Conversation.contact_id)
    )
    awaited = exists().where(
        col(Approval.tenant_id) == col(Conversation.tenant_id),
        col(Approval.conversation_id) == col(Conversation.id),
        col(Approval.state) == "waiting",
    )
    return not_(is_open), not_(others), not_(awaited)


def _not_asked(since: Any) -> ColumnElement[bool]:
    """No contact of this person was."""
    return not_(
        exists().where(
            col(_ONE.tenant_id) == col(Contact.tenant_id),
            col(_ONE.person_id) == col(Contact.person_id),
            col(Rating.tenant_id) == col(_ONE.tenant_id),
            col(Rating.contact_id) == col(_ONE.id),
            col(Rating.asked_at) > since,
        )
    )


def _same(table: Any, row_id: Any) -> ColumnElement[bool]:
    return and_(col(table.tenant_id) == col(Conversation.tenant_id), col(table.id) == col(row_id))


def _is_in_time(conversation: Conversation, kind: str) -> bool:
    closes_at = reply_window.closes_at(conversation, kind)
    return closes_at is None or closes_at > utc_now() + PAUSE


async def _language(session: AsyncSession, vault: Vault, conversation: Conversation) -> str:
    """In which the contact wrote last."""
    row = (
        await session.execute(
            select(*LINE[:4])
            .add_columns(*LINE[4:])
            .where(col(Message.conversation_id) == conversation.id, col(Message.author) == "contact")
            .where(col(Message.purpose) == "reply", col(Message.sealed).is_not(None))
            .order_by(col(Message.seq).desc())
            .limit(1)
        )
    ).one_or_none()
    said = Line.of_row(row).text(await vault.ciphers(session, [conversation.contact_id])) if row else None
    return language_of(said or "")
