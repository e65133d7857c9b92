-- Disconnected: somebody here took it out of use; its secrets are gone, and its account may be anybody's again.
alter table connections
  add column last_event_at timestamptz,
  add column token_expires_at timestamptz,
  add column renew_at timestamptz,
  add column renewing_until timestamptz,
  add column renewal_problem text,
  drop constraint connections_status_check,
  add constraint connections_status_check check (
    status in ('active', 'revoked', 'uninstalled', 'restricted', 'disconnected')
  );
create index connections_to_renew on connections (renew_at) where renew_at is not null;

-- Somebody was sent to Slack, and is awaited back: in the same browser, signed in as before, once.
create table slack_attempts (
  tenant_id uuid not null,
  id uuid not null,
  digest bytea not null,
  browser_digest bytea not null,
  user_id uuid not null,
  session_id uuid not null,
  employee_id uuid not null,
  redirect_uri text not null,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  used_at timestamptz,
  primary key (tenant_id, id),
  unique (tenant_id, digest),
  foreign key (tenant_id) references tenants (id) on delete cascade,
  foreign key (tenant_id, employee_id) references employees (tenant_id, id) on delete cascade
);

-- What somebody has filled in of the form for a WhatsApp number, so that it can be gone on with.
create table whatsapp_drafts (
  tenant_id uuid not null,
  id uuid not null,
  user_id uuid not null,
  content jsonb not null,
  sealed_secrets text,
  updated_at timestamptz not null,
  primary key (tenant_id, id),
  unique (tenant_id, user_id),
  foreign key (tenant_id) references tenants (id) on delete cascade
);

do $$
declare
  owned text;
begin
  foreach owned in array array['slack_attempts', 'whatsapp_drafts']
  loop
    execute format('alter table %I enable row level security', owned);
    execute format('alter table %I force row level security', owned);
    execute format(
      'create policy tenant on %I to konstruct_app'
      ' using (tenant_id = (select nullif(current_setting(''app.tenant_id'', true), '''')::uuid))'
      ' with check (tenant_id = (select nullif(current_setting(''app.tenant_id'', true), '''')::uuid))', owned);
    execute format(
      'create policy tenant_floor on %I as restrictive to konstruct_app'
      ' using (tenant_id = (select nullif(current_setting(''app.tenant_id'', true), '''')::uuid))'
      ' with check (tenant_id = (select nullif(current_setting(''app.tenant_id'', true), '''')::uuid))', owned);
    execute format('grant select, insert, update, delete on %I to konstruct_app', owned);
  end loop;
end
$$;

grant select (renew_at, renewing_until) on connections to konstruct_router;

set local check_function_bodies = off;

create function connections_to_renew(at_most integer)
  returns table (tenant_id uuid, connection_id uuid)
  language sql stable security definer set search_path = pg_catalog, pg_temp
  as $$
    select c.tenant_id, c.id from public.connections c
    where c.renew_at <= now() and c.status = 'active' and (c.renewing_until is null or c.renewing_until < now())
    order by c.renew_at
    limit at_most
  $$;

-- What was disconnected here on purpose is no trouble.
create or replace function troubled_connections()
  returns table (tenant text, connection text, kind text, status text, reason text, since timestamptz)
  language sql stable security definer set search_path = pg_catalog, pg_temp
  as $$
    select t.slug, c.key, c.kind, c.status, c.status_reason, c.status_changed_at
    from public.connections c join public.tenants t on t.id = c.tenant_id
    where c.status not in ('active', 'disconnected')
    order by c.status_changed_at desc
  $$;

create or replace function connections_of_business(of_kind text, of_business text)
  returns table (tenant_id uuid, connection_id uuid)
  language sql stable security definer set search_path = pg_catalog, pg_temp
  as $$
    select c.tenant_id, c.id from public.connections c
    where c.kind = of_kind and c.external ->> 'waba_id' = of_business and c.status <> 'disconnected'
  $$;

revoke all on function connections_to_renew(integer) from public;
grant execute on function connections_to_renew(integer) to konstruct_app;
alter function connections_to_renew(integer) owner to konstruct_router;
