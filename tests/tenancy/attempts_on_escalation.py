"""What one tenant may try on another's rules, judgements and answers that were held back; ``test_crossing`` runs it."""

from collections.abc import Awaitable, Callable

from sqlalchemy.exc import DBAPIError, NoResultFound
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import select

from konstruct import approvals, employees
from konstruct.errors import NotFound
from konstruct.escalation import judgements, trying
from konstruct.escalation.judging import Judgement
from konstruct.identity import new_id
from konstruct.tables import Judgement as JudgementRow
from konstruct.tables import Message
from konstruct.tools import registry
from tests.support.office import Furnished
from tests.tenancy.attempts_on_tools import own_key

Attempt = Callable[[AsyncSession, Furnished, Furnished], Awaitable[object]]


async def _judgement_of_turn(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    async with b.session() as theirs:
        row = (await theirs.scalars(select(JudgementRow))).first()
    assert row is not None
    return await judgements.of_turn(session, row.turn_id)


async def _released(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    async with b.session() as theirs:
        turn_id = (await theirs.scalars(select(Message.turn_id).where(Message.id == b.reply_id))).one()
    assert turn_id is not None
    return await approvals.released_answers(session, a.vault, turn_id)


async def _called(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    async with b.session() as theirs:
        version = await employees.serving(theirs, b.asked.conversation_id)
    return await registry.called(session, version, own_key(b))


ON_ESCALATION: dict[str, tuple[Attempt, object]] = {
    "escalation.judgements.counted": (
        lambda s, a, b: judgements.counted(s, b.asked.conversation_id, new_id()),
        NoResultFound,
    ),
    "escalation.judgements.of_turn": (_judgement_of_turn, None),
    "escalation.judgements.keep": (
        lambda s, a, b: judgements.keep(s, a.tenant_id, b.asked.conversation_id, new_id(), Judgement()),
        DBAPIError,
    ),
    "escalation.judgements.keep for b": (
        lambda s, a, b: judgements.keep(s, b.tenant_id, b.asked.conversation_id, new_id(), Judgement()),
        DBAPIError,
    ),
    "escalation.trying.try_out": (lambda s, a, b: trying.try_out(s, a.vault, b.asked.conversation_id), NotFound),
    "approvals.released_answers": (_released, []),
    "tools.registry.called": (_called, None),
}
