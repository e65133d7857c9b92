alter table tenants
  add column time_zone text not null default 'UTC',
  add column approvals jsonb not null default '{}';

alter table employee_versions
  add column knowledge jsonb not null default '[]',
  add column caps jsonb not null default '{}';

-- Since when something that a stranger wrote may steer what is said here: a document, a page, a tool's result.
alter table conversations add column untrusted_at timestamptz;

-- A tool of a tenant's own, or a server that offers some. Secrets lie apart, sealed.
create table tools (
  tenant_id uuid not null,
  id uuid not null,
  key text not null,
  kind text not null check (kind in ('http', 'mcp')),
  definition jsonb not null,
  listing jsonb not null,
  sealed_secrets text,
  status text not null check (status in ('active', 'down', 'refused', 'removed')),
  status_reason text,
  status_changed_at timestamptz not null,
  listed_at timestamptz,
  created_at timestamptz not null,
  primary key (tenant_id, id),
  unique (tenant_id, key),
  foreign key (tenant_id) references tenants (id) on delete cascade
);

-- One model call of a turn that ended in calls of tools. What it said along with them is sealed for the asker.
create table steps (
  tenant_id uuid not null,
  turn_id uuid not null,
  number integer not null,
  conversation_id uuid not null,
  contact_id uuid not null,
  sealed bytea,
  after_seq bigint not null,
  link text not null,
  created_at timestamptz not null,
  primary key (tenant_id, turn_id, number),
  foreign key (tenant_id, conversation_id) references conversations (tenant_id, id) on delete cascade,
  foreign key (tenant_id, contact_id) references contacts (tenant_id, id)
);
create index steps_of_conversation on steps (tenant_id, conversation_id);
create index steps_of_contact on steps (tenant_id, contact_id);

create table tool_calls (
  tenant_id uuid not null,
  id uuid not null,
  conversation_id uuid not null,
  contact_id uuid not null,
  turn_id uuid not null,
  step integer not null,
  position integer not null,
  model_call_id text not null,
  tool text not null,
  tool_id uuid,
  risk text not null,
  sealed_arguments bytea not null,
  fingerprint text not null,
  state text not null check (state in (
    'ready', 'running', 'done', 'failed', 'invalid', 'refused', 'waiting', 'denied', 'expired', 'cancelled', 'unknown'
  )),
  sealed_result bytea,
  sealed_whole bytea,
  is_untrusted boolean not null,
  detail jsonb not null,
  attempts integer not null,
  created_at timestamptz not null,
  started_at timestamptz,
  settled_at timestamptz,
  primary key (tenant_id, id),
  unique (tenant_id, turn_id, step, position),
  foreign key (tenant_id, turn_id, step) references steps (tenant_id, turn_id, number) on delete cascade,
  foreign key (tenant_id, conversation_id) references conversations (tenant_id, id) on delete cascade,
  foreign key (tenant_id, contact_id) references contacts (tenant_id, id),
  foreign key (tenant_id, tool_id) references tools (tenant_id, id)
);
create index tool_calls_of_conversation on tool_calls (tenant_id, conversation_id, created_at);
create index tool_calls_of_contact on tool_calls (tenant_id, contact_id);
create index tool_calls_of_tool on tool_calls (tenant_id, tool_id) where tool_id is not null;

-- A person's yes or no to one call, bound to the fingerprint of its arguments.
create table approvals (
  tenant_id uuid not null,
  id uuid not null,
  call_id uuid not null,
  conversation_id uuid not null,
  contact_id uuid not null,
  tool text not null,
  risk text not null,
  reason text not null,
  fingerprint text not null,
  state text not null check (state in ('waiting', 'approved', 'denied', 'expired')),
  decided_by text,
  decided_at timestamptz,
  sealed_note bytea,
  expires_at timestamptz not null,
  cards jsonb not null,
  announced_at timestamptz,
  reported_at timestamptz,
  swept_at timestamptz,
  created_at timestamptz not null,
  primary key (tenant_id, id),
  unique (tenant_id, call_id),
  foreign key (tenant_id, call_id) references tool_calls (tenant_id, id) on delete cascade,
  foreign key (tenant_id, conversation_id) references conversations (tenant_id, id) on delete cascade,
  foreign key (tenant_id, contact_id) references contacts (tenant_id, id)
);
create index approvals_by_time on approvals (tenant_id, state, created_at);
create index approvals_open on approvals (created_at) where reported_at is null;
create index approvals_of_conversation on approvals (tenant_id, conversation_id);
create index approvals_of_contact on approvals (tenant_id, contact_id);

-- Only a digest of a key is kept: it says whose request it is, and cannot be turned back into the key.
create table api_keys (
  tenant_id uuid not null,
  id uuid not null,
  name text not null,
  digest bytea not null unique,
  scopes jsonb not null,
  created_at timestamptz not null,
  revoked_at timestamptz,
  primary key (tenant_id, id),
  unique (tenant_id, name),
  foreign key (tenant_id) references tenants (id) on delete cascade
);

create table knowledge_sources (
  tenant_id uuid not null,
  id uuid not null,
  key text not null,
  kind text not null check (kind in ('files', 'page', 'sitemap')),
  title text not null,
  url text,
  is_trusted boolean not null,
  sync_every_seconds integer,
  status text not null check (status in ('idle', 'waiting', 'syncing', 'failed', 'removed')),
  status_reason text,
  status_changed_at timestamptz not null,
  sync_id uuid,
  found integer not null,
  done integer not null,
  synced_at timestamptz,
  next_sync_at timestamptz,
  created_at timestamptz not null,
  primary key (tenant_id, id),
  unique (tenant_id, key),
  foreign key (tenant_id) references tenants (id) on delete cascade
);
create index knowledge_sources_due on knowledge_sources (next_sync_at) where next_sync_at is not null;

create table knowledge_documents (
  tenant_id uuid not null,
  id uuid not null,
  source_id uuid not null,
  name text not null,
  title text not null,
  link text,
  media_type text,
  digest bytea,
  size bigint not null,
  status text not null check (status in ('waiting', 'indexed', 'duplicate', 'failed')),
  error text,
  chunks integer not null,
  etag text,
  last_modified text,
  duplicate_of uuid,
  seen_in uuid,
  indexed_at timestamptz,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  primary key (tenant_id, id),
  unique (tenant_id, source_id, name),
  foreign key (tenant_id, source_id) references knowledge_sources (tenant_id, id) on delete cascade,
  foreign key (tenant_id, duplicate_of) references knowledge_documents (tenant_id, id) on delete set null (duplicate_of)
);
create index knowledge_documents_by_digest on knowledge_documents (tenant_id, digest);
create index knowledge_documents_duplicates on knowledge_documents (tenant_id, duplicate_of)
  where duplicate_of is not null;
create index knowledge_documents_open on knowledge_documents (tenant_id, source_id, status);

-- What was handed in, as it came: what a page holds is fetched again instead.
create table knowledge_contents (
  tenant_id uuid not null,
  document_id uuid not null,
  content bytea not null,
  primary key (tenant_id, document_id),
  foreign key (tenant_id, document_id) references knowledge_documents (tenant_id, id) on delete cascade
);
alter table knowledge_contents alter column content set storage external;

create table knowledge_chunks (
  tenant_id uuid not null,
  id uuid not null,
  document_id uuid not null,
  source_id uuid not null,
  position integer not null,
  headings jsonb not null,
  text text not null,
  page integer,
  digest bytea not null,
  words tsvector not null,
  length integer not null,
  embedded_with text,
  primary key (tenant_id, id),
  unique (tenant_id, document_id, position) deferrable initially deferred,
  foreign key (tenant_id, document_id) references knowledge_documents (tenant_id, id) on delete cascade,
  foreign key (tenant_id, source_id) references knowledge_sources (tenant_id, id) on delete cascade
);
-- A search by words looks at the words of all of a tenant's chunks, and would unpack each of them once a word.
alter table knowledge_chunks alter column words set storage external;
alter table knowledge_chunks alter column text set storage external;
alter table knowledge_chunks set (toast_tuple_target = 8160);
create index knowledge_chunks_of_source on knowledge_chunks (tenant_id, source_id);
create index knowledge_chunks_to_embed on knowledge_chunks (embedded_with);

-- See memory_vectors for why they lie apart, by tenant, with an index for each usual length.
create table knowledge_vectors (
  tenant_id uuid not null,
  chunk_id uuid not null,
  source_id uuid not null,
  model text not null,
  dimensions integer not null,
  vector halfvec not null,
  primary key (tenant_id, chunk_id),
  foreign key (tenant_id, chunk_id) references knowledge_chunks (tenant_id, id) on delete cascade
) partition by hash (tenant_id);
alter table knowledge_vectors alter column vector set storage plain;
create index knowledge_vectors_of_source on knowledge_vectors (tenant_id, source_id, model);

do $$
declare
  length integer;
begin
  for part in 0..15 loop
    execute format(
      'create table knowledge_vectors_%s partition of knowledge_vectors for values with (modulus 16, remainder %s)',
      part, part);
  end loop;
  foreach length in array array[384, 768, 1024, 1536, 3072] loop
    execute format(
      'create index knowledge_vectors_%1$s on knowledge_vectors using hnsw ((vector::halfvec(%1$s)) halfvec_cosine_ops)'
      ' where dimensions = %1$s', length);
  end loop;
end
$$;

do $$
declare
  owned text;
begin
  for owned in
    select tablename from pg_tables where schemaname = 'public'
      and (tablename in ('tools', 'steps', 'tool_calls', 'approvals', 'api_keys') or tablename like 'knowledge_%')
  loop
    execute format('alter table %I enable row level security', owned);
    execute format('alter table %I force row level security', owned);
    execute format(
      'create policy tenant on %I to konstruct_app using (tenant_id = (select nullif(current_setting(''app.tenant_id'', true), '''')::uuid))'
      ' with check (tenant_id = (select nullif(current_setting(''app.tenant_id'', true), '''')::uuid))', owned);
    execute format(
      'create policy tenant_floor on %I as restrictive to konstruct_app using (tenant_id = (select nullif(current_setting(''app.tenant_id'', true), '''')::uuid))'
      ' with check (tenant_id = (select nullif(current_setting(''app.tenant_id'', true), '''')::uuid))', owned);
    execute format('create policy look_up on %I for select to konstruct_router using (true)', owned);
  end loop;
end
$$;

grant select, insert, update on tools, steps, tool_calls, approvals, api_keys, knowledge_sources to konstruct_app;
grant select, insert, update, delete on knowledge_documents, knowledge_contents, knowledge_chunks, knowledge_vectors
  to konstruct_app;

grant select (tenant_id, id, digest, scopes, revoked_at) on api_keys to konstruct_router;
grant select (tenant_id, id, state, created_at, announced_at, decided_at, reported_at, expires_at, swept_at)
  on approvals to konstruct_router;
grant select (tenant_id, id, next_sync_at) on knowledge_sources to konstruct_router;
grant select (tenant_id, id, embedded_with) on knowledge_chunks to konstruct_router;

set local check_function_bodies = off;

create function find_api_key(of_digest bytea)
  returns table (tenant_id uuid, key_id uuid, scopes jsonb)
  language sql stable security definer set search_path = pg_catalog, pg_temp
  as $$
    select k.tenant_id, k.id, k.scopes from public.api_keys k where k.digest = of_digest and k.revoked_at is null
  $$;

-- Approvals whose workflow was not started, or not told, or died on its way.
create function approvals_unsettled(at_most integer)
  returns table (tenant_id uuid, approval_id uuid)
  language sql stable security definer set search_path = pg_catalog, pg_temp
  as $$
    select a.tenant_id, a.id from public.approvals a
    where a.reported_at is null and (a.swept_at is null or a.swept_at < now() - interval '10 minutes')
      and ((a.announced_at is null and a.created_at < now() - interval '20 seconds')
        or a.decided_at < now() - interval '20 seconds'
        or a.expires_at < now() - interval '20 seconds')
    order by a.created_at
    limit at_most
  $$;

create function sources_to_sync(at_most integer)
  returns table (tenant_id uuid, source_id uuid)
  language sql stable security definer set search_path = pg_catalog, pg_temp
  as $$
    select s.tenant_id, s.id from public.knowledge_sources s
    where s.next_sync_at <= now() order by s.next_sync_at limit at_most
  $$;

-- Written as ranges, since an index serves no "is distinct from".
create function chunks_to_embed(model text, at_most integer)
  returns table (tenant_id uuid, chunk_id uuid)
  language sql stable security definer set search_path = pg_catalog, pg_temp
  as $$
    (select c.tenant_id, c.id from public.knowledge_chunks c where c.embedded_with is null limit at_most)
    union all
    (select c.tenant_id, c.id from public.knowledge_chunks c where c.embedded_with < model limit at_most)
    union all
    (select c.tenant_id, c.id from public.knowledge_chunks c where c.embedded_with > model limit at_most)
    limit at_most
  $$;

create function chunks_backlog(model text)
  returns bigint
  language sql stable security definer set search_path = pg_catalog, pg_temp
  as $$
    select (select count(*) from public.knowledge_chunks c where c.embedded_with is null)
      + (select count(*) from public.knowledge_chunks c where c.embedded_with < model)
      + (select count(*) from public.knowledge_chunks c where c.embedded_with > model)
  $$;

do $$
declare
  look_up regprocedure;
begin
  foreach look_up in array array[
    'find_api_key(bytea)', 'approvals_unsettled(integer)', 'sources_to_sync(integer)',
    'chunks_to_embed(text, integer)', 'chunks_backlog(text)'
  ]::regprocedure[]
  loop
    execute format('revoke all on function %s from public', look_up);
    execute format('grant execute on function %s to konstruct_app', look_up);
    execute format('alter function %s owner to konstruct_router', look_up);
  end loop;
end
$$;
