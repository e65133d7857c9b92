"""What one tenant may try on what was judged of another's turns, and held back in them; ``test_crossing`` runs it."""

from collections.abc import Awaitable, Callable

from sqlalchemy.exc import DBAPIError, NoResultFound
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import select

from konstruct import approvals, employees
from konstruct.errors import NotFound
from konstruct.escalation import judgements, trying
from konstruct.escalation.judging import Judgement
from konstruct.tables import Judgement as JudgementRow
from konstruct.tools import registry
from tests.support.office import Furnished
from tests.tenancy.attempts_on_tools import call_of, own_key

Attempt = Callable[[AsyncSession, Furnished, Furnished], Awaitable[object]]


async def _judged(b: Furnished) -> JudgementRow:
    async with b.session() as theirs:
        return (await theirs.scalars(select(JudgementRow))).one()


async def _keep(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    row = await _judged(b)
    await judgements.keep(session, b.tenant_id, row.conversation_id, row.turn_id, judgements.opened(row))


async def _of_turn(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    row = await _judged(b)
    async with b.session() as theirs:
        assert isinstance(await judgements.of_turn(theirs, row.turn_id), Judgement)
    return await judgements.of_turn(session, row.turn_id)


async def _counted(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    row = await _judged(b)
    async with b.session() as theirs:
        await judgements.counted(theirs, row.conversation_id, row.turn_id)
    return await judgements.counted(session, row.conversation_id, row.turn_id)


async def _try_out(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    return await trying.try_out(session, a.vault, b.asked.conversation_id)


async def _released(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    return await approvals.released_answers(session, a.vault, (await call_of(b)).turn_id)


async def _called(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    async with b.session() as theirs:
        version = await employees.serving(theirs, b.asked.conversation_id)
        assert await registry.called(theirs, version, own_key(b)) is not None
    return await registry.called(session, version, own_key(b))


ON_RULES: dict[str, tuple[Attempt, object]] = {
    "approvals.released_answers": (_released, []),
    "escalation.judgements.counted": (_counted, NoResultFound),
    "escalation.judgements.keep": (_keep, DBAPIError),
    "escalation.judgements.of_turn": (_of_turn, None),
    "escalation.trying.try_out": (_try_out, NotFound),
    "tools.registry.called": (_called, None),
}
