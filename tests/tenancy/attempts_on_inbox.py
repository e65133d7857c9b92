"""What one tenant may try on another's inbox; ``test_crossing`` runs it."""

from collections.abc import Awaitable, Callable
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import select

from konstruct.tables import Membership
from konstruct.workbench import listing, marks, pulse
from konstruct.workbench.views import VIEWS, Asked
from tests.support.office import Furnished

Attempt = Callable[[AsyncSession, Furnished, Furnished], Awaitable[object]]


async def mark(office: Furnished) -> None:
    """A member has looked at a conversation."""
    async with office.session() as session:
        await marks.looked(session, await _member(office), office.asked.conversation_id)


async def _member(office: Furnished) -> UUID:
    async with office.session() as theirs:
        found = (await theirs.scalars(select(Membership.user_id).limit(1))).one()
        assert isinstance(found, UUID)
        return found


async def _listed(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    """Of all views, and by all that finds theirs, the rows that are not ours."""
    async with a.session() as own:
        ours = {
            row.row_id
            for view in VIEWS
            for row in (await listing.page(own, a.vault, a.tenant_id, Asked(view, f"agent-{a.tenant_id}"))).rows
        }
    asked = [Asked(view, f"agent-{b.tenant_id}", text=text) for view in VIEWS for text in ("", str(b.contact_id), "a")]
    asked += [Asked("all", employee_id=b.employee_id), Asked("all", connection_id=b.connection_id)]
    asked += [Asked("all", text=str(b.asked.conversation_id))]
    rows = [row for each in asked for row in (await listing.page(session, a.vault, a.tenant_id, each)).rows]
    return [row for row in rows if row.row_id not in ours]


async def _named(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    wanted = (str(b.contact_id), str(b.asked.conversation_id))
    return [row for text in wanted for row in await listing.named(session, a.vault, a.tenant_id, text, 5)]


async def _marked(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    return await marks.seen(session, await _member(b), [b.asked.conversation_id])


async def _look(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    for user_id in (await _member(a), await _member(b)):
        await marks.looked(session, user_id, b.waiting.conversation_id)
        await marks.looked(session, user_id, b.asked.conversation_id)


async def _called(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    async with b.session() as theirs:
        known = {call.conversation_id for call in await pulse.calls(theirs)}
    assert known
    return [call for call in await pulse.calls(session) if call.conversation_id in known]


async def _same(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    """Whether our marks are what theirs are."""
    async with b.session() as theirs:
        of_theirs = (await pulse.of_list(theirs), await pulse.of_latest(theirs))
    return [each for each in (await pulse.of_list(session), await pulse.of_latest(session)) if each in of_theirs]


async def _counted(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    return (await listing.counts(session, f"agent-{b.tenant_id}")).mine


async def _waiting(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    """As many as wait with us, whatever waits with them."""
    async with a.session() as own:
        ours = sum(call.is_waiting for call in await pulse.calls(own))
    return await pulse.waiting(session) - ours


async def _pulse(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    return await pulse.of_conversations(session, [b.asked.conversation_id, b.waiting.conversation_id])


ON_INBOX: Final[dict[str, tuple[Attempt, object]]] = {
    "workbench.listing.page": (_listed, []),
    "workbench.listing.named": (_named, []),
    "workbench.listing.counts": (_counted, 0),
    "workbench.rows.opened": (_listed, []),
    "workbench.rows.shown": (_listed, []),
    "workbench.marks.looked": (_look, None),
    "workbench.marks.seen": (_marked, {}),
    "workbench.pulse.of_list": (_same, []),
    "workbench.pulse.of_latest": (_same, []),
    "workbench.pulse.of_conversations": (_pulse, {}),
    "workbench.pulse.calls": (_called, []),
    "workbench.pulse.waiting": (_waiting, 0),
}
