"""How much of the evidence for questions about long conversations is recalled: by meaning, by words, and by both."""

import statistics
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from sqlmodel import col, select

from benchmarks.memory.locomo import Asked, Sample
from benchmarks.memory.office import Office, Saying, open_office
from konstruct import memory
from konstruct.db import Database
from konstruct.memory import Question
from konstruct.ports import Embedder
from konstruct.tables import Message
from konstruct.vault import Vault

CUTS = (5, 10, 20)
WAYS = ("meaning", "words", "both")


@dataclass
class Scores:
    recall: dict[int, list[float]] = field(default_factory=lambda: {cut: [] for cut in CUTS})
    session_recall: list[float] = field(default_factory=list)
    """Of the sessions that hold evidence, how many are among the first ten that are recalled from."""
    milliseconds: list[float] = field(default_factory=list)

    def add(self, found: Sequence[str], asked: Asked, milliseconds: float) -> None:
        for cut in CUTS:
            self.recall[cut].append(len(asked.evidence & set(found[:cut])) / len(asked.evidence))
        sessions = _first_sessions(found, 10)
        wanted = {_session(each) for each in asked.evidence}
        self.session_recall.append(len(wanted & set(sessions)) / len(wanted))
        self.milliseconds.append(milliseconds)

    def row(self) -> dict[str, float]:
        return {
            **{f"R@{cut}": round(statistics.mean(self.recall[cut]), 3) for cut in CUTS},
            "session R@10": round(statistics.mean(self.session_recall), 3),
            "p50 ms": round(statistics.median(self.milliseconds), 1),
            "p95 ms": round(statistics.quantiles(self.milliseconds, n=20)[-1], 1),
        }


def _session(dialogue_id: str) -> str:
    return dialogue_id.partition(":")[0]


def _first_sessions(found: Iterable[str], count: int) -> list[str]:
    return list(dict.fromkeys(map(_session, found)))[:count]


async def measure(database: Database, vault: Vault, embedder: Embedder, samples: Sequence[Sample]) -> dict[str, Scores]:
    scores = {way: Scores() for way in WAYS}
    for sample in samples:
        office = await open_office(database, vault, f"sample-{sample.name}")
        contact_id = await office.contact()
        for session in sample.sessions:
            sayings = [Saying(each.id, each.is_contact, each.text) for each in session.utterances]
            await office.converse(contact_id, session.at, sayings)
        await office.embed(embedder)
        keys = await _keys(office)
        print(f"  {sample.name}: {len(keys)} sayings, {len(sample.asked)} questions")
        for asked in sample.asked:
            [vector] = await embedder.embed([asked.question], purpose="query")
            for way in WAYS:
                found, milliseconds = await _recalled(office, contact_id, way, asked.question, {embedder.name: vector})
                scores[way].add([keys[message_id] for message_id in found], asked, milliseconds)
    return scores


async def _keys(office: Office) -> dict[UUID, str]:
    async with office.database.tenant_session(office.tenant_id) as session:
        rows = await session.execute(select(col(Message.id), col(Message.external_id)))
        return {message_id: (key or "").rpartition("/")[2] for message_id, key in rows}


async def _recalled(
    office: Office, contact_id: UUID, way: str, text: str, vectors: Mapping[str, Sequence[float]]
) -> tuple[list[UUID], float]:
    question = Question(contact_id, "" if way == "meaning" else text, {} if way == "words" else vectors)
    started = time.perf_counter()
    async with office.database.tenant_session(office.tenant_id) as session:
        found = await memory.recall(session, office.vault, office.tenant_id, question, at_most=100)
    return [each.message_id for each in found], (time.perf_counter() - started) * 1000
