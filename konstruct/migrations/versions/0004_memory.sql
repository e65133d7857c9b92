-- What is kept of a contact is sealed under a key of its own: without the key's row none of it can be read any more.
create table contact_keys (
  tenant_id uuid not null,
  contact_id uuid not null,
  wrapped text not null,
  created_at timestamptz not null,
  primary key (tenant_id, contact_id),
  foreign key (tenant_id, contact_id) references contacts (tenant_id, id) on delete cascade
);
-- A key that was removed must not lie on in a dead row until enough others have joined it.
alter table contact_keys set (autovacuum_vacuum_threshold = 0, autovacuum_vacuum_scale_factor = 0);

-- Contacts of several channels that are one person share a person; on its own a contact is its own.
alter table contacts add column person_id uuid;
alter table contacts no force row level security;
update contacts set person_id = id;
alter table contacts force row level security;
alter table contacts alter column person_id set not null;
alter table contacts add column erased_at timestamptz;
create index contacts_of_person on contacts (tenant_id, person_id);

-- Sentences of the product's own stay plain; what people and employees say is sealed for the contact that it is said
-- by or to. What an older version wrote is sealed by `konstruct migrate`, which has the keys.
alter table messages alter column body drop not null;
alter table messages add column sealed bytea;
alter table messages add column forgotten_at timestamptz;
alter table messages no force row level security;
alter table conversations no force row level security;
update messages m set contact_id = c.contact_id
  from conversations c where c.tenant_id = m.tenant_id and c.id = m.conversation_id and m.contact_id is null;
alter table messages force row level security;
create index messages_plain on messages (tenant_id, id) where body is not null and purpose = 'reply';
create index messages_of_contact on messages (tenant_id, contact_id);

alter table conversations
  add column revision bigint not null default 0,
  add column remembered_seq bigint not null default 0,
  add column digested_seq bigint not null default 0,
  add column memory_due_at timestamptz,
  add column memory_claimed_until timestamptz;
-- What was said so far can be remembered without asking a model, so it is; nobody pays for facts about the past.
update conversations set memory_due_at = now(), digested_seq = last_seq;
alter table conversations force row level security;
create index conversations_to_remember on conversations (memory_due_at) where memory_due_at is not null;
create index conversations_of_contact on conversations (tenant_id, contact_id);

create table conversation_summaries (
  tenant_id uuid not null,
  conversation_id uuid not null,
  contact_id uuid not null,
  through_seq bigint not null,
  sealed bytea not null,
  updated_at timestamptz not null,
  primary key (tenant_id, conversation_id),
  foreign key (tenant_id, conversation_id) references conversations (tenant_id, id) on delete cascade,
  foreign key (tenant_id, contact_id) references contacts (tenant_id, id)
);

create table memories (
  tenant_id uuid not null,
  id uuid not null,
  contact_id uuid not null,
  kind text not null check (kind in ('said', 'fact')),
  speaker text not null check (speaker in ('contact', 'employee', 'agent')),
  conversation_id uuid not null,
  message_id uuid not null,
  seq bigint not null,
  sealed bytea not null,
  words tsvector not null,
  length integer not null,
  confidence real not null check (confidence between 0 and 1),
  happened_at timestamptz not null,
  superseded_by uuid,
  superseded_at timestamptz,
  embedded_with text,
  created_at timestamptz not null,
  primary key (tenant_id, id),
  foreign key (tenant_id, contact_id) references contacts (tenant_id, id) on delete cascade,
  foreign key (tenant_id, conversation_id) references conversations (tenant_id, id) on delete cascade,
  foreign key (tenant_id, message_id) references messages (tenant_id, id) on delete cascade,
  foreign key (tenant_id, superseded_by) references memories (tenant_id, id) on delete set null (superseded_by)
);
create unique index memories_said_once on memories (tenant_id, message_id) where kind = 'said';
create index memories_of_contact on memories (tenant_id, contact_id, conversation_id, seq);
create index memories_to_embed on memories (embedded_with) where superseded_at is null;
create index memories_of_conversation on memories (tenant_id, conversation_id);
create index memories_of_message on memories (tenant_id, message_id);
create index memories_superseded_by on memories (tenant_id, superseded_by) where superseded_by is not null;

-- Vectors lie apart from texts, so that a scan of many touches few pages; by tenant, so that one with many does not
-- drown the others' neighbours in its index. Which length a vector has is up to the model that made it: each usual
-- one has an index of its own, which a query uses only when it names the same length.
create table memory_vectors (
  tenant_id uuid not null,
  memory_id uuid not null,
  contact_id uuid not null,
  model text not null,
  dimensions integer not null,
  vector halfvec not null,
  primary key (tenant_id, memory_id),
  foreign key (tenant_id, memory_id) references memories (tenant_id, id) on delete cascade
) partition by hash (tenant_id);
alter table memory_vectors alter column vector set storage plain;
create index memory_vectors_of_contact on memory_vectors (tenant_id, contact_id, model);

do $$
begin
  for part in 0..15 loop
    execute format(
      'create table memory_vectors_%s partition of memory_vectors for values with (modulus 16, remainder %s)', part, part);
  end loop;
end
$$;
create index memory_vectors_384 on memory_vectors using hnsw ((vector::halfvec(384)) halfvec_cosine_ops)
  where dimensions = 384;
create index memory_vectors_768 on memory_vectors using hnsw ((vector::halfvec(768)) halfvec_cosine_ops)
  where dimensions = 768;
create index memory_vectors_1024 on memory_vectors using hnsw ((vector::halfvec(1024)) halfvec_cosine_ops)
  where dimensions = 1024;
create index memory_vectors_1536 on memory_vectors using hnsw ((vector::halfvec(1536)) halfvec_cosine_ops)
  where dimensions = 1536;
create index memory_vectors_3072 on memory_vectors using hnsw ((vector::halfvec(3072)) halfvec_cosine_ops)
  where dimensions = 3072;

alter table usage add column purpose text not null default 'reply' check (purpose in ('reply', 'summary', 'facts'));

do $$
declare
  owned text;
begin
  for owned in
    select tablename from pg_tables where schemaname = 'public'
      and (tablename in ('contact_keys', 'conversation_summaries', 'memories') or tablename like 'memory_vectors%')
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

grant select, insert, delete on contact_keys to konstruct_app;
-- On the parent alone: a partition is reached through it, and no other way.
grant select, insert, update, delete on conversation_summaries, memories, memory_vectors to konstruct_app;

grant select (tenant_id, id, memory_due_at, memory_claimed_until) on conversations to konstruct_router;
grant select (tenant_id, id, contact_id, embedded_with, superseded_at) on memories to konstruct_router;
grant select (channel, body) on quarantined_events to konstruct_router;
grant select (sealed_at) on audit_seals to konstruct_router;

set local check_function_bodies = off;

create function conversations_to_remember(at_most integer)
  returns table (tenant_id uuid, conversation_id uuid)
  language sql stable security definer set search_path = pg_catalog, pg_temp
  as $$
    select c.tenant_id, c.id from public.conversations c
    where c.memory_due_at <= now() and (c.memory_claimed_until is null or c.memory_claimed_until < now())
    order by c.memory_due_at
    limit at_most
  $$;

-- Written as ranges, since an index serves no "is distinct from".
create function memories_to_embed(model text, at_most integer)
  returns table (tenant_id uuid, memory_id uuid)
  language sql stable security definer set search_path = pg_catalog, pg_temp
  as $$
    (select m.tenant_id, m.id from public.memories m
      where m.superseded_at is null and m.embedded_with is null limit at_most)
    union all
    (select m.tenant_id, m.id from public.memories m
      where m.superseded_at is null and m.embedded_with < model limit at_most)
    union all
    (select m.tenant_id, m.id from public.memories m
      where m.superseded_at is null and m.embedded_with > model limit at_most)
    limit at_most
  $$;

create function embedding_backlog(model text)
  returns table (waiting bigint, of_another_model bigint)
  language sql stable security definer set search_path = pg_catalog, pg_temp
  as $$
    select
      (select count(*) from public.memories m where m.superseded_at is null and m.embedded_with is null),
      (select count(*) from public.memories m where m.superseded_at is null and m.embedded_with < model)
        + (select count(*) from public.memories m where m.superseded_at is null and m.embedded_with > model)
  $$;

-- Seals whose root should long lie outside the database.
create function seals_unanchored(before timestamptz)
  returns bigint
  language sql stable security definer set search_path = pg_catalog, pg_temp
  as $$ select count(*) from public.audit_seals s where s.anchored_at is null and s.sealed_at < before $$;

-- An event that could not be processed may hold what an erased contact wrote.
create function forget_quarantined_of(of_channel text, mention text)
  returns void
  language sql security definer set search_path = pg_catalog, pg_temp
  as $$
    delete from public.quarantined_events q
    where q.channel = of_channel and position(convert_to(mention, 'UTF8') in q.body) > 0
  $$;

do $$
declare
  look_up regprocedure;
begin
  foreach look_up in array array[
    'conversations_to_remember(integer)', 'memories_to_embed(text, integer)', 'embedding_backlog(text)',
    'forget_quarantined_of(text, text)', 'seals_unanchored(timestamptz)'
  ]::regprocedure[]
  loop
    execute format('revoke all on function %s from public', look_up);
    execute format('grant execute on function %s to konstruct_app', look_up);
    execute format('alter function %s owner to konstruct_router', look_up);
  end loop;
end
$$;
