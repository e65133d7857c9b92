"""Looking things up in the knowledge base, for whoever has a question."""

from typing import Final
from uuid import UUID

from activities.begun import Begun
from activities.locating import Locator
from activities.recalling import LONGEST_QUESTION
from konstruct import conversations
from konstruct.db import Database
from konstruct.knowledge import search
from konstruct.knowledge.citing import Source
from konstruct.knowledge.search import Passage, Query
from konstruct.tables import EmployeeVersion
from konstruct.tools.builtin import SEARCH_KNOWLEDGE

PASSAGES: Final = 6
"""That one question gets at most."""


class Librarian:
    def __init__(self, database: Database, locator: Locator) -> None:
        self._database = database
        self._locator = locator

    async def search(self, employee: EmployeeVersion, asked: str) -> list[Passage]:
        """From the sources that this employee may search, best first."""
        tenant_id = employee.tenant_id
        async with self._database.tenant_session(tenant_id) as session:
            names = await search.known_models(session, tenant_id)
        vectors = await self._locator.locate(asked, names)
        query = Query(text=asked, vectors=vectors, source_keys=employee.knowledge)
        async with self._database.tenant_session(tenant_id) as session:
            return await search.search(session, tenant_id, query, at_most=PASSAGES)

    async def beforehand(self, conversation_id: UUID, begun: Begun) -> list[Source]:
        """Looked for before a model is asked, where the one at hand cannot call a tool to do so."""
        turn = begun.turn
        first = begun.chain[:1]
        if SEARCH_KNOWLEDGE not in begun.toolbox or not turn.asked or not first or first[0].calls_tools:
            return []
        found = await self.search(turn.employee, turn.asked[:LONGEST_QUESTION])
        if not all(each.is_trusted for each in found):
            async with self._database.tenant_session(turn.employee.tenant_id) as session:
                await conversations.mark_untrusted(session, conversation_id)
        return [Source(number, each.title, each.link, each.text) for number, each in enumerate(found, 1)]
