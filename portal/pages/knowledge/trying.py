"""A question tried on the knowledge, as an employee would look it up: what is found, how near, and who sees it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Final

from fastapi import APIRouter, Form, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from konstruct.designs import listing, using
from konstruct.designs.using import User, Users
from konstruct.knowledge import search, sources, trying
from konstruct.knowledge.search import Passage
from konstruct.knowledge.trying import Answer
from konstruct.ports import Limit
from konstruct.tables import KnowledgeSource
from portal import pacing
from portal.pages.knowledge.sources import Reader
from portal.rendering import render
from portal.services import services

router = APIRouter(prefix="/t/{tenant}/knowledge")

LONGEST: Final = 1_000
_MOST_QUESTIONS: Final = Limit(60, timedelta(minutes=5))
_EVERYWHERE: Final = "all"


@dataclass(frozen=True)
class Hit:
    passage: Passage
    source: str
    """Its title."""
    users: Sequence[User]


@dataclass(frozen=True)
class Around:
    sources: Sequence[KnowledgeSource]
    users: Users
    places: Sequence[tuple[str, str]]
    """Where one can look: everywhere, as an employee, in one source."""


@router.get("/try/question")
async def ask(request: Request, member: Reader, where: str = _EVERYWHERE) -> Response:
    async with services(request).database.tenant_session(member.tenant_id) as session:
        around = await _around(session)
    return _page(request, around, where, "")


@router.post("/try/question")
async def find(
    request: Request,
    member: Reader,
    question: Annotated[str, Form()] = "",
    where: Annotated[str, Form()] = _EVERYWHERE,
) -> Response:
    reached, asked = services(request), question.strip()
    async with reached.database.tenant_session(member.tenant_id) as session:
        around = await _around(session)
    if not 2 <= len(asked) <= LONGEST:
        wrong = "Ask as a customer would." if len(asked) < 2 else f"Ask in at most {LONGEST:,} characters."
        return _page(request, around, where, question, errors={"question": wrong})
    keys = _keys(around, where)
    await pacing.count(request, member, "questions", _MOST_QUESTIONS, "Questions were tried very often just now.")
    answer = await trying.ask(
        reached.database, reached.vault, await reached.temporal(), member.tenant_id, asked, source_keys=keys
    )
    return _page(request, around, where, asked, answer)


async def _around(session: AsyncSession) -> Around:
    rows = await sources.listing(session)
    users = await using.users(session)
    employees = [each for each in await listing.employees(session) if each.archived_at is None]
    return Around(
        rows,
        users,
        [
            (_EVERYWHERE, "All sources"),
            *((f"employee:{each.key}", f"As {each.name} looks") for each in employees),
            *((f"source:{row.key}", f"Only in {row.title}") for row in rows),
        ],
    )


def _keys(around: Around, where: str) -> list[str] | None:
    kind, _, key = where.partition(":")
    if kind == "source":
        return [key]
    if kind == "employee":
        return [
            row.key
            for row in around.sources
            if any(user.key == key and user.is_published for user in around.users.of_source(row.key))
        ]
    return None


def _page(
    request: Request,
    around: Around,
    where: str,
    question: str,
    answer: Answer | None = None,
    *,
    errors: dict[str, str] | None = None,
) -> Response:
    titles = {row.key: row.title for row in around.sources}

    def hits(passages: Sequence[Passage]) -> list[Hit]:
        return [
            Hit(each, titles.get(each.source_key, each.source_key), around.users.of_source(each.source_key))
            for each in passages
        ]

    return render(
        request,
        "pages/knowledge/try.html",
        422 if errors else 200,
        choices=around.places,
        where=where if where in dict(around.places) else _EVERYWHERE,
        question=question,
        has_sources=bool(around.sources),
        answer=answer,
        hits=hits(answer.passages) if answer else [],
        misses=hits(answer.misses) if answer else [],
        floor=search.FLOOR,
        errors=errors or {},
    )
