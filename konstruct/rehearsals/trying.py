"""Trying a draft out, by a person in the portal or a program with an API key.

Each has one rehearsal with each employee, the latest; ``whose`` is the person's id, or the key's.
"""

from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from temporalio.client import Client

from konstruct import approvals, temporal
from konstruct.designs import checking, drafting
from konstruct.designs.drafting import Draft
from konstruct.errors import BadInput, Conflict, Unavailable
from konstruct.rehearsals import rooms
from konstruct.tables import Rehearsal
from konstruct.vault import Vault

_LEFT_OUT: Final = frozenset({"tools", "knowledge"})


async def triable(session: AsyncSession, key: str) -> Draft:
    """The draft, if it can answer: what is missing is said in the words of its form. Tools and sources that are not to
    be had are left out, as they are with contacts. Raises BadInput, Conflict and NotFound."""
    draft = await drafting.read(session, key)
    if draft.archived_at is not None:
        raise Conflict("This employee is archived: restore it to try its draft out.")
    found = checking.problems(draft.content, await checking.surroundings(session))
    wrong = [f"{checking.label(each.loc)} {each.sentence}." for each in found if each.field not in _LEFT_OUT]
    if wrong:
        raise BadInput(f"This draft cannot be tried out yet. {' '.join(wrong)}")
    return draft


async def latest(session: AsyncSession, key: str, whose: UUID) -> Rehearsal | None:
    """Raises NotFound where there is no such employee."""
    return await rooms.latest(session, (await drafting.read(session, key)).employee_id, whose)


async def begun(session: AsyncSession, key: str, whose: UUID, *, acts: bool, actor: str) -> Rehearsal:
    """The one they are in, or a new one. ``acts``: where it is new. Raises as ``triable`` does."""
    found = await latest(session, key, whose)
    if found is None:
        found = await rooms.start(session, await triable(session, key), user_id=whose, acts=acts, actor=actor)
    return found


async def stop(client: Client, rehearsal: Rehearsal) -> None:
    """What is not answered yet is not to be; where Temporal is away, nobody works on it anyway."""
    try:
        await temporal.stop_turn(client, rehearsal.tenant_id, rehearsal.conversation_id)
    except Unavailable:
        return


async def decide(
    session: AsyncSession,
    vault: Vault,
    approval_id: UUID,
    whose: UUID,
    *,
    is_yes: bool,
    fingerprint: str,
    actor: str,
) -> None:
    """A yes or no to a call of their own rehearsal. Raises NotFound, BadInput and Conflict."""
    asked = await approvals.read(session, vault, approval_id)
    await rooms.get(session, asked.conversation_id, whose)
    await approvals.decide(session, vault, approval_id, is_yes=is_yes, fingerprint=fingerprint, by=actor)
