"""Handoffs, and conversations that may be handed off, by what channels and programs know of them."""

from uuid import UUID

from sqlalchemy import bindparam, exists, or_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct.errors import NotFound
from konstruct.handoffs import owning
from konstruct.tables import Connection, Consult, Conversation, Handoff

# Asked for every message in a thread, and so built once.
_IS_CARD = select(
    or_(
        *(
            exists().where(
                col(table.card_channel) == bindparam("channel"),
                col(table.card_external_id) == bindparam("external_id"),
                col(table.card_connection_id) == bindparam("connection_id"),
            )
            for table in (Handoff, Consult)
        )
    )
)


async def be_there(session: AsyncSession, conversation_id: UUID) -> None:
    """Raises NotFound when the session's tenant has no such conversation; a rehearsal is none of anybody's."""
    found = select(col(Conversation.id)).where(col(Conversation.id) == conversation_id)
    if await session.scalar(found.where(~col(Conversation.is_rehearsal))) is None:
        raise NotFound("There is no such conversation.")


async def channel_kind(session: AsyncSession, handoff_id: UUID) -> str:
    """Of the channel that the contact writes in. Raises NotFound as ``owning.get`` does."""
    conversation_id = (await owning.get(session, handoff_id)).conversation_id
    kind: str = (
        await session.execute(
            select(col(Connection.kind))
            .join(Conversation, col(Conversation.connection_id) == col(Connection.id))
            .where(col(Conversation.id) == conversation_id)
        )
    ).scalar_one()
    return kind


async def is_card(session: AsyncSession, connection_id: UUID, channel: str, external_id: str) -> bool:
    """Whether this message of a channel is the card of a handoff or of a consult, in whose thread colleagues write."""
    place = {"connection_id": connection_id, "channel": channel, "external_id": external_id}
    return bool((await session.execute(_IS_CARD, place)).scalar_one())


async def with_card(session: AsyncSession, connection_id: UUID, channel: str, external_id: str) -> Handoff | None:
    """The handoff whose card this message of a channel is."""
    found: Handoff | None = await session.scalar(
        select(Handoff)
        .where(col(Handoff.card_channel) == channel, col(Handoff.card_external_id) == external_id)
        .where(col(Handoff.card_connection_id) == connection_id)
    )
    return found
