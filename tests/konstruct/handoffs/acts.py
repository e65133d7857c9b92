"""What agents, programs and time do with handoffs, each in a transaction of its own, and what the trail says of it."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from konstruct.handoffs import owning
from konstruct.handoffs.owning import Agent, Ownership
from konstruct.inbox import Accepted
from konstruct.tables import AuditEvent, Message
from tests.support.handoffs import (
    GRACE,
    a_wish,
)
from tests.support.office import Office

Act = Callable[[Office, UUID], Awaitable[Ownership]]


def acting(name: str, by: Agent = GRACE, *more: Any, **named: Any) -> Act:
    """What an agent does, in a transaction of its own."""

    async def act(office: Office, handoff_id: UUID) -> Ownership:
        async with office.session() as session:
            needs_vault = name in ("claim", "resolve", "hand_back")
            given = [session, office.vault] if needs_vault else [session]
            done: Ownership = await getattr(owning, name)(*given, handoff_id, by, *more, **named)
            return done

    return act


async def resume(office: Office, asked: Accepted, **how: Any) -> Ownership:
    async with office.session() as session:
        return await owning.resume(session, office.vault, asked.conversation_id, "outside", **how)


async def take_over(office: Office, asked: Accepted, by: Agent = GRACE) -> Ownership:
    async with office.session() as session:
        return await owning.take_over(session, office.vault, asked.conversation_id, by)


async def tell(office: Office, asked: Accepted, rule: str | None = "costly") -> UUID | None:
    async with office.session() as session:
        return await owning.tell(session, office.vault, asked.conversation_id, a_wish(rule=rule))


async def give_up(office: Office, handoff_id: UUID) -> Ownership:
    async with office.session() as session:
        return await owning.give_up(session, office.vault, handoff_id)


async def trail(office: Office) -> list[AuditEvent]:
    """Of changes of owner, by epoch."""
    events = [event for event in await office.rows(AuditEvent) if "owner" in event.detail]
    return sorted(events, key=lambda event: event.created_at)


async def notes(office: Office) -> list[Message]:
    """What the employee is told of people."""
    return [message for message in await office.messages("inbound") if message.author == "system"]
