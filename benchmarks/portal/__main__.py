"""Times the portal's pages over a business with a year behind it, and shows how Postgres answers the ten heaviest:
``python -m benchmarks.portal``."""

import argparse
import asyncio
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

import asyncpg
from cryptography.fernet import Fernet
from pydantic import SecretStr

from benchmarks.portal.asking import MANY, Page, Plan, ask, explained, shortened
from benchmarks.portal.filling import Amounts, Filled, Place, fill
from benchmarks.support.folder import data_folder, say
from konstruct import db
from konstruct.embedded import postgres, valkey
from konstruct.embedded.supervisor import Supervisor
from konstruct.settings import Settings
from konstruct.tables import Connection, Employee, EmployeeVersion
from portal.app import build
from portal.guard import Guard
from tests.support.members import Enrolled, enrolled

RESULTS: Final = Path(__file__).with_name("results.json")
HEAVIEST: Final = 10
PATHS: Final = (
    "home",
    "inbox",
    "inbox?view=mine",
    "inbox?view=open",
    "inbox?view=closed",
    "inbox?view=all",
    "inbox?view=all&employee=employee-1",
    "inbox?q=refund",
    "inbox?view=all&q=4366000",
    "inbox/{waiting}",
    "inbox/{long}",
    "conversations",
    "conversations?employee=employee-1",
    "conversations?rating=bad",
    "conversations?people=1",
    "conversations/{waiting}",
    "conversations/{long}",
    "approvals",
    "approvals/history",
    "contacts",
    "contacts?q=436600000042",
    "contacts?q=4366",
    "contacts/{contact}",
    "search?q=4366000",
    "employees",
    "knowledge",
    "knowledge/{source}",
    "tools",
    "channels",
    "usage",
    "usage?range=90",
    "usage?range=365",
    "usage/conversations",
    "outcomes",
    "outcomes?range=90",
    "outcomes?range=365",
    "audit",
    "audit?action=tool.called",
    "audit?employee=employee-1",
    "audit?contact={contact}",
    "audit?actor=employee&action=tool.called",
    "team",
    "settings",
    "settings/retention",
)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--conversations", type=int, default=100_000)
    parser.add_argument("--messages", type=int, default=10, help="of each conversation")
    parser.add_argument("--events", type=int, default=1_000_000, help="of the audit trail")
    parser.add_argument("--rounds", type=int, default=20, help="of all pages")
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--only", nargs="*", help="pages, as they are listed in this module")
    parser.add_argument("--save", action="store_true", help="write results.json")
    options = parser.parse_args()
    amounts = Amounts(options.conversations, options.messages, events=options.events)
    with data_folder() as data:
        async with Supervisor(lambda sentence: None) as supervisor:
            part = await postgres.prepared(data)
            await supervisor.start(part.program)
            await part.create_database()
            cache = valkey.prepared(data)
            await supervisor.start(cache.program)
            await db.migrate(SecretStr(part.owner_url))
            settings = Settings(
                data_dir=data,
                database_url=SecretStr(part.app_url),
                redis_url=SecretStr(cache.url),
                encryption_keys=(SecretStr(Fernet.generate_key().decode()),),
            )
            guard = build(settings)
            person = await enrolled(guard.services.database, guard.services.vault)
            administrator = await asyncpg.connect(part.owner_url)
            try:
                place = await _furnished(guard, person)
                filled = await fill(administrator, place, amounts, options.seed)
                large = await _large(administrator)
            finally:
                await administrator.close()
            pages = await ask(guard, person, _addresses(person, filled, options.only or PATHS), options.rounds)
            await _report(guard, person, pages, large, save=options.save)
            await guard.services.close()


async def _furnished(guard: Guard, person: Enrolled) -> Place:
    database, vault = guard.services.database, guard.services.vault
    employees: list[Employee] = []
    connections: list[Connection] = []
    async with database.tenant_session(person.tenant_id) as session:
        for number in range(20):
            employee = Employee(tenant_id=person.tenant_id, key=f"employee-{number}", published_version=1)
            session.add(employee)
            await session.flush()
            session.add(_version(employee))
            employees.append(employee)
        for number, kind in enumerate(("slack", "slack", "whatsapp", "console")):
            connection = Connection(
                tenant_id=person.tenant_id,
                key=f"channel-{number}",
                kind=kind,
                account=f"{person.slug}-{number}",
                employee_id=employees[0].id,
            )
            session.add(connection)
            connections.append(connection)
    async with database.tenant_session(person.tenant_id) as session:
        # The key under which contacts' own keys are sealed is remembered only once it is kept.
        await vault.seal(session, person.tenant_id, "warm-up", person.user_id, {})
    agents = [person.actor, "user:00000000-0000-0000-0000-000000000001"]
    ids = [each.id for each in employees]
    return Place(database, vault, person.tenant_id, [each.id for each in connections], ids, agents)


def _version(employee: Employee) -> EmployeeVersion:
    return EmployeeVersion(
        tenant_id=employee.tenant_id,
        employee_id=employee.id,
        number=1,
        name=employee.key.title(),
        role="Helps customers",
        persona="",
        system_prompt="Help.",
        greeting="",
    )


async def _large(administrator: asyncpg.Connection) -> set[str]:
    rows = await administrator.fetch("select relname from pg_class where relkind = 'r' and reltuples >= $1", MANY)
    return {row["relname"] for row in rows}


def _addresses(person: Enrolled, filled: Filled, paths: Sequence[str]) -> list[str]:
    return [f"/t/{person.slug}/{path.format(**vars(filled))}" for path in paths]


async def _report(guard: Guard, person: Enrolled, pages: Sequence[Page], large: set[str], *, save: bool) -> None:
    by_weight = sorted(pages, key=lambda page: page.p95, reverse=True)
    say(f"\n{'page':60} {'p50 ms':>8} {'p95 ms':>8} {'of it in Postgres':>18} {'statements':>11}")
    for page in by_weight:
        told = f"{page.p50:8.0f} {page.p95:8.0f} {page.in_database:18.0f} {len(page.statements):11}"
        say(f"{_name(page, person):60} {told}")
    plans: dict[str, Plan] = {}
    for page in by_weight[:HEAVIEST]:
        plan = plans[_name(page, person)] = await explained(guard, person, page.slowest, large)
        say(f"\n{_name(page, person)}: its longest statement, {plan.milliseconds:.1f} ms")
        say(f"  {shortened(page.slowest.text)}")
        for node in plan.nodes:
            say(f"    {node}")
        if plan.read_whole:
            say(f"  READ FROM ONE END TO THE OTHER: {', '.join(plan.read_whole)}")
    if save:
        figures = [
            {"page": _name(page, person), "p50": round(page.p50, 1), "p95": round(page.p95, 1)} for page in by_weight
        ]
        content = {"pages": figures, "plans": {name: asdict(plan) for name, plan in plans.items()}}
        RESULTS.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _name(page: Page, person: Enrolled) -> str:
    return page.path.removeprefix(f"/t/{person.slug}/")


if __name__ == "__main__":
    asyncio.run(main())
