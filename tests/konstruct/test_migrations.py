"""A database of an older version, with rows in it, is brought up to date one version at a time or all at once."""

from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from alembic.script import ScriptDirectory
from pydantic import SecretStr
from sqlalchemy import make_url

import konstruct.migrations
from konstruct import audit, db
from konstruct.audit import verifying
from konstruct.audit.anchors import Anchors
from konstruct.db import Database
from konstruct.embedded.postgres import Postgres

REVISIONS = [
    script.revision for script in ScriptDirectory(str(Path(konstruct.migrations.__file__).parent)).walk_revisions()
][::-1]

# A tenant with one message and two audited conversations, as the first version knew it.
OLD_ROWS = """
    insert into tenants values (gen_random_uuid(), 'old', 'Old', '[]', '{}', now());
    insert into employees select id, gen_random_uuid(), 'ada', 1, now() from tenants;
    insert into connections (tenant_id, id, key, kind, account, external, employee_id, status, status_changed_at,
        created_at)
      select tenant_id, gen_random_uuid(), 'c', 'console', 'old', '{}', id, 'active', now(), now() from employees;
    insert into contacts select tenant_id, gen_random_uuid(), id, 'U1', now() from connections;
    insert into conversations
      select c.tenant_id, gen_random_uuid(), c.connection_id, c.id, e.id, 'C1', '1.0', 'employee', 0, null, 1, now()
      from contacts c join employees e using (tenant_id);
    insert into messages (tenant_id, id, conversation_id, connection_id, seq, direction, author, body, state, purpose,
        epoch, maybe_duplicate, detail, created_at)
      select tenant_id, gen_random_uuid(), id, connection_id, 1, 'inbound', 'contact', 'Old words', 'received', 'reply',
        0, false, '{}', now()
      from conversations;
    insert into audit_events
      select tenant_id, gen_random_uuid(), conversation, 'employee', action, detail, now() + place * interval '1 second'
      from (select tenant_id, id as conversation from conversations union all select id, null from tenants) chains
      cross join (values
        (3, 'turn.stopped', '{}'::jsonb),
        (1, 'message.sent', '{"zeta": 1, "a": [true, null, {"ö": "\\n\\"quoted\\" /", "n": -7}], "aa": "x"}'),
        (2, 'turn.answered', '{"passed_over": [], "🦊": "𝄞", "ﬀ": {}}')
      ) events (place, action, detail)
      order by gen_random_uuid();
"""


@pytest.fixture
async def empty_url(owner_url: SecretStr) -> AsyncIterator[SecretStr]:
    server = await asyncpg.connect(owner_url.get_secret_value())
    await server.execute("create database migrated")
    yield SecretStr(
        make_url(owner_url.get_secret_value()).set(database="migrated").render_as_string(hide_password=False)
    )
    await server.execute("drop database migrated with (force)")
    await server.close()


@pytest.mark.parametrize("steps", [REVISIONS, [REVISIONS[0], "head"]], ids=["each", "all at once"])
async def test_an_older_database_is_brought_up_to_date_and_keeps_its_rows(
    empty_url: SecretStr, steps: list[str]
) -> None:
    await db.migrate(empty_url, to=steps[0])
    connection = await asyncpg.connect(empty_url.get_secret_value())
    await connection.execute(OLD_ROWS)
    for revision in steps[1:]:
        await db.migrate(empty_url, to=revision)

    assert await connection.fetchval("select version_num from alembic_version") == REVISIONS[-1]
    assert await connection.fetchval("select body from messages") == "Old words"
    await connection.close()


async def test_the_audit_events_of_an_older_database_are_chained_in_their_order(
    empty_url: SecretStr, postgres: Postgres
) -> None:
    await db.migrate(empty_url, to="0002")
    connection = await asyncpg.connect(empty_url.get_secret_value())
    await connection.execute(OLD_ROWS)
    before = await connection.fetch("select id, actor, action, detail, created_at from audit_events order by id")

    await db.migrate(empty_url)

    after = await connection.fetch("select id, actor, action, detail, created_at from audit_events order by id")
    assert after == before
    rows = await connection.fetch("select tenant_id, chain_id, seq, action from audit_events order by chain_id, seq")
    assert [(row["seq"], row["action"]) for row in rows] == 2 * [
        (1, "message.sent"),
        (2, "turn.answered"),
        (3, "turn.stopped"),
    ]
    tenant_id = rows[0]["tenant_id"]
    assert tenant_id in {row["chain_id"] for row in rows}
    triggers = "select tgname, tgenabled from pg_trigger where tgrelid = 'audit_events'::regclass and not tgisinternal"
    assert {row["tgenabled"] for row in await connection.fetch(triggers)} == {b"A"}
    database = Database(SecretStr(str(make_url(postgres.app_url).set(database="migrated"))))
    async with database.tenant_session(tenant_id) as session:
        audit.record(session, tenant_id=tenant_id, actor="employee", action="turn.answered")
    verified = await verifying.verify(database, tenant_id, Anchors(), Anchors, lambda events: None)
    assert (verified.broken, verified.events, verified.chains) == (None, 7, 2)
    await database.close()
    await connection.close()
