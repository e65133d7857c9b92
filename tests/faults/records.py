"""What the product itself knows in the end, read from outside of it: its rows, its trail, and whatever lies open."""

import json
from collections import defaultdict
from pathlib import Path
from uuid import UUID

import asyncpg
from pydantic import SecretStr

from konstruct.db import Database
from konstruct.vault import Vault
from konstruct.window import MESSAGE
from tests.faults.checker import Record
from tests.faults.history import MARK
from tests.faults.services import Deployment
from tests.support.commands import konstruct

_TABLES = """
  select c.oid::regclass::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where c.relkind in ('r', 'm') and n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast')
  order by 1
"""
UNDER_WAY = ("received", "taken", "pending", "sending")
"""States of messages that something is still to become of."""
_UNWRITTEN = """
  select m.id::text from messages m
  where m.direction = 'outbound' and m.state = 'sent' and not exists (
    select from audit_events a where a.tenant_id = m.tenant_id and a.action in ('message.sent', 'message.cut')
      and a.detail ->> 'message_id' = m.id::text)
"""
_UNSENT = """
  select m.id::text from audit_events a
  join messages m on m.tenant_id = a.tenant_id and m.id::text = a.detail ->> 'message_id'
  where a.action = 'message.sent' and m.state not in ('sent', 'deleted', 'failed')
"""
_UNPAID = """
  select t.slug || ': ' || coalesce(u.many, 0) || ' calls, ' || coalesce(a.many, 0) || ' events' from tenants t
  left join (select tenant_id, count(*) as many from usage group by 1) u on u.tenant_id = t.id
  left join (select tenant_id, count(*) as many from audit_events where action = 'model.called' group by 1) a
    on a.tenant_id = t.id
  where coalesce(u.many, 0) <> coalesce(a.many, 0)
"""
_UNTOLD_VERSIONS = """
  select v.employee_id || ' ' || v.number from employee_versions v
  where not exists (
    select from audit_events a where a.tenant_id = v.tenant_id
      and a.action in ('employee.published', 'employee.rolled_back')
      and a.detail ->> 'employee_id' = v.employee_id::text and (a.detail ->> 'version')::int = v.number)
"""
_VERSIONS_NEVER_MADE = """
  select (a.detail ->> 'employee_id') || ' ' || (a.detail ->> 'version') from audit_events a
  where a.action in ('employee.published', 'employee.rolled_back') and not exists (
    select from employee_versions v where v.tenant_id = a.tenant_id
      and v.employee_id::text = a.detail ->> 'employee_id' and v.number = (a.detail ->> 'version')::int)
"""
# Every change of owner raises the epoch, and tells it.
_UNTOLD_OWNERS = """
  select c.id || ' ' || n from conversations c cross join lateral generate_series(1, c.epoch) n
  where not exists (
    select from audit_events a where a.tenant_id = c.tenant_id and a.conversation_id = c.id
      and a.detail ->> 'epoch' = n::text)
"""
_OWNERS_NEVER_MADE = """
  select c.id || ' ' || (a.detail ->> 'epoch') from audit_events a
  join conversations c on c.tenant_id = a.tenant_id and c.id = a.conversation_id
  where (a.detail ->> 'epoch')::int > c.epoch
"""
_UNTOLD_LIMITS = """
  select t.slug from tenants t join lateral (
    select a.detail -> 'after' -> 'limits' as limits from audit_events a
    where a.tenant_id = t.id and a.action = 'tenant.changed' and a.detail -> 'after' ? 'limits'
    order by a.seq desc limit 1) latest on true
  where latest.limits <> to_jsonb(t.limits)
"""


async def is_quiet(administrator: asyncpg.Connection) -> bool:
    """Nothing is to become of any message any more."""
    under_way: bool = await administrator.fetchval(
        "select exists (select from messages where state = any($1::text[]))", list(UNDER_WAY)
    )
    return not under_way


async def tables(administrator: asyncpg.Connection) -> list[str]:
    return [row[0] for row in await administrator.fetch(_TABLES)]


async def keep(deployment: Deployment, folder: Path) -> None:
    """A file for each table with all that it holds, and which message says what."""
    administrator = await asyncpg.connect(deployment.owner_url)
    try:
        for table in await tables(administrator):
            await administrator.copy_from_query(
                f"select * from {table}", output=folder / f"{table}.csv", format="csv", header=True
            )
        record = await messages(deployment, administrator)
    finally:
        await administrator.close()
    (folder / "marks.json").write_text(json.dumps(record.kept_as, indent=2))


async def read(deployment: Deployment) -> Record:
    administrator = await asyncpg.connect(deployment.owner_url)
    try:
        record = await messages(deployment, administrator)
        for what, query in (
            ("sent, and not in the trail", _UNWRITTEN),
            ("in the trail, and not sent", _UNSENT),
            ("calls of models and events", _UNPAID),
            ("versions that are not in the trail", _UNTOLD_VERSIONS),
            ("versions in the trail alone", _VERSIONS_NEVER_MADE),
            ("changes of owner that are not in the trail", _UNTOLD_OWNERS),
            ("changes of owner in the trail alone", _OWNERS_NEVER_MADE),
            ("limits that the trail does not tell", _UNTOLD_LIMITS),
        ):
            record.audit_gaps += [f"{what}: {row[0]}" for row in await administrator.fetch(query)]
    finally:
        await administrator.close()
    verified = await konstruct("audit", "verify", env=deployment.env)
    if verified.status != 0:
        record.audit_gaps.append(verified.said + verified.complained)
    return record


async def messages(deployment: Deployment, administrator: asyncpg.Connection) -> Record:
    """What became of each message, and nothing else."""
    record = Record()
    keys = tuple(SecretStr(key) for key in deployment.env["KONSTRUCT_ENCRYPTION_KEYS"].split(","))
    database, vault = Database(SecretStr(deployment.env["KONSTRUCT_DATABASE_URL"])), Vault(keys)
    kept_as: defaultdict[str, list[str]] = defaultdict(list)
    try:
        for tenant_id in [row["id"] for row in await administrator.fetch("select id from tenants")]:
            rows = await administrator.fetch(
                "select id, contact_id, direction, state, body, sealed, maybe_duplicate from messages"
                " where tenant_id = $1",
                tenant_id,
            )
            contacts = list({row["contact_id"] for row in rows if row["contact_id"] is not None})
            async with database.tenant_session(tenant_id) as session:
                ciphers = await vault.ciphers(session, contacts)
            for row in rows:
                if row["maybe_duplicate"]:
                    record.flagged.add(str(row["id"]))
                cipher = ciphers.get(row["contact_id"])
                if row["direction"] != "inbound" or cipher is None:
                    continue
                body = cipher.open(MESSAGE, UUID(str(row["id"])), row["sealed"]) if row["sealed"] else row["body"] or ""
                for mark in MARK.findall(body):
                    kept_as[mark].append(str(row["id"]))
                    record.ended[mark] = row["state"]
    finally:
        await database.close()
    record.kept_as = dict(kept_as)
    return record
