create table audit_heads (
  tenant_id uuid not null,
  chain_id uuid not null,
  seq bigint not null,
  hash bytea not null,
  sealed_seq bigint not null,
  -- What the next seal takes. Not asked as seq > sealed_seq, which would put seq into an index and each append with it.
  is_moved boolean not null generated always as (seq > sealed_seq) stored,
  primary key (tenant_id, chain_id),
  foreign key (tenant_id) references tenants (id)
) with (fillfactor = 50);
create index audit_heads_moved on audit_heads (tenant_id, chain_id) where is_moved;

create table audit_seals (
  tenant_id uuid not null,
  number bigint not null,
  sealed_at timestamptz not null,
  root bytea not null,
  previous bytea not null,
  leaves integer not null,
  anchored_at timestamptz,
  primary key (tenant_id, number),
  foreign key (tenant_id) references tenants (id)
);
create index audit_seals_unanchored on audit_seals (tenant_id, number) where anchored_at is null;

create table audit_seal_leaves (
  tenant_id uuid not null,
  number bigint not null,
  chain_id uuid not null,
  seq bigint not null,
  hash bytea not null,
  primary key (tenant_id, number, chain_id),
  unique (tenant_id, chain_id, seq),
  foreign key (tenant_id, number) references audit_seals (tenant_id, number)
);

-- What a hash is taken over. The length before each field keeps one field's end from passing for the next one's start.
create function audit_field(content bytea) returns bytea language sql immutable
  as $$ select int4send(octet_length(content)) || content $$;

create function audit_microseconds(moment timestamptz) returns bytea language sql immutable
  as $$ select int8send((extract(epoch from moment) * 1000000)::bigint) $$;

create function audit_hash(
  tenant uuid, chain uuid, seq bigint, id uuid, happened_at timestamptz, actor text, action text, subject uuid,
  payload bytea, content bytea, prev bytea
) returns bytea language sql stable
  as $$
    select sha256(
      public.audit_field('konstruct audit event v1')
      || public.audit_field(uuid_send(tenant))
      || public.audit_field(uuid_send(chain))
      || public.audit_field(int8send(seq))
      || public.audit_field(uuid_send(id))
      || public.audit_field(public.audit_microseconds(happened_at))
      || public.audit_field(convert_to(actor, 'UTF8'))
      || public.audit_field(convert_to(action, 'UTF8'))
      || public.audit_field(coalesce(uuid_send(subject), ''))
      || public.audit_field(sha256(payload))
      || public.audit_field(coalesce(sha256(content), ''))
      || public.audit_field(prev)
    )
  $$;

-- The events that are there already are chained in the order in which they came. Their owner is let past row security
-- and past its own trigger for that, and for nothing else.
alter table audit_events no force row level security;
alter table audit_events disable trigger append_only;

alter table audit_events
  add column chain_id uuid,
  add column seq bigint,
  add column subject_id uuid,
  add column payload bytea,
  add column content bytea,
  add column prev bytea,
  add column hash bytea;

-- As json.dumps writes it with sorted keys, no spaces and no escapes but those that must be.
create function pg_temp.canonical(document jsonb) returns text language sql immutable
  as $$
    select case jsonb_typeof(document)
      when 'object' then (
        select '{' || coalesce(
          string_agg(to_json(key)::text || ':' || pg_temp.canonical(value), ',' order by key collate "C"), ''
        ) || '}'
        from jsonb_each(document)
      )
      when 'array' then (
        select '[' || coalesce(string_agg(pg_temp.canonical(value), ',' order by place), '') || ']'
        from jsonb_array_elements(document) with ordinality elements (value, place)
      )
      else document::text
    end
  $$;

do $$
declare
  old record;
  chain uuid;
  tenant uuid;
  place bigint;
  latest bytea;
begin
  for old in
    select e.tenant_id, e.id, coalesce(e.conversation_id, e.tenant_id) as chain_id, e.created_at, e.actor, e.action,
      convert_to(pg_temp.canonical(e.detail), 'UTF8') as payload
    from audit_events e
    order by e.tenant_id, coalesce(e.conversation_id, e.tenant_id), e.created_at, e.id
  loop
    if (old.tenant_id, old.chain_id) is distinct from (tenant, chain) then
      if chain is not null then
        insert into audit_heads values (tenant, chain, place, latest, 0);
      end if;
      tenant := old.tenant_id;
      chain := old.chain_id;
      place := 0;
      latest := '';
    end if;
    place := place + 1;
    update audit_events set
      chain_id = chain, seq = place, payload = old.payload, prev = latest,
      hash = audit_hash(
        tenant, chain, place, old.id, old.created_at, old.actor, old.action, null, old.payload, null, latest
      )
    where audit_events.tenant_id = tenant and audit_events.id = old.id
    returning audit_events.hash into latest;
  end loop;
  if chain is not null then
    insert into audit_heads values (tenant, chain, place, latest, 0);
  end if;
end
$$;

alter table audit_events
  alter column chain_id set not null,
  alter column seq set not null,
  alter column payload set not null,
  alter column prev set not null,
  alter column hash set not null,
  add unique (tenant_id, chain_id, seq),
  -- Through its head to the tenant, so that not every event of a tenant locks the one row of the tenant.
  drop constraint audit_events_tenant_id_fkey,
  add foreign key (tenant_id, chain_id) references audit_heads (tenant_id, chain_id);
drop index audit_events_by_conversation;
create index audit_events_by_time on audit_events (tenant_id, created_at, id);
create index audit_events_by_actor on audit_events (tenant_id, actor, created_at, id);
create index audit_events_by_action on audit_events (tenant_id, action collate "C", created_at, id);

alter table audit_events enable always trigger append_only;
alter table audit_events force row level security;

-- Row security for the product as everywhere; and the auditor, too, is held to the tenant of the transaction.
do $$
declare
  owned text;
  held constant text := '(tenant_id = (select nullif(current_setting(''app.tenant_id'', true), '''')::uuid))';
begin
  foreach owned in array array['audit_heads', 'audit_seals', 'audit_seal_leaves']
  loop
    execute format('alter table %I enable row level security', owned);
    execute format('alter table %I force row level security', owned);
    execute format('create policy tenant on %I to konstruct_app using %s with check %2$s', owned, held);
    execute format(
      'create policy tenant_floor on %I as restrictive to konstruct_app using %s with check %2$s', owned, held);
    execute format('create policy look_up on %I for select to konstruct_router using (true)', owned);
  end loop;
  foreach owned in array array['audit_events', 'audit_heads', 'audit_seals', 'audit_seal_leaves']
  loop
    execute format('create policy auditor on %I to konstruct_auditor using %s with check %2$s', owned, held);
  end loop;
end
$$;

revoke insert on audit_events from konstruct_app;
grant select on audit_heads, audit_seals, audit_seal_leaves to konstruct_app;
grant insert on audit_events, audit_seal_leaves to konstruct_auditor;
grant select, insert, update (seq, hash, sealed_seq) on audit_heads to konstruct_auditor;
grant select, insert, update (anchored_at) on audit_seals to konstruct_auditor;
grant select (tenant_id, is_moved) on audit_heads to konstruct_router;
grant select (tenant_id, anchored_at) on audit_seals to konstruct_router;

-- A seal never changes but to say that it was anchored; a head goes on and is never removed.
create trigger append_only before update or delete on audit_seal_leaves
  for each row execute function refuse_change();
create trigger append_only before delete or update of tenant_id, number, sealed_at, root, previous, leaves on audit_seals
  for each row execute function refuse_change();
create trigger append_only before delete or update of tenant_id, chain_id on audit_heads
  for each row execute function refuse_change();
do $$
declare
  owned text;
begin
  foreach owned in array array['audit_heads', 'audit_seals', 'audit_seal_leaves']
  loop
    execute format(
      'create trigger append_only_truncate before truncate on %I for each statement execute function refuse_change()',
      owned);
    execute format('alter table %I enable always trigger append_only', owned);
    execute format('alter table %I enable always trigger append_only_truncate', owned);
  end loop;
end
$$;

-- The only writers of the trail. Whose it is they take from the transaction, never from an argument. Their bodies are not
-- tried out here, since whoever runs this is held by the row security that their owner passes.
set local check_function_bodies = off;

create function audit_tenant() returns uuid language plpgsql stable
  as $$
    declare
      tenant uuid := nullif(current_setting('app.tenant_id', true), '')::uuid;
    begin
      if tenant is null then
        raise exception 'The audit trail is written for one tenant, and app.tenant_id names none.'
          using errcode = 'insufficient_privilege';
      end if;
      return tenant;
    end
  $$;

-- All events of a transaction in one call, its last statement: the heads stay locked until it commits.
create function audit_append(
  ids uuid[], conversations uuid[], actors text[], actions text[], subjects uuid[], payloads bytea[], contents bytea[]
) returns void
  language plpgsql security definer set search_path = pg_catalog, pg_temp
  as $$
    declare
      tenant constant uuid := public.audit_tenant();
      chain uuid;
      place bigint;
      latest bytea;
      own bytea;
      moment timestamptz;
      event record;
    begin
      -- In one order, so that of two transactions none ever waits for the other while the other waits for it.
      for chain in select distinct coalesce(c, tenant) from unnest(conversations) c order by 1
      loop
        select h.seq, h.hash into place, latest from public.audit_heads h
          where h.tenant_id = tenant and h.chain_id = chain for update;
        if not found then
          insert into public.audit_heads (tenant_id, chain_id, seq, hash, sealed_seq) values (tenant, chain, 0, '', 0)
            on conflict do nothing;
          select h.seq, h.hash into place, latest from public.audit_heads h
            where h.tenant_id = tenant and h.chain_id = chain for update;
        end if;
        for event in
          select e.* from unnest(ids, actors, actions, subjects, payloads, contents, conversations) with ordinality
            e (id, actor, action, subject, payload, content, conversation, noted)
          where coalesce(e.conversation, tenant) = chain order by e.noted
        loop
          place := place + 1;
          moment := clock_timestamp();
          own := public.audit_hash(
            tenant, chain, place, event.id, moment, event.actor, event.action, event.subject,
            event.payload, event.content, latest
          );
          insert into public.audit_events (
            tenant_id, id, conversation_id, actor, action, detail, created_at,
            chain_id, seq, subject_id, payload, content, prev, hash
          ) values (
            tenant, event.id, nullif(chain, tenant), event.actor, event.action,
            convert_from(event.payload, 'UTF8')::jsonb, moment,
            chain, place, event.subject, event.payload, event.content, latest, own
          );
          latest := own;
        end loop;
        update public.audit_heads h set seq = place, hash = latest where h.tenant_id = tenant and h.chain_id = chain;
      end loop;
    end
  $$;

-- Seals the heads that moved since their last seal, at most so many behind a chain; answers with the last one's chain, or
-- with none when nothing is left.
create function audit_seal(after_chain uuid, at_most integer) returns uuid
  language plpgsql security definer set search_path = pg_catalog, pg_temp
  as $$
    declare
      tenant constant uuid := public.audit_tenant();
      chains uuid[];
      seqs bigint[];
      hashes bytea[];
      level bytea[];
      latest record;
      moment timestamptz;
    begin
      -- One seal of a tenant at a time: each holds the root of the one before.
      perform pg_advisory_xact_lock(hashtextextended('audit_seal ' || tenant, 0));
      select array_agg(m.chain_id order by m.chain_id), array_agg(m.seq order by m.chain_id),
          array_agg(m.hash order by m.chain_id),
          array_agg(sha256(
            public.audit_field('konstruct audit leaf v1') || public.audit_field(uuid_send(m.chain_id))
            || public.audit_field(int8send(m.seq)) || public.audit_field(m.hash)
          ) order by m.chain_id)
        into chains, seqs, hashes, level
        from (
          select h.chain_id, h.seq, h.hash from public.audit_heads h
          where h.tenant_id = tenant and h.is_moved and h.chain_id > after_chain
          order by h.chain_id limit at_most
        ) m;
      if chains is null then
        return null;
      end if;
      while cardinality(level) > 1 loop
        select array_agg(case
            when pair.right_one is null then pair.left_one
            else sha256(public.audit_field('konstruct audit node v1')
              || public.audit_field(pair.left_one) || public.audit_field(pair.right_one))
          end order by pair.place)
          into level
          from (
            select n.node as left_one, lead(n.node) over (order by n.place) as right_one, n.place
            from unnest(level) with ordinality n (node, place)
          ) pair
          where pair.place % 2 = 1;
      end loop;
      select s.number, s.root into latest from public.audit_seals s
        where s.tenant_id = tenant order by s.number desc limit 1;
      latest.number := coalesce(latest.number, 0) + 1;
      latest.root := coalesce(latest.root, '');
      moment := clock_timestamp();
      insert into public.audit_seals (tenant_id, number, sealed_at, root, previous, leaves) values (
        tenant, latest.number, moment,
        sha256(
          public.audit_field('konstruct audit seal v1') || public.audit_field(uuid_send(tenant))
          || public.audit_field(int8send(latest.number)) || public.audit_field(public.audit_microseconds(moment))
          || public.audit_field(int8send(cardinality(chains))) || public.audit_field(level[1])
          || public.audit_field(latest.root)
        ),
        latest.root, cardinality(chains)
      );
      insert into public.audit_seal_leaves (tenant_id, number, chain_id, seq, hash)
        select tenant, latest.number, l.* from unnest(chains, seqs, hashes) l;
      -- Appends wait from here to the commit, and no longer; locked in the order in which they lock.
      perform 1 from public.audit_heads h where h.tenant_id = tenant and h.chain_id = any (chains)
        order by h.chain_id for update;
      update public.audit_heads h set sealed_seq = l.seq from unnest(chains, seqs) l (chain_id, seq)
        where h.tenant_id = tenant and h.chain_id = l.chain_id;
      return chains[cardinality(chains)];
    end
  $$;

create function audit_anchored(numbers bigint[]) returns void
  language plpgsql security definer set search_path = pg_catalog, pg_temp
  as $$
    declare
      tenant constant uuid := public.audit_tenant();
    begin
      update public.audit_seals s set anchored_at = clock_timestamp()
        where s.tenant_id = tenant and s.number = any (numbers) and s.anchored_at is null;
    end
  $$;

-- Look-ups across tenants: ids and slugs, in pages of ascending id.
create function tenants_to_seal(after_tenant uuid, at_most integer) returns setof uuid
  language sql stable security definer set search_path = pg_catalog, pg_temp
  as $$
    select * from (
      select h.tenant_id from public.audit_heads h where h.is_moved and h.tenant_id > after_tenant
      union
      select s.tenant_id from public.audit_seals s where s.anchored_at is null and s.tenant_id > after_tenant
    ) waiting
    order by 1 limit at_most
  $$;

create function all_tenants() returns table (tenant_id uuid, slug text)
  language sql stable security definer set search_path = pg_catalog, pg_temp
  as $$ select t.id, t.slug from public.tenants t order by t.slug $$;

do $$
declare
  made regprocedure;
begin
  foreach made in array array[
    'audit_append(uuid[], uuid[], text[], text[], uuid[], bytea[], bytea[])', 'audit_seal(uuid, integer)',
    'audit_anchored(bigint[])', 'tenants_to_seal(uuid, integer)', 'all_tenants()'
  ]::regprocedure[]
  loop
    execute format('revoke all on function %s from public', made);
    execute format('grant execute on function %s to konstruct_app', made);
    execute format(
      'alter function %s owner to %I', made,
      case when made::text like 'audit%' then 'konstruct_auditor' else 'konstruct_router' end);
  end loop;
end
$$;
