"""Questions that people try out: searched as employees search, by meaning where a worker says where they lie."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

import structlog
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncSession
from temporalio.client import Client, RPCTimeoutOrCancelledError, WorkflowFailureError
from temporalio.common import Priority
from temporalio.service import RPCError

from konstruct import temporal
from konstruct.contracts.knowledge import LOCATE_WORKFLOW, QuestionLocated, QuestionToLocate
from konstruct.db import Database
from konstruct.identity import new_id
from konstruct.knowledge import search
from konstruct.knowledge.search import Passage, Query
from konstruct.vault import Vault

SHOWN: Final = 6
"""Passages, as many as an employee is shown."""
NEAR_MISSES: Final = 3
TIME_LIMIT: Final = timedelta(seconds=8)
"""So long somebody waits for a worker."""

_PURPOSE: Final = "question"
_WORDS: Final = "words"

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Answer:
    passages: Sequence[Passage]
    """What an employee would be shown, best first."""
    misses: Sequence[Passage]
    """What comes next, and is not near enough."""
    by_meaning: bool
    """Whether it was looked for by its meaning, or for lack of a worker by its words alone."""


async def ask(
    database: Database,
    vault: Vault,
    client: Client,
    tenant_id: UUID,
    question: str,
    *,
    source_keys: Sequence[str] | None = None,
    at_most: int = SHOWN,
) -> Answer:
    """``source_keys``: which sources are searched; all for None."""
    async with database.tenant_session(tenant_id) as session:
        models = await search.known_models(session, tenant_id)
        asked = await _sealed(session, vault, tenant_id, question) if models else None
    vectors = await _located(database, vault, client, asked) if asked else {}
    query = Query(question, vectors, source_keys)
    async with database.tenant_session(tenant_id) as session:
        passages = await search.search(session, tenant_id, query, at_most=at_most)
        nearest = await search.search(session, tenant_id, query, at_most=at_most + NEAR_MISSES, floor=0.0)
    shown = {each.chunk_id for each in passages}
    least = min((each.score for each in passages), default=search.FLOOR)
    misses = [each for each in nearest if each.chunk_id not in shown and each.score < min(least, search.FLOOR)]
    # Where nothing has a vector yet, nothing would be found by meaning either.
    return Answer(passages, misses[:NEAR_MISSES], bool(vectors) or not models)


async def opened(session: AsyncSession, vault: Vault, asked: QuestionToLocate) -> str:
    """What was asked, for whoever says where it lies."""
    found = await vault.open(session, asked.tenant_id, _PURPOSE, asked.question_id, asked.sealed)
    return found[_WORDS].get_secret_value()


async def sealed_vectors(
    session: AsyncSession, vault: Vault, asked: QuestionToLocate, vectors: Mapping[str, Sequence[float]]
) -> QuestionLocated:
    written = {name: SecretStr(json.dumps(list(vector))) for name, vector in vectors.items()}
    return QuestionLocated(await vault.seal(session, asked.tenant_id, _PURPOSE, asked.question_id, written))


async def _sealed(session: AsyncSession, vault: Vault, tenant_id: UUID, question: str) -> QuestionToLocate:
    question_id = new_id()
    sealed = await vault.seal(session, tenant_id, _PURPOSE, question_id, {_WORDS: SecretStr(question)})
    return QuestionToLocate(tenant_id, question_id, sealed)


async def _located(database: Database, vault: Vault, client: Client, asked: QuestionToLocate) -> dict[str, list[float]]:
    try:
        # The client's own time limits do not hold while it still connects.
        async with asyncio.timeout(TIME_LIMIT.total_seconds()):
            located: QuestionLocated = await client.execute_workflow(
                LOCATE_WORKFLOW,
                asked,
                id=f"question:{asked.tenant_id}:{asked.question_id}",
                task_queue=temporal.UPKEEP,
                execution_timeout=TIME_LIMIT,
                priority=Priority(fairness_key=str(asked.tenant_id)),
                result_type=QuestionLocated,
            )
    except (RPCError, RPCTimeoutOrCancelledError, RuntimeError, TimeoutError, WorkflowFailureError) as error:
        log.warning("question_not_located", tenant_id=str(asked.tenant_id), reason=type(error).__name__)
        return {}
    async with database.tenant_session(asked.tenant_id) as session:
        found = await vault.open(session, asked.tenant_id, _PURPOSE, asked.question_id, located.sealed)
    return {name: json.loads(vector.get_secret_value()) for name, vector in found.items()}
