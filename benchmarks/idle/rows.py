"""The rows of conversations that have fallen quiet, made of one that the product had."""

from typing import Final
from uuid import UUID

import asyncpg

from benchmarks.support.copies import multiply

TABLES: Final = ("contacts", "contact_keys", "conversations", "messages", "usage", "audit_events", "audit_heads")
STAYS: Final = ("tenant_id", "connection_id", "employee_id")
"""Of these there is one for all of them."""


async def copied(administrator: asyncpg.Connection, count: int) -> tuple[UUID, list[UUID]]:
    """The tenant, and the conversations that are new. Their contacts' keys are unreadable: nobody opens them."""
    await administrator.execute("set session_replication_role = replica")
    before = {row["id"] for row in await administrator.fetch("select id from conversations")}
    # What is due is done by then.
    settled = {"memory_due_at": "null", "root": "root || copy", "external_id": "external_id || copy"}
    for table in TABLES:
        await multiply(administrator, table, count, where="true", kept=STAYS, changed=settled)
    await administrator.execute("set session_replication_role = origin")
    await administrator.execute("vacuum analyze")
    tenant_id = await administrator.fetchval("select id from tenants")
    found = await administrator.fetch("select id from conversations")
    return tenant_id, [row["id"] for row in found if row["id"] not in before]
