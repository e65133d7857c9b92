"""Questions that are tried on what is known."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from temporalio.client import Client
from temporalio.worker import Worker

from activities.locating import Locator
from activities.questions import Questions
from konstruct import temporal
from konstruct.db import Database
from konstruct.designs import listing
from konstruct.settings import Settings
from konstruct.tables import KnowledgeChunk
from konstruct.vault import Vault
from tests.portal.conftest import browser
from tests.portal.knowledge import RETURNS, at
from tests.support import library
from tests.support.doubles import GivenEmbedders, NothingCools, WordEmbedder
from tests.support.members import Enrolled
from tests.support.office import Office
from tests.support.workers import polling
from tests.support.workshop import publish
from workflows.at_once import LocateQuestionWorkflow
from workflows.sandbox import RUNNER


@asynccontextmanager
async def locating(client: Client, database: Database, vault: Vault, embedder: WordEmbedder) -> AsyncIterator[None]:
    questions = Questions(database, vault, Locator(GivenEmbedders({embedder.name: embedder}), NothingCools()))
    async with polling(
        Worker(
            client,
            task_queue=temporal.UPKEEP,
            workflows=[LocateQuestionWorkflow],
            activities=[questions.locate_question],
            workflow_runner=RUNNER,
        )
    ):
        yield


class TestQuestions:
    async def test_it_is_looked_up_by_meaning_with_scores_sources_and_who_finds_it(
        self,
        visitor: httpx.AsyncClient,
        owner: Enrolled,
        office: Office,
        database: Database,
        vault: Vault,
        settings: Settings,
    ) -> None:
        embedder = WordEmbedder()
        await _embedded(office, embedder)
        await publish(office, "search_knowledge", knowledge=["handbook"])
        question = "returned bike thirty days"
        async with locating(await temporal.connect(settings, lazy=False), database, vault, embedder):
            page = (await visitor.post(at(owner, "/try/question"), data={"question": question})).text
            nowhere = (await visitor.post(at(owner, "/try/question"), data={"question": "violin"})).text
            other = await visitor.post(
                at(owner, "/try/question"), data={"question": question, "where": "source:prices"}
            )
        assert embedder.asked[-3:] == [("query", question), ("query", "violin"), ("query", question)]
        assert "by its words alone" not in page
        assert RETURNS in page
        assert "near enough" in page
        assert re.search(r'<meter min="0" max="1" value="0\.[3-9]', page)
        assert "found by" in page
        assert "Nothing was found that is near enough" in nowhere
        assert RETURNS not in other.text

    async def test_without_a_worker_it_is_looked_up_by_words_and_says_so(
        self, settings: Settings, owner: Enrolled, office: Office
    ) -> None:
        await _embedded(office, WordEmbedder())
        async with browser(settings.model_copy(update={"temporal_address": "127.0.0.1:1"})) as client:
            client.cookies.update(owner.cookies)
            page = (await client.post(at(owner, "/try/question"), data={"question": "thirty days"})).text
        assert "Looked up by its words alone" in page
        assert RETURNS in page

    async def test_an_employee_looks_only_where_it_may(
        self, visitor: httpx.AsyncClient, owner: Enrolled, office: Office
    ) -> None:
        await library.fill(office, "handbook", {"returns.md": library.content(RETURNS)})
        form = {"question": "thirty days", "where": f"employee:{await _employee(office)}"}
        assert RETURNS not in (await visitor.post(at(owner, "/try/question"), data=form)).text
        await publish(office, "search_knowledge", knowledge=["handbook"])
        assert RETURNS in (await visitor.post(at(owner, "/try/question"), data=form)).text
        empty = await visitor.post(at(owner, "/try/question"), data={"question": " "})
        assert (empty.status_code, "Ask as a customer would." in empty.text) == (422, True)


async def _employee(office: Office) -> str:
    async with office.session() as session:
        [found] = await listing.employees(session)
    return found.key


async def _embedded(office: Office, embedder: WordEmbedder) -> None:
    await library.fill(office, "handbook", {"returns.md": library.content(RETURNS, title="Returns")})
    await library.fill(office, "prices", {"prices.md": library.content("A tube costs nine euros.", title="Prices")})
    rows = await office.rows(KnowledgeChunk)
    vectors = await embedder.embed([row.text for row in rows], purpose="passage")
    await library.place(office, embedder.name, {row.id: vector for row, vector in zip(rows, vectors, strict=True)})
