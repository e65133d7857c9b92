"""What is not to be done any more: turns that were given up, and whatever waits for a contact who is erased."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import ColumnElement, and_, exists, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct import audit, streams
from konstruct.conversations import Turn, changed
from konstruct.messages import stored_reply
from konstruct.tables import Approval, Consult, Conversation, Handoff, Message, ToolCall
from konstruct.tables.base import utc_now


async def abandon(session: AsyncSession, conversation_id: UUID, message_ids: Sequence[UUID], why: str) -> set[UUID]:
    """These messages get no answer; a turn that still thinks about them, which is told, may not give one either.

    Gives the turns that end with it.
    """
    conversation = await changed(session, conversation_id)
    given_up = await session.scalars(
        update(Message)
        .where(col(Message.conversation_id) == conversation_id, col(Message.id).in_(message_ids))
        .where(col(Message.state).in_(("received", "taken")))
        .values(state=why, settled_at=utc_now())
        .returning(col(Message.turn_id))
    )
    # Not the conversation's own turn, which may have been answered long ago; or forgetting something took it away.
    turn_ids = {turn_id for turn_id in given_up if turn_id is not None}
    conversation.turn_id = None
    await streams.cut(session, conversation)
    await session.execute(
        update(Message)
        .where(col(Message.conversation_id) == conversation_id, col(Message.direction) == "outbound")
        .where(col(Message.state) == "pending", col(Message.purpose) == "reply", col(Message.author) == "employee")
        .values(state="discarded", settled_at=utc_now())
    )
    audit.record(
        session,
        tenant_id=conversation.tenant_id,
        conversation_id=conversation_id,
        actor="contact" if why == "stopped" else "runtime",
        action=f"turn.{why}",
        messages=[str(message_id) for message_id in message_ids],
    )
    return turn_ids


async def end_before(session: AsyncSession, turn: Turn, turn_id: UUID) -> None:
    """A turn that this one takes over before it was answered: what it asked for is asked for anew, if at all."""
    before = turn.before
    if before is None or before == turn_id or not (turn.employee.tools or turn.employee.escalation):
        return
    if not await stored_reply(session, before):
        await cancel_turn(session, before, by="a newer message")


async def withdraw(session: AsyncSession, contact_ids: Sequence[UUID]) -> None:
    """Nothing that was not begun for these contacts is done any more, nobody decides on it or answers what they were
    asked. Their conversations must be locked. Workflows that wait for people learn of it from a sweep."""
    approvals = await session.scalars(
        select(Approval)
        .where(col(Approval.contact_id).in_(contact_ids), col(Approval.state) == "waiting")
        .order_by(col(Approval.id))
        .with_for_update(key_share=True)
    )
    for approval in approvals:
        approval.state, approval.decided_by, approval.decided_at = "denied", "erasure", utc_now()
    consults = await session.scalars(
        select(Consult)
        .where(col(Consult.contact_id).in_(contact_ids), col(Consult.state) == "waiting")
        .order_by(col(Consult.id))
        .with_for_update(key_share=True)
    )
    for consult in consults:
        consult.state, consult.settled_at = "withdrawn", utc_now()
    await _cancel(session, col(ToolCall.contact_id).in_(contact_ids))
    handoffs = await session.scalars(
        select(Handoff)
        .where(col(Handoff.contact_id).in_(contact_ids), col(Handoff.state) != "over")
        .order_by(col(Handoff.id))
        .with_for_update(key_share=True)
    )
    for handoff in handoffs:
        await _end(session, handoff)


async def _end(session: AsyncSession, handoff: Handoff) -> None:
    """Also what its card says of the contact is to go."""
    handoff.state, handoff.ended_how, handoff.ended_at = "over", "erased", utc_now()
    handoff.next_due_at = utc_now()
    conversation = await session.get_one(Conversation, (handoff.tenant_id, handoff.conversation_id))
    if conversation.handoff_id == handoff.id:
        conversation.owner, conversation.agent, conversation.handoff_id = "employee", None, None
        conversation.epoch += 1
        conversation.counted_since = utc_now()
    audit.record(
        session,
        tenant_id=handoff.tenant_id,
        conversation_id=handoff.conversation_id,
        actor="erasure",
        action="handoff.handed_back",
        subject_id=handoff.contact_id,
        handoff_id=str(handoff.id),
        epoch=conversation.epoch,
        owner=conversation.owner,
        agent=conversation.agent,
        how="erased",
        at_once=False,
    )


async def cancel_turn(session: AsyncSession, turn_id: UUID, by: str) -> None:
    """What was not begun of this turn is not to be done any more, and nobody need be asked for it. The conversation
    must be locked; whoever asks people finds it out when told to look, or from a sweep."""
    waiting = select(col(ToolCall.id)).where(col(ToolCall.turn_id) == turn_id, col(ToolCall.state) == "waiting")
    await session.execute(
        update(Approval)
        .where(col(Approval.call_id).in_(waiting), col(Approval.state) == "waiting")
        .values(state="denied", decided_by=by, decided_at=utc_now())
    )
    await _cancel(session, col(ToolCall.turn_id) == turn_id)


async def cancel_undecided(session: AsyncSession, conversation_id: UUID) -> None:
    """What was not begun in this conversation, which must be locked, is not to be done any more, but for what people
    are asked to allow, or have allowed."""
    is_undecided = ~exists().where(col(Approval.call_id) == col(ToolCall.id))
    await _cancel(session, and_(col(ToolCall.conversation_id) == conversation_id, is_undecided))


async def _cancel(session: AsyncSession, which: ColumnElement[bool]) -> None:
    calls = await session.scalars(
        select(ToolCall)
        .where(which, col(ToolCall.state).in_(("ready", "waiting")))
        .order_by(col(ToolCall.id))
        .with_for_update(key_share=True)
    )
    for call in calls:
        call.state, call.settled_at = "cancelled", utc_now()
        audit.record(
            session,
            tenant_id=call.tenant_id,
            conversation_id=call.conversation_id,
            actor="employee",
            action="tool.cancelled",
            subject_id=call.contact_id,
            call_id=str(call.id),
            turn_id=str(call.turn_id),
            tool=call.tool,
        )
