"""Recall: what is remembered of a person that bears on a question, by meaning and by words, both fused.

The only place that searches memory. Each statement names tenant and contacts besides row security: the planner cannot
see through the policy and would search an index of all tenants, in which one with few memories finds none of its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import TextClause, func
from sqlalchemy import text as sql
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct.memory.keeping import MEMORY
from konstruct.memory.words import stems
from konstruct.searching import EXACT_UP_TO, INDEXED, PREPARE, spread, vector_text
from konstruct.tables import Memory
from konstruct.vault import ContactCipher, Vault

CANDIDATES: Final = 60
"""Of each kind of search, before they are fused."""

# Weights found on one public set of long conversations; see benchmarks/memory.
MEANING: Final = 0.4
WORDS: Final = 0.6
NEIGHBOUR: Final = 0.5
"""How much of its neighbour's score a saying gets: an answer says little without its question."""
NEIGHBOURLY: Final = 20
"""So many of the best bring their neighbours along, even those that no search found."""

_KNOWN_MODELS = sql(
    "select v.model, v.dimensions, count(*) from memory_vectors v"
    " where v.tenant_id = :tenant_id and v.contact_id = any(:contact_ids) group by v.model, v.dimensions"
)
_PERSON = sql(
    "select other.id from contacts one join contacts other on other.tenant_id = one.tenant_id"
    " and other.person_id = one.person_id where one.id = :contact_id"
)
# What is at hand is left out before the nearest are counted: a long conversation would be near to nothing but itself.
# A vector of zeros, which some embedders make of an empty text, has no angle to any other.
_AT_HAND = """
    select at_hand.id from memories at_hand
    where at_hand.tenant_id = :tenant_id and at_hand.contact_id = any(:contact_ids) and at_hand.superseded_at is null
      and at_hand.conversation_id = :conversation_id and at_hand.seq > :after_seq
"""
# "+ 0" makes every index of neighbours unusable, so that this is exact whatever the planner thinks.
_NEAR_EXACTLY = sql(
    f"""
    select m.id, m.conversation_id, m.seq, m.kind, 1 - near.distance as score
    from (
      select v.memory_id, v.vector <=> cast(cast(:vector as text) as halfvec) as distance
      from memory_vectors v
      where v.tenant_id = :tenant_id and v.contact_id = any(:contact_ids) and v.model = :model
        and v.dimensions = :dimensions and v.memory_id not in ({_AT_HAND})
      order by (v.vector <=> cast(cast(:vector as text) as halfvec)) + 0
      limit :at_most
    ) near
    join memories m on m.tenant_id = :tenant_id and m.id = near.memory_id
    where near.distance <> 'NaN'
    """  # noqa: S608  # Nothing but the text above gets in.
)
_BY_WORDS = sql(
    """
    with hits as materialized (
      select m.id, m.conversation_id, m.seq, m.kind, m.length, word.lexeme, cardinality(word.positions) as times
      from memories m, unnest(m.words) word
      where m.tenant_id = :tenant_id and m.contact_id = :contact_id and m.superseded_at is null
        and m.words @@ cast(cast(:query as text) as tsquery) and word.lexeme = any(:words)
    ),
    size as (
      select count(*) as texts, greatest(avg(m.length), 1) as length from memories m
      where m.tenant_id = :tenant_id and m.contact_id = :contact_id and m.superseded_at is null
    ),
    rarity as (
      select hits.lexeme, ln(1 + (size.texts - count(*) + 0.5) / (count(*) + 0.5)) as weight
      from hits, size group by hits.lexeme, size.texts
    )
    select hits.id, hits.conversation_id, hits.seq, hits.kind,
      sum(rarity.weight * hits.times * 2.2 / (hits.times + 1.2 * (0.25 + 0.75 * hits.length / size.length))) as score
    from hits join rarity using (lexeme) cross join size
    where not (hits.conversation_id = :conversation_id and hits.seq > :after_seq)
    group by hits.id, hits.conversation_id, hits.seq, hits.kind
    order by score desc
    limit :at_most
    """
)


_NEIGHBOURS = sql(
    """
    select m.id, m.conversation_id, m.seq, m.kind
    from unnest(cast(:conversation_ids as uuid[]), cast(:seqs as bigint[])) found (conversation_id, seq)
    join memories m on m.tenant_id = :tenant_id and m.contact_id = any(:contact_ids) and m.kind = 'said'
      and m.superseded_at is null and m.conversation_id = found.conversation_id and m.seq = found.seq
    where not (m.conversation_id = :conversation_id and m.seq > :after_seq)
    """
)


def _near_by_index(dimensions: int) -> TextClause:
    vector = f"cast(cast(:vector as text) as halfvec({dimensions}))"
    return sql(
        f"""
        with near as materialized (
          select v.memory_id, v.vector::halfvec({dimensions}) <=> {vector} as distance
          from memory_vectors v
          where v.tenant_id = :tenant_id and v.contact_id = any(:contact_ids) and v.model = :model
            and v.dimensions = {dimensions} and v.memory_id not in ({_AT_HAND})
          order by v.vector::halfvec({dimensions}) <=> {vector}
          limit :at_most
        )
        select m.id, m.conversation_id, m.seq, m.kind, 1 - near.distance as score
        from near join memories m on m.tenant_id = :tenant_id and m.id = near.memory_id
        where near.distance <> 'NaN'
        """  # noqa: S608  # Only the lengths below and the text above get in.
    )


_INDEXED: Final = {dimensions: _near_by_index(dimensions) for dimensions in INDEXED}


@dataclass(frozen=True)
class Question:
    """``vectors``: what is asked, by each model that this person's memories are embedded with: see ``known_models``."""

    contact_id: UUID
    text: str
    vectors: Mapping[str, Sequence[float]] = field(default_factory=dict)
    conversation_id: UUID | None = None
    after_seq: int = 0
    """What was said in the conversation after this is at hand, and need not be recalled."""


@dataclass(frozen=True)
class Recalled:
    memory_id: UUID
    message_id: UUID
    """Where it comes from."""
    kind: str
    speaker: str
    text: str
    happened_at: datetime
    confidence: float
    score: float


@dataclass(frozen=True)
class _Hit:
    memory_id: UUID
    conversation_id: UUID
    seq: int
    kind: str


async def known_models(session: AsyncSession, tenant_id: UUID, contact_id: UUID) -> list[str]:
    """The models that this person's memories are embedded with: more than one while they are embedded anew."""
    contact_ids = await _person(session, contact_id)
    rows = await session.execute(_KNOWN_MODELS, {"tenant_id": tenant_id, "contact_ids": contact_ids})
    return sorted({model for model, _, _ in rows})


async def count_sayings(session: AsyncSession, contact_id: UUID) -> int:
    return (
        await session.scalar(
            select(func.count())
            .select_from(Memory)
            .where(col(Memory.contact_id) == contact_id, col(Memory.kind) == "said")
        )
        or 0
    )


async def recall(
    session: AsyncSession,
    vault: Vault,
    tenant_id: UUID,
    question: Question,
    *,
    at_most: int = 10,
    exact_up_to: int = EXACT_UP_TO,
) -> list[Recalled]:
    """What bears on the question most, best first. Contacts that are one person share what is remembered of them."""
    await session.execute(PREPARE)
    contact_ids = await _person(session, question.contact_id)
    ciphers = await vault.ciphers(session, contact_ids)
    where = {
        "tenant_id": tenant_id,
        # Nothing has this id: a comparison with none would be true of nothing.
        "conversation_id": question.conversation_id or tenant_id,
        "after_seq": question.after_seq,
    }
    meanings = await _near(session, question, where, contact_ids, exact_up_to)
    words = await _worded(session, question.text, where, ciphers)
    scores = _fused(meanings, words)
    scores = await _with_neighbours(session, {**where, "contact_ids": contact_ids}, scores)
    ranked = sorted(scores.items(), key=lambda entry: (-entry[1], entry[0].memory_id))[:at_most]
    return await _opened(session, ciphers, ranked)


async def _person(session: AsyncSession, contact_id: UUID) -> list[UUID]:
    return list(await session.scalars(_PERSON, {"contact_id": contact_id}))


async def _near(
    session: AsyncSession,
    question: Question,
    where: Mapping[str, Any],
    contact_ids: Sequence[UUID],
    exact_up_to: int,
) -> dict[_Hit, float]:
    if not question.vectors:
        return {}
    of_person = {**where, "contact_ids": contact_ids}
    found: dict[_Hit, float] = {}
    for model, dimensions, count in (await session.execute(_KNOWN_MODELS, of_person)).all():
        if (vector := question.vectors.get(model)) is None or len(vector) != dimensions:
            continue
        of_model = {**of_person, "model": model, "vector": vector_text(vector), "at_most": 3 * CANDIDATES}
        if count > exact_up_to and dimensions in _INDEXED:
            rows = await session.execute(_INDEXED[dimensions], of_model)
        else:
            rows = await session.execute(_NEAR_EXACTLY, {**of_model, "dimensions": dimensions})
        best = sorted(rows.all(), key=lambda row: -row.score)[:CANDIDATES]
        # Models measure on scales of their own, so each is spread over the same one.
        found |= spread({_Hit(*row[:4]): row.score for row in best})
    return found


async def _worded(
    session: AsyncSession, text: str, where: Mapping[str, Any], ciphers: Mapping[UUID, ContactCipher]
) -> dict[_Hit, float]:
    [asked] = await stems(session, [text])
    found: dict[_Hit, float] = {}
    for contact_id, cipher in ciphers.items() if asked else ():
        words = [cipher.hide(stem) for stem in asked]
        rows = await session.execute(
            _BY_WORDS,
            {**where, "contact_id": contact_id, "words": words, "query": " | ".join(words), "at_most": CANDIDATES},
        )
        found |= {_Hit(*row[:4]): float(row.score) for row in rows}
    best = max(found.values(), default=0.0)
    return {hit: score / best for hit, score in found.items()} if best else found


def _fused(meanings: Mapping[_Hit, float], words: Mapping[_Hit, float]) -> dict[_Hit, float]:
    """Both are on a scale from 0 to 1; what only one of them found has 0 of the other."""
    return {
        hit: MEANING * meanings.get(hit, 0.0) + WORDS * words.get(hit, 0.0) for hit in meanings.keys() | words.keys()
    }


async def _with_neighbours(
    session: AsyncSession, where: Mapping[str, Any], scores: Mapping[_Hit, float]
) -> dict[_Hit, float]:
    """What was said just before and after raises a saying, and is brought along by the best of them."""
    best = sorted((hit for hit in scores if hit.kind == "said"), key=lambda hit: -scores[hit])[:NEIGHBOURLY]
    # Each place by itself, so that it is looked up in an index, however long the conversation is.
    beside_best = [(hit.conversation_id, hit.seq + step) for hit in best for step in (-1, 1)]
    places = {"conversation_ids": [each for each, _ in beside_best], "seqs": [seq for _, seq in beside_best]}
    brought = [_Hit(*row) for row in await session.execute(_NEIGHBOURS, {**where, **places})]
    said = {(hit.conversation_id, hit.seq): score for hit, score in scores.items() if hit.kind == "said"}

    def beside(hit: _Hit) -> float:
        return max(said.get((hit.conversation_id, hit.seq + step), 0.0) for step in (-1, 1))

    return {
        hit: scores.get(hit, 0.0) + (NEIGHBOUR * beside(hit) if hit.kind == "said" else 0.0)
        for hit in {*scores, *brought}
    }


async def _opened(
    session: AsyncSession, ciphers: Mapping[UUID, ContactCipher], ranked: Sequence[tuple[_Hit, float]]
) -> list[Recalled]:
    wanted = [hit.memory_id for hit, _ in ranked]
    rows = {row.id: row for row in await session.scalars(select(Memory).where(col(Memory.id).in_(wanted)))}
    return [
        Recalled(
            memory_id=row.id,
            message_id=row.message_id,
            kind=row.kind,
            speaker=row.speaker,
            text=ciphers[row.contact_id].open(MEMORY, row.id, row.sealed),
            happened_at=row.happened_at,
            confidence=row.confidence,
            score=score,
        )
        for hit, score in ranked
        if (row := rows.get(hit.memory_id)) is not None
    ]
