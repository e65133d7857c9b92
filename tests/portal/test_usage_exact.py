"""Of thousands of calls, each with ten digits behind the point, pages and files have the ledger's sum to the last."""

import csv
import io
import json
import random
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal, localcontext

import httpx
from sqlalchemy import text

from konstruct.budgets import terms
from konstruct.db import Database
from konstruct.reports.usage import BYS
from konstruct.tables.base import utc_now
from konstruct.vault import Vault
from tests.konstruct.reports.ledgers import a_call, write_down
from tests.portal.test_usage import card, opened, rows
from tests.support.members import enrolled
from tests.support.office import hire, open_office

CALLS = 5_000


async def test_of_thousands_of_calls_nothing_is_lost(
    portal: httpx.AsyncClient, database: Database, vault: Vault
) -> None:
    office = await open_office(database, vault)
    owner = await enrolled(database, vault, "owner", office.tenant_id)
    async with office.session() as session:
        milo = await hire(session, office.tenant_id, "milo", "Milo")
    talks = [(await office.say(root=f"{number}.0")).conversation_id for number in range(3)]
    chance, now = random.Random(11), utc_now()
    # Of sizes that no float holds beside each other: sixteen digits apart.
    costs = [Decimal(chance.randrange(1, 10 ** chance.randrange(1, 17))).scaleb(-10) for _ in range(CALLS)]
    await write_down(
        office,
        *(
            a_call(
                *(office, chance.choice(talks), now - timedelta(seconds=chance.randrange(9 * 86_400)), f"{cost:f}"),
                employee_id=chance.choice((office.employee_id, milo.id)),
                provider=chance.choice(("anthropic", "openai")),
                model=f"m{chance.randrange(20)}",
                purpose=chance.choice(("reply", "judge", "facts")),
                key_of=chance.choice(("deployment", "tenant")),
                price_version=chance.choice((None, "a", "b")),
                is_price_assumed=chance.random() < 0.1,
                is_rehearsal=chance.random() < 0.1,
            )
            for cost in costs
        ),
    )
    with localcontext(prec=60):
        exact = sum(costs)
    async with office.session() as session:
        assert await session.scalar(text("select sum(cost) from usage")) == exact
        own = await session.scalar(text("select sum(cost) from usage where key_of = 'tenant'"))
    assert float(exact) != exact
    for by in BYS:
        page = await opened(portal, owner, f"usage?range=30&by={by}")
        assert Decimal(card(page, "Total cost")) == exact
        *parts, total = rows(page, "rows")
        assert Decimal(total[0]) == exact == sum(Decimal(part[0]) for part in parts)
        assert Decimal(total[1]) == own == sum(Decimal(part[1]) for part in parts)
        drawn = json.loads(page.partition('id="cost-chart-data">')[2].partition("</script>")[0])
        assert sum(Decimal(value) for series in drawn["series"] for value in series["values"]) == exact
        sheet = await portal.get(f"/t/{owner.slug}/usage/shown.csv?range=30&by={by}")
        assert added(sheet, lambda row: row["cost_usd"]) == exact
        assert added(sheet, lambda row: row["on_own_keys_usd"]) == own
    assert added(await portal.get(f"/t/{owner.slug}/usage/ledger.csv?range=30"), lambda row: row["cost_usd"]) == exact
    spent = await opened(portal, owner, "usage/conversations?range=30")
    assert (
        sum(Decimal(amounts[0]) for amounts in rows(spent.replace('class="table', 'id="all" class="table', 1), "all"))
        == exact
    )
    async with office.session() as session:
        month = await terms.month(session, now)
        since = {"start": month.period.start, "end": month.period.end}
        query = text("select sum(cost) from usage where created_at >= :start and created_at < :end")
        assert month.business.spent == await session.scalar(query, since)
    assert month.business.spent == sum(each.spent for each in month.employees)


def added(sheet: httpx.Response, amount: Callable[[dict[str, str]], str]) -> Decimal:
    return sum(
        (Decimal(amount(row) or 0) for row in csv.DictReader(io.StringIO(sheet.content.decode("utf-8-sig")))),
        Decimal(0),
    )
