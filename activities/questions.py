"""Questions that people try out on the knowledge: where they lie, which only a worker can say."""

from temporalio import activity

from activities.locating import Locator
from konstruct.contracts.knowledge import QuestionLocated, QuestionToLocate
from konstruct.db import Database
from konstruct.knowledge import search, trying
from konstruct.vault import Vault


class Questions:
    def __init__(self, database: Database, vault: Vault, locator: Locator) -> None:
        self._database = database
        self._vault = vault
        self._locator = locator

    @activity.defn(name="locate_question")
    async def locate_question(self, asked: QuestionToLocate) -> QuestionLocated:
        """By each model that the tenant's chunks are embedded with and that answers in time."""
        async with self._database.tenant_session(asked.tenant_id) as session:
            question = await trying.opened(session, self._vault, asked)
            names = await search.known_models(session, asked.tenant_id)
        vectors = await self._locator.locate(question, names)
        async with self._database.tenant_session(asked.tenant_id) as session:
            return await trying.sealed_vectors(session, self._vault, asked, vectors)
