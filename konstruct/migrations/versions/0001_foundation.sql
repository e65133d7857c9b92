create table quarantined_events (
  id uuid not null,
  channel text not null,
  reason text not null,
  body bytea not null,
  created_at timestamptz not null,
  primary key (id)
);

create table tenants (
  id uuid not null,
  slug text not null,
  name text not null,
  models jsonb not null,
  limits jsonb not null,
  created_at timestamptz not null,
  primary key (id),
  unique (slug)
);

create table audit_events (
  tenant_id uuid not null,
  id uuid not null,
  conversation_id uuid,
  actor text not null,
  action text not null,
  detail jsonb not null,
  created_at timestamptz not null,
  primary key (tenant_id, id),
  foreign key (tenant_id) references tenants (id)
);
create index audit_events_by_conversation on audit_events (tenant_id, conversation_id, id);

create table employees (
  tenant_id uuid not null,
  id uuid not null,
  key text not null,
  published_version integer not null,
  created_at timestamptz not null,
  primary key (tenant_id, id),
  unique (tenant_id, key),
  foreign key (tenant_id) references tenants (id) on delete cascade
);

create table tenant_keys (
  tenant_id uuid not null,
  wrapped text not null,
  created_at timestamptz not null,
  primary key (tenant_id),
  foreign key (tenant_id) references tenants (id) on delete cascade
);

create table connections (
  tenant_id uuid not null,
  id uuid not null,
  key text not null,
  kind text not null,
  account text not null,
  external jsonb not null,
  sealed_secrets text,
  employee_id uuid not null,
  status text not null,
  status_reason text,
  status_changed_at timestamptz not null,
  created_at timestamptz not null,
  primary key (tenant_id, id),
  unique (tenant_id, key),
  unique (kind, account),
  foreign key (tenant_id) references tenants (id) on delete cascade,
  foreign key (tenant_id, employee_id) references employees (tenant_id, id)
);

create table employee_versions (
  tenant_id uuid not null,
  id uuid not null,
  employee_id uuid not null,
  number integer not null,
  name text not null,
  role text not null,
  persona text not null,
  system_prompt text not null,
  greeting text not null,
  suggested_prompts jsonb not null,
  models jsonb not null,
  tools jsonb not null,
  escalation jsonb not null,
  published_at timestamptz not null,
  primary key (tenant_id, id),
  unique (tenant_id, employee_id, number),
  foreign key (tenant_id, employee_id) references employees (tenant_id, id) on delete cascade
);

create table contacts (
  tenant_id uuid not null,
  id uuid not null,
  connection_id uuid not null,
  external_id text not null,
  created_at timestamptz not null,
  primary key (tenant_id, id),
  unique (tenant_id, connection_id, external_id),
  foreign key (tenant_id, connection_id) references connections (tenant_id, id) on delete cascade
);

create table employee_bindings (
  tenant_id uuid not null,
  id uuid not null,
  connection_id uuid not null,
  channel text not null,
  employee_id uuid not null,
  primary key (tenant_id, id),
  unique (tenant_id, connection_id, channel),
  foreign key (tenant_id, connection_id) references connections (tenant_id, id) on delete cascade,
  foreign key (tenant_id, employee_id) references employees (tenant_id, id) on delete cascade
);

create table conversations (
  tenant_id uuid not null,
  id uuid not null,
  connection_id uuid not null,
  contact_id uuid not null,
  employee_id uuid not null,
  channel text not null,
  root text not null,
  owner text not null,
  epoch integer not null,
  turn_id uuid,
  last_seq bigint not null,
  created_at timestamptz not null,
  primary key (tenant_id, id),
  unique (tenant_id, connection_id, channel, root),
  foreign key (tenant_id, connection_id) references connections (tenant_id, id) on delete cascade,
  foreign key (tenant_id, contact_id) references contacts (tenant_id, id),
  foreign key (tenant_id, employee_id) references employees (tenant_id, id)
);

create table messages (
  tenant_id uuid not null,
  id uuid not null,
  conversation_id uuid not null,
  connection_id uuid not null,
  seq bigint not null,
  direction text not null,
  author text not null,
  contact_id uuid,
  body text not null,
  external_id text,
  state text not null,
  purpose text not null,
  turn_id uuid,
  epoch integer not null,
  maybe_duplicate boolean not null,
  detail jsonb not null,
  created_at timestamptz not null,
  settled_at timestamptz,
  swept_at timestamptz,
  primary key (tenant_id, id),
  unique (tenant_id, connection_id, external_id),
  unique (tenant_id, conversation_id, seq),
  foreign key (tenant_id, conversation_id) references conversations (tenant_id, id) on delete cascade,
  foreign key (tenant_id, contact_id) references contacts (tenant_id, id),
  foreign key (tenant_id, connection_id) references connections (tenant_id, id) on delete cascade
);
create index messages_of_turn on messages (tenant_id, turn_id) where turn_id is not null;
create index messages_unsettled on messages (created_at) where state in ('received', 'taken', 'pending');

create table usage (
  tenant_id uuid not null,
  id uuid not null,
  conversation_id uuid not null,
  employee_id uuid not null,
  turn_id uuid not null,
  provider text not null,
  model text not null,
  input_tokens integer not null,
  output_tokens integer not null,
  cached_tokens integer not null,
  estimated boolean not null,
  cost numeric(20, 10),
  latency_ms integer not null,
  first_token_ms integer,
  outcome text not null,
  error text,
  created_at timestamptz not null,
  primary key (tenant_id, id),
  foreign key (tenant_id, conversation_id) references conversations (tenant_id, id) on delete cascade,
  foreign key (tenant_id, employee_id) references employees (tenant_id, id)
);
create index usage_by_day on usage (tenant_id, created_at);

-- Values that are looked for in predicates are checked text, since enums' operators are not leakproof under row security.
alter table connections
  add check (status in ('active', 'revoked', 'uninstalled')),
  add check (kind in ('slack', 'console'));
alter table conversations
  add check (owner in ('employee', 'queue', 'agent'));
alter table messages
  add check (direction in ('inbound', 'outbound')),
  add check (author in ('contact', 'employee', 'agent', 'system')),
  add check (purpose in ('reply', 'notice')),
  add check (state in (
    'received', 'taken', 'answered', 'refused', 'deleted', 'stopped',
    'pending', 'sending', 'sent', 'failed', 'discarded'
  ));
alter table usage
  add check (outcome in ('ok', 'failed', 'cancelled'));

-- Row security. The tenant is set for each transaction; with none set there are no rows. The restrictive policy is a
-- floor: a careless permissive policy that somebody adds later cannot lift it.
do $$
declare
  owned text;
  tenant_column text;
begin
  for owned in
    select tablename from pg_tables where schemaname = 'public' and tablename not in ('alembic_version', 'quarantined_events')
  loop
    tenant_column := case owned when 'tenants' then 'id' else 'tenant_id' end;
    execute format('alter table %I enable row level security', owned);
    execute format('alter table %I force row level security', owned);
    execute format(
      'create policy tenant on %I to konstruct_app using (%2$I = (select nullif(current_setting(''app.tenant_id'', true), '''')::uuid))'
      ' with check (%2$I = (select nullif(current_setting(''app.tenant_id'', true), '''')::uuid))', owned, tenant_column);
    execute format(
      'create policy tenant_floor on %I as restrictive to konstruct_app using (%2$I = (select nullif(current_setting(''app.tenant_id'', true), '''')::uuid))'
      ' with check (%2$I = (select nullif(current_setting(''app.tenant_id'', true), '''')::uuid))', owned, tenant_column);
    execute format('create policy look_up on %I for select to konstruct_router using (true)', owned);
  end loop;
end
$$;

alter table quarantined_events enable row level security;
alter table quarantined_events force row level security;
create policy arrive on quarantined_events for insert to konstruct_app with check (true);
create policy look_up on quarantined_events for select to konstruct_router using (true);
create policy forget on quarantined_events for delete to konstruct_router using (true);

grant select, insert, update on tenants, connections, employees, contacts, conversations, messages to konstruct_app;
grant select, insert, update, delete on employee_bindings to konstruct_app;
grant select, insert, update on tenant_keys to konstruct_app;
grant select, insert on employee_versions, usage, audit_events to konstruct_app;
grant insert on quarantined_events to konstruct_app;

grant select (id, slug) on tenants to konstruct_router;
grant select (tenant_id, id, key, kind, account, status, status_reason, status_changed_at) on connections to konstruct_router;
grant select (tenant_id, id, conversation_id, purpose, state, created_at, swept_at) on messages to konstruct_router;
grant select (created_at), delete on quarantined_events to konstruct_router;

-- What an audit event says is never changed. ENABLE ALWAYS: not even in a replication session.
create function refuse_change() returns trigger language plpgsql as $$
begin
  raise exception '% is append-only', tg_table_name;
end
$$;
create trigger append_only before update or delete on audit_events for each row execute function refuse_change();
create trigger append_only_truncate before truncate on audit_events for each statement execute function refuse_change();
alter table audit_events enable always trigger append_only;
alter table audit_events enable always trigger append_only_truncate;

-- The look-ups that see across tenants. They return ids and states, never content. Their bodies are not tried out here,
-- since whoever runs this is held by the row security that their owner passes.
set local check_function_bodies = off;

create function find_connection(of_kind text, of_account text)
  returns table (tenant_id uuid, connection_id uuid)
  language sql stable security definer set search_path = pg_catalog, pg_temp
  as $$ select c.tenant_id, c.id from public.connections c where c.kind = of_kind and c.account = of_account $$;

create function find_tenant(of_slug text)
  returns uuid
  language sql stable security definer set search_path = pg_catalog, pg_temp
  as $$ select t.id from public.tenants t where t.slug = of_slug $$;

create function unsettled_messages(at_most integer)
  returns table (tenant_id uuid, conversation_id uuid, message_id uuid, purpose text)
  language sql stable security definer set search_path = pg_catalog, pg_temp
  as $$
    select m.tenant_id, m.conversation_id, m.id, m.purpose
    from public.messages m
    where (m.swept_at is null or m.swept_at < now() - interval '10 minutes')
      and ((m.state = 'received' and m.created_at < now() - interval '5 seconds')
        or (m.state = 'pending' and m.purpose = 'notice' and m.created_at < now() - interval '5 seconds')
        or (m.state = 'taken' and m.created_at < now() - interval '10 minutes'))
    order by m.created_at
    limit at_most
  $$;

create function troubled_connections()
  returns table (tenant text, connection text, kind text, status text, reason text, since timestamptz)
  language sql stable security definer set search_path = pg_catalog, pg_temp
  as $$
    select t.slug, c.key, c.kind, c.status, c.status_reason, c.status_changed_at
    from public.connections c join public.tenants t on t.id = c.tenant_id
    where c.status <> 'active'
    order by c.status_changed_at desc
  $$;

create function quarantined_since(moment timestamptz)
  returns bigint
  language sql stable security definer set search_path = pg_catalog, pg_temp
  as $$ select count(*) from public.quarantined_events q where q.created_at >= moment $$;

create function forget_quarantined()
  returns void
  language sql security definer set search_path = pg_catalog, pg_temp
  as $$ delete from public.quarantined_events q where q.created_at < now() - interval '7 days' $$;

do $$
declare
  look_up regprocedure;
begin
  foreach look_up in array array[
    'find_connection(text, text)', 'find_tenant(text)', 'unsettled_messages(integer)', 'troubled_connections()',
    'quarantined_since(timestamptz)', 'forget_quarantined()'
  ]::regprocedure[]
  loop
    execute format('revoke all on function %s from public', look_up);
    execute format('grant execute on function %s to konstruct_app', look_up);
    execute format('alter function %s owner to konstruct_router', look_up);
  end loop;
end
$$;
