"""Thousands of tenants, each like one that the product had."""

from typing import Final
from uuid import UUID

import asyncpg

from benchmarks.support.copies import multiply
from benchmarks.support.folder import say

_TABLES: Final = """
select table_name from information_schema.columns join information_schema.tables using (table_schema, table_name)
where table_schema = 'public' and table_type = 'BASE TABLE' and column_name = 'tenant_id'
and table_name not in ('api_keys', 'memberships') order by table_name
"""
CHANGED: Final = {
    # What may be there once in a deployment.
    "slug": "slug || '-' || copy",
    "account": "account || '-' || copy",
    # What is due is done by then: these tenants are quiet.
    "memory_due_at": "null",
    "renew_at": "null",
    "name_due_at": "null",
}


async def crowded(administrator: asyncpg.Connection, tenant_id: UUID, count: int) -> None:
    """Copies all that one tenant has but its people, who would have thousands of businesses, and its keys."""
    tables = [row["table_name"] for row in await administrator.fetch(_TABLES)]
    await administrator.execute("set session_replication_role = replica")
    await multiply(administrator, "tenants", count, where=f"id = '{tenant_id}'", changed=CHANGED)
    for table in tables:
        of_it = f"tenant_id = '{tenant_id}'"
        await multiply(administrator, table, count, where=of_it, changed=CHANGED)
    await administrator.execute("set session_replication_role = origin")
    await administrator.execute("vacuum analyze")
    rows = await administrator.fetchval("select sum(reltuples)::bigint from pg_class where relkind = 'r'")
    say(f"{count:,} tenants, {rows:,} rows in all tables.")
