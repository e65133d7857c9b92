"""Asks for pages as a browser does, and takes down what Postgres was asked for them, and how it went about it."""

import re
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import asyncpg
import httpx
from sqlalchemy import Connection, event
from sqlalchemy.engine.interfaces import DBAPICursor, ExecutionContext

from portal.guard import Guard
from tests.support.members import COOKIE, Enrolled

MANY: Final = 10_000
"""A table of as many rows is not to be read from one end to the other."""


@dataclass(frozen=True)
class Statement:
    text: str
    parameters: Sequence[Any]
    seconds: float


@dataclass
class Page:
    path: str
    seconds: list[float] = field(default_factory=list)
    statements: list[Statement] = field(default_factory=list)
    """Of the last time that it was asked for."""

    @property
    def p50(self) -> float:
        return statistics.median(self.seconds) * 1000

    @property
    def p95(self) -> float:
        return statistics.quantiles(self.seconds, n=20)[-1] * 1000

    @property
    def in_database(self) -> float:
        return sum(each.seconds for each in self.statements) * 1000

    @property
    def slowest(self) -> Statement:
        asked = [each for each in self.statements if "set_config" not in each.text]
        return max(asked, key=lambda each: each.seconds)


class Listener:
    """Hears every statement of a portal's database."""

    def __init__(self, guard: Guard) -> None:
        self.heard: list[Statement] = []
        engine = guard.services.database._engine.sync_engine  # Nobody else needs to listen.
        event.listen(engine, "before_cursor_execute", self._begin)
        event.listen(engine, "after_cursor_execute", self._end)

    def _begin(
        self, connection: Connection, cursor: DBAPICursor, text: str, given: Any, context: ExecutionContext, many: bool
    ) -> None:
        connection.info["began"] = time.perf_counter()

    def _end(
        self, connection: Connection, cursor: DBAPICursor, text: str, given: Any, context: ExecutionContext, many: bool
    ) -> None:
        taken = time.perf_counter() - connection.info["began"]
        self.heard.append(Statement(text, given, taken))


async def ask(guard: Guard, person: Enrolled, paths: Sequence[str], rounds: int) -> list[Page]:
    """Each page ``rounds`` times, one round after the other, after one that is not counted."""
    listener = Listener(guard)
    pages = [Page(path) for path in paths]
    transport = httpx.ASGITransport(guard)
    async with httpx.AsyncClient(transport=transport, base_url="https://localhost", timeout=120) as browser:
        browser.cookies.set(COOKIE, person.cookie)
        for number in range(rounds + 1):
            for page in pages:
                listener.heard.clear()
                began = time.perf_counter()
                answer = await browser.get(page.path)
                taken = time.perf_counter() - began
                if answer.status_code != 200:
                    raise RuntimeError(f"{page.path} answered {answer.status_code}")
                if number:
                    page.seconds.append(taken)
                page.statements = list(listener.heard)
    return pages


@dataclass(frozen=True)
class Plan:
    milliseconds: float
    nodes: list[str]
    """From the top down, each with what it reads, indented as deep as it lies."""
    read_whole: list[str]
    """Large tables that are read from one end to the other."""


async def explained(guard: Guard, person: Enrolled, statement: Statement, large: set[str]) -> Plan:
    async with guard.services.database.tenant_session(person.tenant_id) as session:
        raw = await (await session.connection()).get_raw_connection()
        driver: asyncpg.Connection = raw.driver_connection
        found = await driver.fetchval(f"explain (analyze, format json) {statement.text}", *statement.parameters)
    [whole] = found  # SQLAlchemy has taught its connections to read JSON.
    nodes = list(_walked(whole["Plan"], 0))
    scanned = {node["Relation Name"] for _, node in nodes if node["Node Type"] == "Seq Scan"}
    lines = [f"{'  ' * depth}{_described(node)}" for depth, node in nodes]
    return Plan(whole["Execution Time"], lines, sorted(scanned & large))


def _walked(node: dict[str, Any], depth: int) -> Iterator[tuple[int, dict[str, Any]]]:
    yield depth, node
    for below in node.get("Plans", ()):
        yield from _walked(below, depth + 1)


def _described(node: dict[str, Any]) -> str:
    using = node.get("Index Name") or node.get("Relation Name")
    on = f" ({using})" if using else ""
    return f"{node['Node Type']}{on}: {node['Actual Rows'] * node['Actual Loops']:,.0f} rows"


def shortened(text: str, longest: int = 300) -> str:
    plain = re.sub(r"\s+", " ", text)
    return plain if len(plain) <= longest else f"{plain[:longest]}…"
