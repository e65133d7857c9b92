"""What one tenant may try on another's open conversations; ``test_crossing`` runs it."""

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from konstruct.desk import people
from konstruct.errors import NotFound
from konstruct.workbench import about, thread
from konstruct.workbench.thread import Thread
from tests.support.office import Furnished
from tests.tenancy.attempts_on_handoffs import handoff_of

Attempt = Callable[[AsyncSession, Furnished, Furnished], Awaitable[object]]


async def read_beside_theirs(session: AsyncSession, ours: Furnished, theirs: Furnished) -> object:
    """With all that they know themselves of where it is."""
    conversation_id = (await handoff_of(theirs)).conversation_id
    async with theirs.session() as other:
        place, desk = await about.place(other, theirs.vault, conversation_id), await people.settings(other)
        assert (await about.read(other, theirs.vault, place, desk)).reason
    found = await about.read(session, ours.vault, place, desk)
    return (found.reason, found.packet.summary, found.facts, found.others, found.approvals, found.cost, found.drafts)


async def read_their_thread(session: AsyncSession, ours: Furnished, theirs: Furnished) -> object:
    async with theirs.session() as other:
        place, desk = await about.place(other, theirs.vault, theirs.asked.conversation_id), await people.settings(other)
        assert (await thread.read(other, theirs.vault, place.conversation, desk, "Ada")).lines
    return await thread.read(session, ours.vault, place.conversation, desk, "Ada")


ON_THE_OPEN: Final[dict[str, tuple[Attempt, object]]] = {
    "workbench.about.place": (lambda s, a, b: about.place(s, a.vault, b.asked.conversation_id), NotFound),
    "workbench.about.read": (read_beside_theirs, ("", "", [], [], [], Decimal(0), [])),
    "workbench.thread.read": (read_their_thread, Thread([], 0, None)),
}
