"""What one tenant may try on another's conversations; ``test_crossing`` runs it."""

from collections.abc import Awaitable, Callable
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from konstruct.errors import NotFound
from konstruct.record import actors, listing, overview, timeline
from konstruct.record.listing import Filters
from tests.support.office import Furnished

Attempt = Callable[[AsyncSession, Furnished, Furnished], Awaitable[object]]


async def list_their_conversations(session: AsyncSession, ours: Furnished, theirs: Furnished) -> object:
    found = await listing.page(session, ours.vault, Filters(employee_id=theirs.employee_id))
    narrowed = await listing.page(session, ours.vault, Filters(connection_id=theirs.connection_id))
    whose = {row.contact_id for row in (await listing.page(session, ours.vault, Filters())).rows}
    return [*found.rows, *narrowed.rows, theirs.contact_id in whose]


async def name_them(session: AsyncSession, ours: Furnished, theirs: Furnished) -> object:
    async with theirs.session() as other:
        their_own = set((await actors.names(other)).members)
    return bool(their_own), their_own & set((await actors.names(session)).members)


async def add_their_costs_up(session: AsyncSession, ours: Furnished, theirs: Furnished) -> object:
    cost = await overview.cost(session, theirs.asked.conversation_id)
    return (cost.dollars, cost.calls)


ON_TIMELINE: Final[dict[str, tuple[Attempt, object]]] = {
    "record.listing.page": (list_their_conversations, [False]),
    "record.actors.names": (name_them, (True, set())),
    "record.overview.cost": (add_their_costs_up, (0, 0)),
    "record.overview.read": (
        lambda session, ours, theirs: overview.read(session, ours.vault, theirs.asked.conversation_id),
        NotFound,
    ),
    "record.timeline.page": (
        lambda session, ours, theirs: timeline.page(session, ours.vault, theirs.asked.conversation_id),
        NotFound,
    ),
    "record.timeline.following": (
        lambda session, ours, theirs: timeline.following(session, ours.vault, theirs.asked.conversation_id),
        NotFound,
    ),
}
