"""What is not answered since the business' plan includes no more: it is kept for people, and the contact is told so, at
most once a day a conversation."""

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from activities.begun import Begun
from konstruct import audit, conversations, notices
from konstruct.billing import resting
from konstruct.billing.resting import Asked
from konstruct.contracts.conversation import ThinkRequest, Thought
from konstruct.scope import sentences
from konstruct.scope.languages import language_of
from konstruct.tables import Message
from konstruct.tables.base import utc_now

ABOUT = "resting"


async def left_to_people(session: AsyncSession, request: ThinkRequest, begun: Begun) -> Thought | None:
    """None where the turn is to go on, as does what was begun before: a turn that has used tools, an answer that a
    person released, or news of what was asked for. For a tenant that is not billed, nothing is looked at."""
    turn = begun.turn
    asks = any(said.author == "contact" and said.seq in turn.asked_seqs for said in turn.said)
    if turn.plan is None or turn.rehearsal is not None or request.step or begun.released or not asks:
        return None
    asked = Asked(turn.employee.employee_id, turn.account.connection_id, request.turn_id, turn.time_zone)
    why = await resting.why(session, turn.plan, asked)
    if why is None:
        return None
    await session.execute(
        update(Message)
        .where(col(Message.turn_id) == request.turn_id, col(Message.direction) == "inbound")
        .where(col(Message.state) == "taken")
        .values(state="passed", settled_at=utc_now())
        .execution_options(synchronize_session=False)
    )
    # No turn will settle it, so it counts as said from now on.
    await conversations.changed(session, request.conversation_id)
    text = sentences.in_language(language_of(turn.asked)).kept
    notice_id = await notices.add_daily(session, request.conversation_id, request.turn_id, ABOUT, text)
    audit.record(
        session,
        tenant_id=request.tenant_id,
        conversation_id=request.conversation_id,
        actor="runtime",
        action="turn.rested",
        subject_id=turn.asker,
        turn_id=str(request.turn_id),
        lacks=why,
        told=notice_id is not None,
    )
    return Thought("nothing") if notice_id is None else Thought("reply", [notice_id])
