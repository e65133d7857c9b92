"""Looking things up in the knowledge base, for whoever has a question."""

from typing import Final

from activities.locating import Locator
from konstruct.db import Database
from konstruct.knowledge import search
from konstruct.knowledge.search import Passage, Query
from konstruct.tables import EmployeeVersion

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
