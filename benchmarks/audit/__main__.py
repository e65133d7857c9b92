"""Measures what hash chains cost who writes to them, and how fast they are verified: ``python -m benchmarks.audit``."""

import argparse
import asyncio
import json
import os
import random
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import asyncpg
from pydantic import SecretStr

from benchmarks.support.folder import data_folder, say
from konstruct import db
from konstruct.audit import chain, sealing, verifying
from konstruct.audit.anchors import Anchors
from konstruct.db import Database
from konstruct.embedded import postgres
from konstruct.embedded.supervisor import Supervisor
from konstruct.identity import new_id

RESULTS: Final = Path(__file__).with_name("results.json")
WRITERS: Final = 8
TENANTS: Final = 200
CONVERSATIONS: Final = 500

PAYLOAD: Final = chain.canonical(
    {"message_id": new_id(), "turn_id": new_id(), "maybe_duplicate": False, "employee_version": 3}
)

# As it was without a chain: the same row security, one index, and the insert that the product itself made.
PLAIN: Final = """
    create table plain_events (
      tenant_id uuid not null references tenants (id), id uuid not null, conversation_id uuid, actor text not null,
      action text not null, detail jsonb not null, created_at timestamptz not null, primary key (tenant_id, id)
    );
    create index on plain_events (tenant_id, conversation_id, id);
    alter table plain_events enable row level security;
    alter table plain_events force row level security;
    create policy tenant on plain_events to konstruct_app
      using (tenant_id = (select nullif(current_setting('app.tenant_id', true), '')::uuid));
    grant insert on plain_events to konstruct_app;
"""
INSERT: Final = "insert into plain_events values ($1, $2, $3, $4, $5, $6::jsonb, now())"
APPEND: Final = "select audit_append($1, $2, $3, $4, $5, $6, $7)"

Place = tuple[UUID, UUID]
"""A tenant and one of its conversations."""
Write = Callable[[Any, Place], Any]


@dataclass(frozen=True)
class Case:
    name: str
    places: Sequence[Place]
    write: Write
    events: int = 1
    """In each transaction."""


async def insert(connection: Any, place: Place) -> None:
    await connection.execute(INSERT, place[0], new_id(), place[1], "employee", "message.sent", PAYLOAD.decode())


def append(events: int) -> Write:
    async def write(connection: Any, place: Place) -> None:
        await connection.execute(
            APPEND,
            [new_id() for _ in range(events)],
            *([each] * events for each in (place[1], "employee", "message.sent", place[0], PAYLOAD, None)),
        )

    return write


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="of each case; the median counts")
    parser.add_argument("--seconds", type=float, default=6.0, help="that each round lasts")
    parser.add_argument("--save", action="store_true", help=f"write {RESULTS.name}")
    options = parser.parse_args()
    with data_folder() as folder:
        async with Supervisor(say) as supervisor:
            part = await postgres.prepared(folder)
            await supervisor.start(part.program)
            await part.create_database()
            await db.migrate(SecretStr(part.owner_url))
            tenants = await furnish(part.owner_url)
            rates = await measure(part.app_url, cases(tenants), options.rounds, options.seconds)
            database = Database(SecretStr(part.app_url))
            verified = await verify(database, tenants)
            await database.close()
    figures = {
        "date": datetime.now(UTC).date().isoformat(),
        "cores": os.cpu_count(),
        "events_per_second": {name: round(statistics.median(rounds)) for name, rounds in rates.items()},
        "events_per_second_by_round": {name: [round(rate) for rate in rounds] for name, rounds in rates.items()},
        **verified,
    }
    say(table(figures))
    if options.save:
        RESULTS.write_text(json.dumps(figures, indent=2) + "\n")


async def furnish(owner_url: str) -> list[UUID]:
    owner = await asyncpg.connect(owner_url)
    tenants = [new_id() for _ in range(TENANTS)]
    await owner.executemany(
        "insert into tenants values ($1, $2, 'Acme Bikes', '[]', '{}', now())",
        [(tenant_id, f"bench-{number}") for number, tenant_id in enumerate(tenants)],
    )
    await owner.execute(PLAIN)
    await owner.close()
    return tenants


def cases(tenants: Sequence[UUID]) -> list[Case]:
    hot, busy, *_ = tenants
    one = [(hot, new_id())]
    return [
        Case("no chain: a plain insert", [(hot, new_id()) for _ in range(CONVERSATIONS)], insert),
        Case("one tenant, one conversation", one, append(1)),
        Case("one tenant, one conversation, 10 events a transaction", one, append(10), events=10),
        Case(f"one tenant, {CONVERSATIONS} conversations", [(busy, new_id()) for _ in range(CONVERSATIONS)], append(1)),
        Case(f"{TENANTS} tenants, a conversation each", [(each, new_id()) for each in tenants], append(1)),
    ]


async def measure(url: str, measured: Sequence[Case], rounds: int, seconds: float) -> dict[str, list[float]]:
    connections = [await asyncpg.connect(url) for _ in range(WRITERS)]
    rates: dict[str, list[float]] = {case.name: [] for case in measured}
    # Taken in turn, so that what else the machine does hits all alike.
    for number in range(rounds):
        for case in measured:
            ends = time.monotonic() + seconds
            written = await asyncio.gather(*(work(each, case, ends) for each in connections))
            rates[case.name].append(sum(written) * case.events / seconds)
            say(f"round {number + 1}: {case.name}: {rates[case.name][-1]:,.0f} events a second")
    for connection in connections:
        await connection.close()
    return rates


async def work(connection: Any, case: Case, ends: float) -> int:
    """How many transactions were committed in time; each is what the product sends, and durable."""
    done = 0
    while time.monotonic() < ends:
        place = random.choice(case.places)
        async with connection.transaction():
            await connection.execute("select set_config('app.tenant_id', $1, true)", str(place[0]))
            await case.write(connection, place)
        done += 1
    return done


async def verify(database: Database, tenants: Sequence[UUID]) -> dict[str, Any]:
    """Seals all that was written and verifies it; a break ends the benchmark."""
    began = time.monotonic()
    for tenant_id in tenants:
        await sealing.seal(database, tenant_id)
    sealed, events, chains = time.monotonic(), 0, 0
    for tenant_id in tenants:
        verified = await verifying.verify(database, tenant_id, Anchors(), Anchors, lambda looked_at: None)
        if verified.broken:
            raise SystemExit(f"The trail of {tenant_id} is broken: {verified.broken}")
        events, chains = events + verified.events, chains + verified.chains
    return {
        "sealing_seconds": round(sealed - began, 2),
        "chains": chains,
        "events": events,
        "verified_per_second": round(events / (time.monotonic() - sealed)),
    }


def table(figures: Mapping[str, Any]) -> str:
    base, *_ = figures["events_per_second"].values()
    lines = [f"{'':56}{'events/s':>9}{'of plain':>10}"]
    for name, rate in figures["events_per_second"].items():
        lines.append(f"{name:56}{rate:>9,}{rate / base:>10.2f}")
    lines += [
        "",
        f"{TENANTS} tenants with {figures['chains']:,} chains sealed in {figures['sealing_seconds']} s.",
        f"{figures['events']:,} events verified, {figures['verified_per_second']:,} a second.",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    asyncio.run(main())
