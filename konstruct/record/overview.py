"""One conversation at a glance: whose it is, who has it, what it cost, and how it was rated."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct import naming
from konstruct.employees import IS_PUBLISHED
from konstruct.errors import NotFound
from konstruct.record import actors
from konstruct.tables import (
    Connection,
    Contact,
    Conversation,
    Employee,
    EmployeeVersion,
    Handoff,
    Message,
    Rating,
    Usage,
)
from konstruct.vault import Vault


@dataclass(frozen=True)
class Cost:
    """Of models, by the ledger."""

    dollars: Decimal
    """As far as prices are known."""
    own: Decimal
    """Of it, what was asked with the business's own keys, which its provider bills to itself."""
    has_unknown: bool
    calls: int
    input_tokens: int
    output_tokens: int


@dataclass(frozen=True)
class Overview:
    conversation: Conversation
    contact_id: UUID
    contact: str = field(repr=False)
    """Their name, as far as it is known."""
    is_erased: bool
    connection_key: str
    channel_kind: str
    external: Mapping[str, Any]
    """Of the connection: what it is called by."""
    employee_key: str
    employee: str
    agent: str | None
    """The name of the person who has it."""
    cost: Cost
    messages: int
    handoffs: int
    score: int | None

    @property
    def key(self) -> str:
        return self.connection_key

    @property
    def kind(self) -> str:
        return self.channel_kind


async def read(session: AsyncSession, vault: Vault, conversation_id: UUID) -> Overview:
    """Raises NotFound when the session's tenant has no such conversation, or it is a rehearsal."""
    row = (
        await session.execute(
            select(Conversation, Contact, Connection, Employee)
            .add_columns(col(EmployeeVersion.name))
            .join(Contact, col(Contact.id) == col(Conversation.contact_id))
            .join(Connection, col(Connection.id) == col(Conversation.connection_id))
            .join(Employee, col(Employee.id) == col(Conversation.employee_id))
            .outerjoin(EmployeeVersion, IS_PUBLISHED)
            .where(col(Conversation.id) == conversation_id, ~col(Conversation.is_rehearsal))
        )
    ).one_or_none()
    if row is None:
        raise NotFound("There is no such conversation.")
    conversation, contact, connection, employee, name = row
    known = await actors.names(session, name or employee.key)
    rating = await session.scalar(
        select(Rating)
        .where(col(Rating.conversation_id) == conversation_id, col(Rating.score).is_not(None))
        .order_by(col(Rating.asked_at).desc())
        .limit(1)
    )
    return Overview(
        conversation=conversation,
        contact_id=contact.id,
        contact=await naming.name(session, vault, contact.id),
        is_erased=contact.erased_at is not None,
        connection_key=connection.key,
        channel_kind=connection.kind,
        external=connection.external,
        employee_key=employee.key,
        employee=name or employee.key,
        agent=known.of(conversation.agent) if conversation.agent else None,
        cost=await cost(session, conversation_id),
        messages=await _counted(session, Message, conversation_id),
        handoffs=await _counted(session, Handoff, conversation_id),
        score=rating.score if rating else None,
    )


async def cost(session: AsyncSession, conversation_id: UUID) -> Cost:
    found = (
        await session.execute(
            select(
                func.coalesce(func.sum(col(Usage.cost)), 0),
                func.count().filter(col(Usage.cost).is_(None)),
                func.count(),
                func.coalesce(func.sum(col(Usage.input_tokens)), 0),
            )
            .add_columns(
                func.coalesce(func.sum(col(Usage.output_tokens)), 0),
                func.coalesce(func.sum(col(Usage.cost)).filter(col(Usage.key_of) == "tenant"), 0),
            )
            .where(col(Usage.conversation_id) == conversation_id)
        )
    ).one()
    dollars, unknown, calls, tokens_in, tokens_out, own = found
    return Cost(Decimal(dollars), Decimal(own), bool(unknown), calls, tokens_in, tokens_out)


async def _counted(session: AsyncSession, table: type[Message] | type[Handoff], conversation_id: UUID) -> int:
    counted: int = (
        await session.execute(
            select(func.count()).select_from(table).where(col(table.conversation_id) == conversation_id)
        )
    ).scalar_one()
    return counted
