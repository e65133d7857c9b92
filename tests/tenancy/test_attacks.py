"""What the product's own login can do to another tenant, were its code to try: nothing, on any table."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from konstruct.db import Database
from konstruct.identity import new_id
from konstruct.tables.base import utc_now
from tests.support.office import Furnished
from tests.tenancy.attempts_on_money import customer_of
from tests.tenancy.conftest import Snapshot

Columns = dict[str, str]


@asynccontextmanager
async def as_tenant(product: Any, tenant: UUID | str) -> AsyncIterator[None]:
    transaction = product.transaction()
    await transaction.start()
    try:
        await product.execute("select set_config('app.tenant_id', $1, true)", str(tenant))
        yield
    finally:
        await transaction.rollback()


async def refused(product: Any, query: str, *arguments: object) -> str:
    """The kind of error that a statement ends in, or how many rows it touched."""
    savepoint = product.transaction()
    await savepoint.start()
    try:
        status: str = await product.execute(query, *arguments)
    except asyncpg.PostgresError as error:
        await savepoint.rollback()
        return type(error).__name__
    await savepoint.commit()
    return status


async def test_every_table_of_tenants_is_attacked(
    administrator: Any, tenant_columns: Columns, theirs: Furnished
) -> None:
    assert len(tenant_columns) >= 11
    for table, column in tenant_columns.items():
        rows = await administrator.fetchval(f"select count(*) from {table} where {column} = $1", theirs.tenant_id)
        assert rows, f"there is nothing to steal in {table}"


async def test_without_a_tenant_there_are_no_rows(product: Any, tenant_columns: Columns, theirs: Furnished) -> None:
    for table in tenant_columns:
        assert await product.fetchval(f"select count(*) from {table}") == 0
    async with as_tenant(product, theirs.tenant_id):
        pass
    # The setting is empty now and no longer unset, which is another path through the predicate.
    for table in tenant_columns:
        assert await product.fetchval(f"select count(*) from {table}") == 0


async def test_nothing_of_another_tenant_is_read_changed_or_removed(
    product: Any, tenant_columns: Columns, ours: Furnished, theirs: Furnished, snapshot: Snapshot
) -> None:
    before = await snapshot(theirs)
    for table, column in tenant_columns.items():
        async with as_tenant(product, ours.tenant_id):
            assert await product.fetchval(f"select count(*) from {table} where {column} <> $1", ours.tenant_id) == 0
            update = f"update {table} set {column} = {column} where {column} = $1"
            assert await refused(product, update, theirs.tenant_id) in ("UPDATE 0", "InsufficientPrivilegeError")
            delete = f"delete from {table} where {column} = $1"
            assert await refused(product, delete, theirs.tenant_id) in ("DELETE 0", "InsufficientPrivilegeError")
            assert await refused(product, f"truncate {table} cascade") == "InsufficientPrivilegeError"
    assert await snapshot(theirs) == before


async def test_no_row_is_put_into_another_tenant(
    product: Any, tenant_columns: Columns, ours: Furnished, theirs: Furnished, snapshot: Snapshot
) -> None:
    before = await snapshot(theirs)
    for table, column in tenant_columns.items():
        # A column that the database works out by itself may not even be named.
        given = await product.fetchval(
            "select string_agg(attname, ', ' order by attnum) from pg_attribute"
            " where attrelid = $1::regclass and attnum > 0 and not attisdropped and attgenerated = ''",
            table,
        )
        copy = (
            f"insert into {table} ({given}) select {given} from (select (jsonb_populate_record(null::{table},"
            f" to_jsonb(t) || jsonb_build_object('{column}', $1::uuid))).* from {table} t limit 1) copied"
        )
        async with as_tenant(product, ours.tenant_id):
            assert await refused(product, copy, theirs.tenant_id) == "InsufficientPrivilegeError"
            move = f"update {table} set {column} = $1 where {column} = $2"
            assert await refused(product, move, theirs.tenant_id, ours.tenant_id) == "InsufficientPrivilegeError"
        assert await refused(product, copy, theirs.tenant_id) in ("INSERT 0 0", "InsufficientPrivilegeError")
    assert await snapshot(theirs) == before


async def test_no_child_is_given_another_tenants_parent(
    administrator: Any, product: Any, ours: Furnished, theirs: Furnished, snapshot: Snapshot
) -> None:
    before = await snapshot(theirs)
    keys = await administrator.fetch(
        "select k.conrelid::regclass::text as child, k.confrelid::regclass::text as parent, a.attname::text as column,"
        " p.attname::text as key, has_table_privilege('konstruct_app', k.conrelid, 'insert') as is_written"
        " from pg_constraint k join pg_attribute a on a.attrelid = k.conrelid and a.attnum = k.conkey[2]"
        " join pg_attribute p on p.attrelid = k.confrelid and p.attnum = k.confkey[2]"
        " where k.contype = 'f' and k.connamespace = 'public'::regnamespace"
    )
    assert len(keys) >= 11
    for child, parent, column, key, is_written in keys:
        query = f"select {key} from {parent} where tenant_id = $1 limit 1"
        stolen = await administrator.fetchval(query, theirs.tenant_id)
        async with as_tenant(product, ours.tenant_id):
            if await product.fetchval("select has_table_privilege($1, 'update')", child):
                attempt = f"update {child} set {column} = $1 where ctid = (select min(ctid) from {child})"
                arguments = [stolen]
            else:
                # A number that none has yet, where numbers must differ: that is not what is to be refused here.
                attempt = (
                    f"insert into {child} select (jsonb_populate_record(null::{child}, to_jsonb(t)"
                    f" || jsonb_build_object('id', $2::uuid, 'number', 999, '{column}', $1::text))).*"
                    f" from {child} t limit 1"
                )
                arguments = [str(stolen), new_id()]
            outcome = await refused(product, attempt, *arguments)
            expected = "ForeignKeyViolationError" if is_written else "InsufficientPrivilegeError"
            assert outcome == expected, f"{child}.{column} -> {parent}: {outcome}"
    assert await snapshot(theirs) == before


async def test_a_channel_account_of_another_tenant_cannot_be_taken_over(
    product: Any, ours: Furnished, theirs: Furnished, snapshot: Snapshot
) -> None:
    before = await snapshot(theirs)
    async with as_tenant(product, ours.tenant_id):
        steal = (
            "insert into connections select (jsonb_populate_record(null::connections, to_jsonb(t)"
            " || jsonb_build_object('id', $1::uuid, 'key', 'other', 'account', $2::text))).* from connections t"
            " on conflict (kind, account) do update set status = 'revoked', tenant_id = excluded.tenant_id"
        )
        assert await refused(product, steal, new_id(), theirs.account) == "InsufficientPrivilegeError"
    assert await snapshot(theirs) == before


@pytest.mark.parametrize("tenant", ["1 or 1=1", "*", "00000000", "' or true --", "null"])
async def test_a_malformed_tenant_sees_nothing(product: Any, tenant_columns: Columns, tenant: str) -> None:
    for table in tenant_columns:
        async with as_tenant(product, tenant):
            assert await refused(product, f"select * from {table}") == "InvalidTextRepresentationError"


@pytest.mark.parametrize(
    "statement",
    [
        "set role konstruct_owner",
        "set role konstruct_router",
        "set role konstruct_auditor",
        "set role postgres",
        "set session authorization postgres",
        "set local row_security = off; select * from messages",
        "set session_replication_role = replica",
        "alter table messages disable row level security",
        "drop policy tenant_floor on messages",
        "create table own (id int)",
        "create function own() returns int language sql security definer as 'select 1'",
        "alter role konstruct_app bypassrls",
        "copy messages from '/dev/null'",
        "select * from quarantined_events",
        "select * from alembic_version",
        "select * from stripe_events",
        "insert into plans select 'mine', 9, name, content from plans limit 1",
        "insert into price_maps values ('mine', 'mine', '{}')",
        "delete from price_maps",
        "insert into restorations values (gen_random_uuid(), now(), now(), now())",
        "select * from memory_vectors_0",
        "update contact_keys set contact_id = gen_random_uuid()",
        "update audit_events set actor = 'nobody'",
        "delete from audit_events",
        "truncate audit_events",
        "insert into audit_events select * from audit_events",
        "alter table audit_events disable trigger append_only",
        "update audit_heads set seq = 0",
        "update audit_heads set sealed_seq = 1000000",
        "delete from audit_heads",
        "insert into audit_heads select tenant_id, gen_random_uuid(), 0, '', 0 from audit_heads",
        "update audit_seals set anchored_at = now()",
        "delete from audit_seals",
        "delete from audit_seal_leaves",
        "update employee_versions set name = 'Eve'",
        "delete from usage",
    ],
)
async def test_the_product_has_no_way_out_of_its_role(product: Any, ours: Furnished, statement: str) -> None:
    async with as_tenant(product, ours.tenant_id):
        assert await refused(product, statement) == "InsufficientPrivilegeError"


@pytest.mark.parametrize("mode", ["origin", "replica"])
@pytest.mark.parametrize(
    "change",
    [
        "update audit_events set actor = 'x'",
        "delete from audit_events",
        "truncate audit_events",
        "delete from audit_heads",
        "truncate audit_heads cascade",
        "update audit_seals set root = ''",
        "delete from audit_seals",
        "truncate audit_seals cascade",
        "update audit_seal_leaves set seq = seq + 1",
        "delete from audit_seal_leaves",
        "truncate audit_seal_leaves",
    ],
)
async def test_what_the_audit_trail_says_stays_even_for_an_administrator(
    administrator: Any, theirs: Furnished, snapshot: Snapshot, change: str, mode: str
) -> None:
    before = await snapshot(theirs)
    async with administrator.transaction():
        await administrator.execute(f"set local session_replication_role = {mode}")
        with pytest.raises(asyncpg.RaiseError, match=r"audit_\w+ is append-only"):
            async with administrator.transaction():
                await administrator.execute(change)
    after = await snapshot(theirs)
    for table in ("audit_events", "audit_heads", "audit_seals", "audit_seal_leaves"):
        assert after[table] == before[table] != []


async def test_the_trail_is_written_for_the_transactions_tenant_alone(
    product: Any, ours: Furnished, theirs: Furnished, snapshot: Snapshot
) -> None:
    """Its functions take no tenant, so that there is none to lie about; with none set, they refuse."""
    before = await snapshot(theirs)
    event = ([new_id()], [theirs.asked.conversation_id], ["eve"], ["message.sent"], [None], [b"{}"], [None])
    writes = {
        "audit_append($1, $2, $3, $4, $5, $6, $7)": event,
        "audit_seal($1, 10)": (UUID(int=0),),
        "audit_anchored($1)": ([1],),
    }
    for call, arguments in writes.items():
        assert await refused(product, f"select {call}", *arguments) == "InsufficientPrivilegeError"
        async with as_tenant(product, ours.tenant_id):
            assert await refused(product, f"select {call}", *arguments) == "SELECT 1"
            assert (
                await product.fetchval("select count(*) from audit_events where tenant_id <> $1", ours.tenant_id) == 0
            )
    assert await snapshot(theirs) == before


async def test_look_ups_across_tenants_tell_ids_and_states_alone(
    administrator: Any, product: Any, database: Database, theirs: Furnished
) -> None:
    """Whatever they are called with; a new one has to be added here on purpose."""
    slug = await administrator.fetchval("select slug from tenants where id = $1", theirs.tenant_id)
    digest = await administrator.fetchval("select digest from api_keys where tenant_id = $1", theirs.tenant_id)
    owner = await administrator.fetchval("select user_id from memberships where tenant_id = $1", theirs.tenant_id)
    email = await administrator.fetchval("select email from users where id = $1", owner)
    session_digest, link_digest, invitation_digest = [
        await administrator.fetchval(f"select digest from {table} where {column} = $1 limit 1", whose)
        for table, column, whose in (
            ("user_sessions", "user_id", owner),
            ("account_tokens", "user_id", owner),
            ("invitations", "tenant_id", theirs.tenant_id),
        )
    ]
    linked = await administrator.fetchrow("select issuer, subject from linked_accounts where user_id = $1", owner)
    credential_id = await administrator.fetchval("select credential_id from passkeys where user_id = $1", owner)
    for asked in ("approvals", "consults"):
        since = f"update {asked} set created_at = now() - interval '1 hour' where tenant_id = $1"
        await administrator.execute(since, theirs.tenant_id)
    known = {
        "find_connection(text,text)": ("slack", theirs.account),
        "connections_of_business(text,text)": None,
        "take_stripe_event(text,text,text,text,timestamp with time zone)": (
            *(f"evt_{theirs.tenant_id.hex}", "invoice.paid", customer_of(theirs), None, utc_now()),
        ),
        "open_stripe_events(timestamp with time zone,integer)": (utc_now() + timedelta(hours=1), 10_000),
        "settle_stripe_events(text[],text)": ([f"evt_{theirs.tenant_id.hex}"], "done"),
        # Of the tenant whom the transaction is of; ``attempts_on_money`` tries it.
        "settle_tenants_stripe_events(timestamp with time zone,text)": None,
        "forget_stripe_events()": (),
        "tenants_with_customers(uuid,integer)": (UUID(int=0), 10_000),
        "tenants_to_meter(uuid,integer)": (UUID(int=0), 10_000),
        "tenants_to_alert(uuid,integer)": (UUID(int=0), 10_000),
        # Numbers alone.
        "billing_troubles(timestamp with time zone,timestamp with time zone)": None,
        "find_tenant(text)": (slug,),
        "find_api_key(bytea)": (digest,),
        "approvals_unsettled(integer)": (10_000,),
        "handoffs_unsettled(integer)": (10_000,),
        "consults_unsettled(integer)": (10_000,),
        "servers_to_look_at(integer)": (10_000,),
        "unsettled_messages(integer)": (10_000,),
        "troubled_connections()": (),
        "quarantined_messages()": (),
        "open_work()": (),
        "quarantined_since(timestamp with time zone)": None,
        "forget_quarantined()": None,
        "conversations_to_remember(integer)": (10_000,),
        "memories_to_embed(text,integer)": ("local/another", 10_000),
        "embedding_backlog(text)": ("local/another",),
        "forget_quarantined_of(text,text)": None,
        "seals_unanchored(timestamp with time zone)": None,
        "tenants_to_seal(uuid,integer)": (UUID(int=0), 10_000),
        "all_tenants()": (),
        "sources_to_sync(integer)": (10_000,),
        "tenants_with_file_removals(integer)": (10_000,),
        "tenants_with_early_changes(timestamp with time zone,integer)": (utc_now() + timedelta(hours=1), 10_000),
        "contacts_to_name(integer)": (10_000,),
        "tenants_with_retention(uuid,integer)": (UUID(int=0), 10_000),
        "tenants_that_ask(uuid,integer)": (UUID(int=0), 10_000),
        "tenants_to_clear(integer)": None,
        "chunks_to_embed(text,integer)": ("local/another", 10_000),
        "chunks_backlog(text)": ("local/another",),
        "find_user(text)": (email,),
        "find_user_session(bytea)": (session_digest,),
        "find_account_token(bytea)": (link_digest,),
        "find_invitation(bytea)": (invitation_digest,),
        "find_passkey(bytea)": (credential_id,),
        "find_linked_account(text,text)": tuple(linked),
        "rehearsals_to_forget(integer,integer)": (0, 10_000),
        # Asked below: a connection is renewed or in trouble.
        "connections_to_renew(integer)": None,
        # Of the person, or the tenant, whom the transaction is of; test_people.py tries them.
        "my_memberships()": None,
        "tenant_members()": None,
        "members_with_second_factor()": None,
        # Of nobody, and sealed.
        "take_mails(integer)": None,
        "kept_mails(integer)": None,
        "forget_mail(uuid)": None,
        "forget_account_links()": None,
        "sealed_mails(uuid,integer)": None,
        "reseal_mail(uuid,text,text)": None,
        "sealed_ceremonies(bytea,integer)": None,
        "reseal_ceremony(bytea,text,text)": None,
        "tenants_with_keys(uuid,integer)": (UUID(int=0), 10_000),
        "people_with_authenticators(uuid,integer)": (UUID(int=0), 10_000),
        "begin_ceremony(bytea,text,text,timestamp with time zone)": None,
        "look_at_ceremony(bytea,text)": None,
        "take_ceremony(bytea,text)": None,
        "forget_expired_accounts(interval,interval,interval)": None,
    }
    of_the_auditor = {
        "audit_append(uuid[],uuid[],text[],text[],uuid[],bytea[],bytea[])",
        "audit_seal(uuid,integer)",
        "audit_anchored(bigint[])",
    }
    names = await administrator.fetch(
        "select oid::regprocedure::text from pg_proc where prosecdef and pronamespace = 'public'::regnamespace"
    )
    assert {row[0] for row in names} == set(known) | of_the_auditor
    await administrator.execute(
        "update messages set created_at = now() - interval '1 day' where tenant_id = $1", theirs.tenant_id
    )
    renew = "update connections set renew_at = $2 where tenant_id = $1"
    await administrator.execute(renew, theirs.tenant_id, utc_now())
    due = await product.fetch("select * from connections_to_renew(10000)")
    assert (theirs.tenant_id, theirs.connection_id) in [tuple(row) for row in due]
    await administrator.execute(renew, theirs.tenant_id, None)
    await administrator.execute(
        "update connections set status = 'revoked', status_reason = 'account_inactive' where tenant_id = $1",
        theirs.tenant_id,
    )
    await administrator.execute(
        "update conversations set memory_due_at = now() - interval '1 day' where tenant_id = $1", theirs.tenant_id
    )
    await administrator.execute(
        "update knowledge_sources set next_sync_at = now() - interval '1 day' where tenant_id = $1", theirs.tenant_id
    )
    await administrator.execute(
        "update handoffs set next_due_at = now() - interval '1 hour' where tenant_id = $1", theirs.tenant_id
    )
    await administrator.execute("update tools set looked_at = null where tenant_id = $1", theirs.tenant_id)
    keeps = "update tenants set retention = $2::jsonb where id = $1"
    await administrator.execute(keeps, theirs.tenant_id, '{"messages": 3000}')
    asks = "update tenants set satisfaction = $2::jsonb where id = $1"
    await administrator.execute(asks, theirs.tenant_id, '{"enabled": true}')
    aside = "update messages set state = $2 where id = $1"
    await administrator.execute(aside, theirs.asked.message_id, "quarantined")
    told = repr(due)
    for signature, arguments in known.items():
        if arguments is not None:
            places = ", ".join(f"${place + 1}" for place in range(len(arguments)))
            rows = await product.fetch(f"select * from {signature.partition('(')[0]}({places})", *arguments)
            assert rows, f"{signature} tells nothing"
            told += repr(rows)
    await administrator.execute(aside, theirs.asked.message_id, "taken")
    await administrator.execute("update connections set status = 'active' where tenant_id = $1", theirs.tenant_id)
    await administrator.execute("update tools set looked_at = now() where tenant_id = $1", theirs.tenant_id)
    await administrator.execute(keeps, theirs.tenant_id, "{}")
    assert str(theirs.waiting.message_id) in told
    assert "anary" not in told
    assert "sealed" not in told
