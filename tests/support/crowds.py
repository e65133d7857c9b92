"""Many vectors for tests of searches by meaning, and what the database is asked meanwhile."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from sqlalchemy import event

from konstruct.db import Database

DIMENSIONS, LATENT, TOPICS = 384, 32, 50


class World:
    """Where vectors come from: topics that all share, in a few directions, with noise."""

    def __init__(self, seed: int) -> None:
        self._numbers = np.random.default_rng(seed)
        self._spread = self._numbers.normal(size=(LATENT, DIMENSIONS))
        self._topics = self._numbers.normal(size=(TOPICS, LATENT))

    def vectors(self, count: int) -> Any:
        topics = self._topics[self._numbers.integers(TOPICS, size=count)]
        latent = topics + 0.7 * self._numbers.normal(size=(count, LATENT))
        vectors = latent @ self._spread + 0.3 * self._numbers.normal(size=(count, DIMENSIONS))
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@contextmanager
def statements(database: Database) -> Iterator[list[tuple[str, tuple[Any, ...]]]]:
    """Those that are run meanwhile, with their parameters."""
    ran: list[tuple[str, tuple[Any, ...]]] = []

    def note(conn: Any, cursor: Any, statement: str, parameters: Sequence[Any], *_: object) -> None:
        ran.append((statement, tuple(parameters)))

    engine = database._engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield ran
    finally:
        event.remove(engine, "before_cursor_execute", note)
