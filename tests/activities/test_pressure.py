"""What can wait does so while the worker comes late to everything."""

import asyncio
import time

from temporalio.testing import ActivityEnvironment

from activities.pressure import BUSY_SECONDS, LOOK_SECONDS, is_busy
from activities.remembering import Remembering
from konstruct.tables import Memory
from tests.activities.memories import remember
from tests.support.doubles import ScriptedModel
from tests.support.office import Office


def be_busy() -> None:
    """Keeps the event loop from what is due, as too many replies do."""
    asyncio.get_running_loop().call_later(LOOK_SECONDS / 2, time.sleep, 2 * BUSY_SECONDS)


async def test_a_loop_that_is_held_up_is_busy() -> None:
    be_busy()
    assert await is_busy()


async def test_vectors_are_made_when_there_is_time(
    office: Office, remembering: Remembering, model: ScriptedModel
) -> None:
    model.script('{"facts": []}')
    asked = await office.exchange("I live in Bremen.")
    await remember(remembering, office, asked)
    assert all(memory.embedded_with for memory in await office.rows(Memory))
    async with office.session() as session:
        for memory in await office.rows(Memory):
            memory.embedded_with = None
            await session.merge(memory)
    be_busy()
    await ActivityEnvironment().run(remembering.embed_memories)
    assert not any(memory.embedded_with for memory in await office.rows(Memory))
    await ActivityEnvironment().run(remembering.embed_memories)
    assert all(memory.embedded_with for memory in await office.rows(Memory))
