"""A database of the first release goes through every migration since: ``python -m benchmarks.upgrade [--save]``."""

import argparse
import asyncio
import json
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
from cryptography.fernet import Fernet
from pydantic import SecretStr

from benchmarks.support.folder import data_folder, say
from konstruct import contacts, db
from konstruct.db import Database
from konstruct.embedded import postgres
from konstruct.embedded.supervisor import Supervisor
from konstruct.vault import Vault

RESULTS = Path(__file__).parent / "results.json"
FILLED_AT = "0002"
TENANTS, CONVERSATIONS = 20, 5_000
LOOK_EVERY = 0.005
"""Seconds between two looks at who holds what: so exact are the times of locks."""

# As the second version of the tables has them. A turn is a message, its answer, and what the trail has of both.
ROWS = """
    insert into tenants select gen_random_uuid(), 'tenant-' || n, 'Tenant ' || n, '[]', '{}', now()
      from generate_series(1, $tenants) n;
    insert into employees select id, gen_random_uuid(), 'ada', 1, now() from tenants;
    insert into connections (tenant_id, id, key, kind, account, external, employee_id, status, status_changed_at,
        created_at)
      select tenant_id, gen_random_uuid(), 'c', 'console', tenant_id::text, '{}', id, 'active', now(), now()
      from employees;
    insert into contacts
      select tenant_id, gen_random_uuid(), id, 'U' || n, now() - interval '200 days'
      from connections, generate_series(1, $conversations / $tenants) n;
    insert into conversations
      select c.tenant_id, gen_random_uuid(), c.connection_id, c.id, e.id, 'C1', c.external_id, 'employee', 0, null,
        $each, now() - interval '200 days'
      from contacts c join employees e using (tenant_id);
    insert into messages (tenant_id, id, conversation_id, connection_id, seq, direction, author, body, state, purpose,
        epoch, maybe_duplicate, detail, created_at)
      select tenant_id, gen_random_uuid(), id, connection_id, n, case n % 2 when 1 then 'inbound' else 'outbound' end,
        case n % 2 when 1 then 'contact' else 'employee' end, repeat('What somebody said, ' || n || '. ', 6),
        case n % 2 when 1 then 'answered' else 'sent' end, 'reply', 0, false, '{}',
        created_at + n * interval '11 minutes'
      from conversations, generate_series(1, $each) n;
    insert into audit_events
      select tenant_id, gen_random_uuid(), conversation_id, 'employee',
        case n when 1 then 'turn.answered' else 'message.sent' end, '{"model": "local/smollm2", "tokens": 117}',
        created_at
      from messages, generate_series(1, 2) n where direction = 'outbound';
    analyze;
"""
HELD = """
    select l.pid, c.relname, l.mode from pg_locks l join pg_class c on c.oid = l.relation
    where l.granted and c.relkind in ('r', 'p') and c.oid = any($1)
      and l.mode in ('AccessExclusiveLock', 'ExclusiveLock', 'ShareRowExclusiveLock', 'ShareLock')
"""


@dataclass
class Step:
    revision: str
    seconds: float
    locks: dict[str, float] = field(default_factory=dict)
    """Of each table that there was before: how long nobody else could write to it, in seconds."""
    unread: dict[str, float] = field(default_factory=dict)
    """The same, for how long nobody else could read it either."""


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--save", action="store_true", help=f"write {RESULTS.name}")
    options = parser.parse_args()
    with data_folder() as data:
        async with Supervisor(lambda sentence: None) as supervisor:
            part = await postgres.prepared(data)
            await supervisor.start(part.program)
            await part.create_database()
            steps, sealing = await upgraded(part.owner_url, part.app_url, options.messages)
    result = told(steps, sealing, options.messages)
    if options.save:
        RESULTS.write_text(json.dumps(result, indent=1) + "\n")


async def upgraded(owner_url: str, app_url: str, messages: int) -> tuple[list[Step], float]:
    url = SecretStr(owner_url)
    await db.migrate(url, to=FILLED_AT)
    watch = await asyncpg.connect(owner_url)
    rows = ROWS.replace("$each", str(messages // CONVERSATIONS))
    await watch.execute(rows.replace("$tenants", str(TENANTS)).replace("$conversations", str(CONVERSATIONS)))
    steps = [await timed(watch, url, FILLED_AT)]
    for revision in sorted(db.revisions()):
        if revision > FILLED_AT:
            steps.append(await timed(watch, url, revision))
    await watch.close()
    began = time.perf_counter()
    database = Database(SecretStr(app_url))
    vault = Vault((SecretStr(Fernet.generate_key().decode()),))
    await contacts.seal_all_plain(database, vault, lambda sentence: None)
    await database.close()
    return steps, time.perf_counter() - began


async def timed(watch: asyncpg.Connection, url: SecretStr, revision: str) -> Step:
    tables = await watch.fetch(
        "select oid from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')"
        " and relname <> 'alembic_version'"
    )
    step = Step(revision, 0)
    async with watched(watch, [row["oid"] for row in tables], step):
        began = time.perf_counter()
        await db.migrate(url, to=revision)
        step.seconds = time.perf_counter() - began
    return step


@asynccontextmanager
async def watched(watch: asyncpg.Connection, tables: list[int], step: Step) -> AsyncIterator[None]:
    """Notes from when to when a lock is seen to be held."""
    seen: dict[tuple[int, str, str], tuple[float, float]] = {}

    async def look() -> None:
        while True:
            now = time.perf_counter()
            for pid, table, mode in await watch.fetch(HELD, tables):
                first, _ = seen.get((pid, table, mode), (now, now))
                seen[pid, table, mode] = first, now
            await asyncio.sleep(LOOK_EVERY)

    async with asyncio.TaskGroup() as group:
        looking = group.create_task(look())
        yield
        looking.cancel()
    for (_, table, mode), (first, last) in seen.items():
        step.locks[table] = max(step.locks.get(table, 0), last - first)
        if mode == "AccessExclusiveLock":
            step.unread[table] = max(step.unread.get(table, 0), last - first)


def told(steps: list[Step], sealing: float, messages: int) -> dict[str, Any]:
    nothing, *real = steps
    say(f"{messages:,} messages; with nothing to do it takes {nothing.seconds:.2f} s.")
    say(f"{'':6} {'seconds':>8}  longest lock")
    for step in real:
        held = max(step.locks.items(), key=lambda lock: lock[1], default=("", 0.0))
        say(f"{step.revision:6} {step.seconds:8.2f}  {held[1]:.2f} s {held[0]}")
    total = sum(step.seconds for step in real)
    unread = max((seconds, table, step.revision) for step in real for table, seconds in step.unread.items())
    say(f"All: {total:.1f} s, and to seal what was plain {sealing:.1f} s.")
    say(f"The longest that a table could not be read: {unread[0]:.2f} s, {unread[1]} in {unread[2]}.")
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "messages": messages,
        "tenants": TENANTS,
        "conversations": CONVERSATIONS,
        "processors": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "nothing_to_do_seconds": round(nothing.seconds, 3),
        "sealing_seconds": round(sealing, 2),
        "total_seconds": round(total, 2),
        "steps": [rounded(asdict(step)) for step in real],
    }


def rounded(step: dict[str, Any]) -> dict[str, Any]:
    for key in ("locks", "unread"):
        step[key] = {table: round(seconds, 3) for table, seconds in sorted(step[key].items())}
    return {**step, "seconds": round(step["seconds"], 3)}


if __name__ == "__main__":
    asyncio.run(main())
