"""An office whose tenant asks, and time that passes in it."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import update
from sqlmodel import col, select

from konstruct.inbox import Accepted
from konstruct.satisfaction import asking, terms
from konstruct.satisfaction.terms import Terms
from konstruct.tables import Contact, Conversation, Handoff, Message, Rating, Tenant
from tests.support.office import Office


async def choose(office: Office, **chosen: Any) -> Terms:
    """Asked after a person, and after half an hour of quiet, unless told otherwise."""
    async with office.session() as session:
        tenant = await session.get_one(Tenant, office.tenant_id)
        tenant.satisfaction = {"enabled": True, "after_person": True, "after_quiet": True, **chosen}
    async with office.session() as session:
        return await terms.read(session)


async def let_pass(office: Office, by: timedelta = timedelta(minutes=31)) -> None:
    """As if all that was said, handed off and asked had been so much earlier."""
    columns: list[tuple[Any, tuple[str, ...]]] = [
        (Message, ("created_at", "settled_at")),
        (Conversation, ("created_at", "last_message_at", "contact_said_at")),
        (Handoff, ("created_at", "claimed_at", "ended_at")),
        (Rating, ("asked_at",)),
    ]
    async with office.session() as session:
        for table, names in columns:
            values = {name: col(getattr(table, name)) - by for name in names}
            await session.execute(update(table).where(col(table.tenant_id) == office.tenant_id).values(**values))


async def due(office: Office) -> list[UUID]:
    async with office.session() as session:
        return await asking.due(session, await terms.read(session))


async def ask(office: Office, asked: Accepted) -> UUID | None:
    async with office.session() as session:
        return await asking.ask(session, office.vault, asked.conversation_id, await terms.read(session))


async def put_question(office: Office, asked: Accepted) -> UUID:
    """It is asked, and has arrived; the question's message."""
    message_id = await ask(office, asked)
    assert message_id is not None
    await office.begin_send(asked, message_id)
    await office.settle_sent(asked, message_id)
    return message_id


async def ratings(office: Office) -> list[Rating]:
    async with office.session() as session:
        return list(await session.scalars(select(Rating).order_by(col(Rating.asked_at))))


async def contact_of(office: Office, asked: Accepted) -> Contact:
    async with office.session() as session:
        conversation = await session.get_one(Conversation, (office.tenant_id, asked.conversation_id))
        return await session.get_one(Contact, (office.tenant_id, conversation.contact_id))
