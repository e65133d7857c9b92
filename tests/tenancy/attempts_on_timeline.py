"""What one tenant may try on another's conversations; ``test_crossing`` runs it."""

from collections.abc import Awaitable, Callable
from typing import Final

from sqlalchemy.exc import NoResultFound
from sqlalchemy.ext.asyncio import AsyncSession

from konstruct import approvals, connections, consults, outbox, poison
from konstruct.errors import NotFound
from konstruct.record import actors, listing, overview, timeline
from konstruct.record.listing import Filters
from konstruct.tables import Tenant
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


async def decide_as_their_person(session: AsyncSession, ours: Furnished, theirs: Furnished) -> object:
    """Where deciders are named, those of our own desk alone are among them."""
    tenant = await session.get_one(Tenant, ours.tenant_id)
    kept, tenant.approvals = tenant.approvals, {"deciders": ["U1"]}
    await session.flush()
    found = await approvals.may_decide(session, role="agent", email="grace@example.com")
    tenant.approvals = kept
    return found


async def see_what_waits_for_them(session: AsyncSession, ours: Furnished, theirs: Furnished) -> object:
    return {asked.tenant_id for asked in await approvals.waiting(session, ours.vault)} - {ours.tenant_id}


async def count_what_waits_for_them(session: AsyncSession, ours: Furnished, theirs: Furnished) -> object:
    own = await approvals.waiting(session, ours.vault, 1_000)
    return await approvals.count_waiting(session) - len(own)


async def count_their_questions(session: AsyncSession, ours: Furnished, theirs: Furnished) -> object:
    own = await consults.listing(session, ours.vault, state="waiting", limit=1_000)
    return await consults.count_waiting(session) - len(own)


async def note_their_trouble(session: AsyncSession, ours: Furnished, theirs: Furnished) -> None:
    await poison.note(session, theirs.waiting.conversation_id, range(100), "ZeroDivisionError")


ON_TIMELINE: Final[dict[str, tuple[Attempt, object]]] = {
    "connections.serving_employee": (
        lambda session, ours, theirs: connections.serving_employee(session, theirs.connection_id, "C9"),
        NoResultFound,
    ),
    "approvals.may_decide": (decide_as_their_person, False),
    "approvals.waiting": (see_what_waits_for_them, set()),
    "approvals.count_waiting": (count_what_waits_for_them, 0),
    "poison.count": (lambda session, ours, theirs: poison.count(session, theirs.waiting.conversation_id), ()),
    "poison.most_tries": (lambda session, ours, theirs: poison.most_tries(session, theirs.waiting.conversation_id), 0),
    "poison.note": (note_their_trouble, None),
    "poison.of_conversation": (
        lambda session, ours, theirs: poison.of_conversation(session, theirs.waiting.conversation_id),
        [],
    ),
    "poison.set_aside": (
        lambda session, ours, theirs: poison.set_aside(
            session, ours.vault, theirs.waiting.conversation_id, theirs.waiting.message_id
        ),
        NotFound,
    ),
    "poison.try_again": (
        lambda session, ours, theirs: poison.try_again(session, theirs.waiting.conversation_id, actor="ours"),
        NotFound,
    ),
    "poison.uncount": (
        lambda session, ours, theirs: poison.uncount(session, theirs.waiting.conversation_id, range(100)),
        None,
    ),
    "outbox.count": (lambda session, ours, theirs: outbox.count(session, theirs.reply_id), None),
    "outbox.tries": (lambda session, ours, theirs: outbox.tries(session, theirs.reply_id), 0),
    "outbox.uncount": (lambda session, ours, theirs: outbox.uncount(session, theirs.reply_id), None),
    "consults.count_waiting": (count_their_questions, 0),
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
