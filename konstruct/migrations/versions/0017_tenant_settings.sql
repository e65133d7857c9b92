-- A tenant's own access to a provider of models: one a provider, which stands in the place of the deployment's.
create table model_keys (
  tenant_id uuid not null references tenants (id) on delete cascade,
  id uuid not null,
  provider text not null check (provider in ('anthropic', 'openai', 'ollama')),
  base_url text,
  sealed text,
  last_four text,
  fingerprint text,
  created_by text not null,
  created_at timestamptz not null,
  tested_at timestamptz not null,
  refused_at timestamptz,
  refused_why text,
  primary key (tenant_id, id),
  unique (tenant_id, provider),
  check (provider = 'ollama' or (sealed is not null and fingerprint is not null)),
  check (provider <> 'ollama' or base_url is not null),
  check ((refused_at is null) = (refused_why is null))
);

-- Whose key a call was made with: what a tenant paid its provider for is not to be paid a second time.
alter table usage add column key_of text not null default 'deployment' check (key_of in ('deployment', 'tenant'));

-- Days by what is kept: messages, files, memories. What is not named is kept for good.
alter table tenants add column retention jsonb not null default '{}';

-- A tenant that was deleted is nobody's from then on, and cleared once nothing of it is left but its audit trail.
alter table tenants add column deleted_at timestamptz, add column cleared_at timestamptz;

-- What the last run of a tenant's retention let go of, or has so far.
create table retention_runs (
  tenant_id uuid not null references tenants (id) on delete cascade,
  started_at timestamptz not null,
  ended_at timestamptz,
  messages bigint not null default 0,
  files bigint not null default 0,
  memories bigint not null default 0,
  primary key (tenant_id)
);

do $$
declare
  owned text;
begin
  foreach owned in array array['model_keys', 'retention_runs'] loop
    execute format('alter table %I enable row level security', owned);
    execute format('alter table %I force row level security', owned);
    execute format(
      'create policy tenant on %I to konstruct_app using (tenant_id = (select nullif(current_setting(''app.tenant_id'', true), '''')::uuid))'
      ' with check (tenant_id = (select nullif(current_setting(''app.tenant_id'', true), '''')::uuid))', owned);
    execute format(
      'create policy tenant_floor on %I as restrictive to konstruct_app using (tenant_id = (select nullif(current_setting(''app.tenant_id'', true), '''')::uuid))'
      ' with check (tenant_id = (select nullif(current_setting(''app.tenant_id'', true), '''')::uuid))', owned);
  end loop;
end
$$;

grant select, insert, update, delete on model_keys to konstruct_app;
grant select, insert, update on retention_runs to konstruct_app;
-- Rows that are nothing without what was said in them; messages themselves stay, without their words.
grant delete on steps, handoffs, judgements to konstruct_app;
-- With these goes all that hangs on them.
grant delete on connections, employees, employee_pictures, tools, knowledge_sources, api_keys, tenant_keys, rehearsals,
  retention_runs to konstruct_app;
grant select (retention, deleted_at, cleared_at) on tenants to konstruct_router;

set local check_function_bodies = off;

create function tenants_with_retention(after uuid, at_most integer)
  returns table (tenant_id uuid)
  language sql stable security definer set search_path = pg_catalog, pg_temp
  as $$
    select t.id from public.tenants t
    where t.retention <> '{}' and (after is null or t.id > after) order by t.id limit at_most
  $$;
revoke all on function tenants_with_retention(uuid, integer) from public;
grant execute on function tenants_with_retention(uuid, integer) to konstruct_app;
alter function tenants_with_retention(uuid, integer) owner to konstruct_router;

create function tenants_to_clear(at_most integer)
  returns table (tenant_id uuid)
  language sql stable security definer set search_path = pg_catalog, pg_temp
  as $$
    select t.id from public.tenants t
    where t.deleted_at is not null and t.cleared_at is null order by t.deleted_at limit at_most
  $$;
revoke all on function tenants_to_clear(integer) from public;
grant execute on function tenants_to_clear(integer) to konstruct_app;
alter function tenants_to_clear(integer) owner to konstruct_router;
create index tenants_to_clear on tenants (deleted_at) where deleted_at is not null and cleared_at is null;

create index messages_by_age on messages (tenant_id, created_at)
  where body is not null or sealed is not null or sealed_files is not null;
