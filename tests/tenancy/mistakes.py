"""Deliberate mistakes of every kind that would let somebody across the walls between tenants."""

from typing import Final

import asyncpg

from tests.tenancy.catalogue import findings

PREDICATE: Final = "(tenant_id = (select nullif(current_setting('app.tenant_id', true), '')::uuid))"
SECURED: Final = (
    "alter table {0} enable row level security; alter table {0} force row level security;"
    f" create policy tenant on {{0}} to konstruct_app using {PREDICATE} with check {PREDICATE};"
    f" create policy tenant_floor on {{0}} as restrictive to konstruct_app using {PREDICATE} with check {PREDICATE};"
    " alter table {0} owner to konstruct_owner;"
)

MISTAKES: Final[dict[str, tuple[str, str]]] = {
    "row security off": (
        "alter table messages disable row level security",
        "messages has no forced row security",
    ),
    "row security not forced": (
        "alter table contacts no force row level security",
        "contacts has no forced row security",
    ),
    "a new table without row security": (
        "create table notes (tenant_id uuid, id uuid, primary key (tenant_id, id))",
        "notes has no forced row security",
    ),
    "a schema of its own": ("create schema other", "other is a schema that is not looked into here"),
    "a new table without a tenant": ("create table notes (id uuid primary key)", "notes belongs to no tenant"),
    "quarantine without row security": (
        "alter table quarantined_events disable row level security",
        "quarantined_events has no forced row security",
    ),
    "plans that a tenant changes": (
        "alter table plans disable row level security",
        "plans is everybody's to change",
    ),
    "prices that a tenant changes": (
        "alter policy nobodys on price_maps using (true) with check (true)",
        "price_maps.nobodys is a policy that nobody asked for",
    ),
    "webhooks that can be read": (
        "grant select (customer_id) on stripe_events to konstruct_app",
        "reads stripe_events is granted to the product or to everybody",
    ),
    "a partition without row security": (
        "create table notes (tenant_id uuid, id uuid, primary key (tenant_id, id)) partition by hash (tenant_id);"
        "create table notes_0 partition of notes for values with (modulus 1, remainder 0);" + SECURED.format("notes"),
        "notes_0 has no forced row security",
    ),
    "no floor": (
        "drop policy tenant_floor on usage",
        "usage RESTRICTIVE lacks a policy of both kinds for the product",
    ),
    "no permissive policy": (
        "drop policy tenant on usage",
        "usage PERMISSIVE lacks a policy of both kinds for the product",
    ),
    "a careless policy": (
        "create policy careless on messages to konstruct_app using (true)",
        "messages.careless is a policy that nobody asked for",
    ),
    "a policy for everybody": (
        "create policy careless on messages using (true)",
        "messages.careless is a policy that nobody asked for",
    ),
    "writes unchecked": (
        "alter policy tenant_floor on messages with check (true)",
        "messages RESTRICTIVE lacks a policy of both kinds for the product",
    ),
    "a predicate that fails after a commit": (
        "alter policy tenant on messages using (tenant_id = (select current_setting('app.tenant_id', true)::uuid))",
        "messages PERMISSIVE lacks a policy of both kinds for the product",
    ),
    "a predicate worked out for each row": (
        "alter policy tenant on messages using (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)",
        "messages PERMISSIVE lacks a policy of both kinds for the product",
    ),
    "a policy for reads alone": (
        f"drop policy tenant_floor on contacts; create policy tenant_floor on contacts as restrictive for select"
        f" to konstruct_app using {PREDICATE}",
        "contacts RESTRICTIVE lacks a policy of both kinds for the product",
    ),
    "look-ups that may write": (
        "create policy writes on messages for update to konstruct_router using (true)",
        "messages.writes is a policy that nobody asked for",
    ),
    "rows of nobody": (
        "alter table usage drop constraint usage_pkey; alter table usage alter tenant_id drop not null",
        "usage may have rows of nobody",
    ),
    "a primary key without the tenant": (
        "alter table usage drop constraint usage_pkey; alter table usage add primary key (id)",
        "usage has no primary key that begins with the tenant",
    ),
    "a foreign key without the tenant": (
        "create unique index careless on contacts (id);"
        "alter table messages add constraint careless foreign key (contact_id) references contacts (id)",
        "messages.careless is a foreign key that may lead to another tenant",
    ),
    "a foreign key with the tenant in the wrong place": (
        "create unique index careless on contacts (id, tenant_id);"
        "alter table messages add constraint careless foreign key (tenant_id, contact_id)"
        " references contacts (id, tenant_id)",
        "messages.careless is a foreign key that may lead to another tenant",
    ),
    "unique across tenants": (
        "alter table contacts add unique (external_id)",
        "contacts(external_id) is unique across tenants",
    ),
    "a unique index of an expression": (
        "create unique index careless on contacts (lower(external_id))",
        "contacts(?) is unique across tenants",
    ),
    "a view with its owner's eyes": (
        "create view latest as select * from messages",
        "latest is read with its owner's eyes",
    ),
    "a materialized view": (
        "create materialized view latest as select * from messages",
        "latest is read with its owner's eyes",
    ),
    "a look-up with an open search path": (
        "alter function find_tenant(text) reset search_path",
        "find_tenant(text) is a function that runs as its owner, not made as a look-up is",
    ),
    "a look-up of an administrator": (
        "alter function find_tenant(text) owner to postgres",
        "find_tenant(text) is a function that runs as its owner, not made as a look-up is",
    ),
    "a look-up for everybody": (
        "grant execute on function find_tenant(text) to public",
        "find_tenant(text) is a function that runs as its owner, not made as a look-up is",
    ),
    "a look-up that sees content": (
        "grant select (body) on messages to konstruct_router",
        "messages.body is seen across tenants",
    ),
    "a look-up role that changes": (
        "grant update on connections to konstruct_router",
        "connections UPDATE is seen across tenants",
    ),
    "a product above row security": ("alter role konstruct_app bypassrls", "konstruct_app is a role with powers"),
    "a superuser": ("alter role konstruct_owner superuser", "konstruct_owner is a role with powers"),
    "an owner that logs in": ("alter role konstruct_owner login", "konstruct_owner is a role with powers"),
    "a product that can be the owner": (
        "grant konstruct_owner to konstruct_app",
        "konstruct_owner is a role that the product can become",
    ),
    "a table of the product": (
        "grant create on schema public to konstruct_app; alter table usage owner to konstruct_app",
        "table usage is owned by the product",
    ),
    "a table of an administrator": ("alter table usage owner to postgres", "usage is not owned by the owner"),
    "a schema to create in": (
        "grant create on schema public to konstruct_app",
        "creates in public is granted to the product or to everybody",
    ),
    "truncate": (
        "grant truncate on messages to konstruct_app",
        "messages TRUNCATE is granted to the product or to everybody",
    ),
    "triggers": (
        "grant trigger on messages to konstruct_app",
        "messages TRIGGER is granted to the product or to everybody",
    ),
    "a table for everybody": (
        "grant select on messages to public",
        "messages SELECT is granted to the product or to everybody",
    ),
    "tables for everybody from now on": (
        "alter default privileges for role konstruct_owner grant select on tables to konstruct_app",
        "default of konstruct_owner SELECT is granted to the product or to everybody",
    ),
    "a removable conversation": (
        "grant delete on conversations to konstruct_app",
        "conversations DELETE is granted to the product or to everybody",
    ),
    "an audit trail that one column can be changed of": (
        "grant update (detail) on audit_events to konstruct_app",
        "audit_events UPDATE is granted to the product or to everybody",
    ),
    "a quarantine that can be read": (
        "grant select (body) on quarantined_events to konstruct_app",
        "reads quarantined_events is granted to the product or to everybody",
    ),
    "an audit trail that a replica changes": (
        "alter table audit_events enable trigger append_only",
        "audit_events 27 lets the audit trail be changed",
    ),
    "an audit trail without its triggers": (
        "drop trigger append_only_truncate on audit_events",
        "audit_events 34 lets the audit trail be changed",
    ),
    "an audit trail that is written directly": (
        "grant insert on audit_events to konstruct_app",
        "audit_events INSERT writes the audit trail past its functions",
    ),
    "an auditor that changes what was said": (
        "grant update (payload) on audit_events to konstruct_auditor",
        "audit_events.payload UPDATE writes the audit trail past its functions",
    ),
    "an auditor of all tenants": (
        "create policy careless on audit_heads to konstruct_auditor using (true)",
        "audit_heads.careless is a policy that nobody asked for",
    ),
    "an auditor of more than the trail": (
        f"create policy careless on messages to konstruct_auditor using {PREDICATE} with check {PREDICATE}",
        "messages.careless is a policy that nobody asked for",
    ),
    "an auditor with powers": ("alter role konstruct_auditor bypassrls", "konstruct_auditor is a role with powers"),
    "an auditor's function of the router": (
        "alter function audit_seal(uuid, integer) owner to konstruct_router",
        "audit_seal(uuid,integer) is a function that runs as its owner, not made as a look-up is",
    ),
    "seals that may be removed": (
        "drop trigger append_only on audit_seals",
        "audit_seals 27 lets the audit trail be changed",
    ),
    "leaves of which some columns may change": (
        "drop trigger append_only on audit_seal_leaves;"
        "create trigger append_only before delete or update of hash on audit_seal_leaves"
        " for each row execute function refuse_change();"
        "alter table audit_seal_leaves enable always trigger append_only",
        "audit_seal_leaves 27 lets the audit trail be changed",
    ),
    "people without a floor": (
        "drop policy person_floor on user_sessions",
        "user_sessions RESTRICTIVE lacks a policy of both kinds for the product",
    ),
    "people by their tenant": (
        f"create policy careless on user_devices to konstruct_app using {PREDICATE}".replace("(tenant_id", "(user_id"),
        "user_devices.careless is a policy that nobody asked for",
    ),
    "a session of no person": (
        "create table notes (id uuid primary key, user_id uuid)",
        "notes may have rows of nobody",
    ),
    "mails that can be read": (
        "grant select (sealed) on mails to konstruct_app",
        "reads mails is granted to the product or to everybody",
    ),
    "a look-up that sees passwords": (
        "grant select (password_hash) on users to konstruct_router",
        "users.password_hash is seen across tenants",
    ),
    "a trigger that refuses nothing": (
        "create or replace function refuse_change() returns trigger language plpgsql as $$ begin return new; end $$",
        "audit_events 27 lets the audit trail be changed",
    ),
}
"""By what is wrong: the statements that make it so, and the finding that they must lead to."""


async def is_found(bare: asyncpg.Connection, mistake: str) -> bool:
    """Makes the mistake, looks for it, and takes it back."""
    statements, finding = MISTAKES[mistake]
    transaction = bare.transaction()
    await transaction.start()
    try:
        await bare.execute(statements)
        return finding in await findings(bare)
    finally:
        await transaction.rollback()
