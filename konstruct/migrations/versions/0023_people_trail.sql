-- Contacts are listed by when they came, of all channels or of one, and found by the beginning of the channel's id.
create index contacts_by_time on contacts (tenant_id, created_at desc, id desc);
create index contacts_of_connection on contacts (tenant_id, connection_id, created_at desc, id desc);
create index contacts_by_name on contacts (tenant_id, external_id collate "C");
create index contacts_opted_out on contacts (tenant_id, created_at desc, id desc) where opted_out_at is not null;
create index contacts_erased on contacts (tenant_id, created_at desc, id desc) where erased_at is not null;
-- What the trail has of one contact.
create index audit_events_by_subject on audit_events (tenant_id, subject_id, created_at, id)
  where subject_id is not null;

create table contact_erasures (
  tenant_id uuid not null,
  id uuid not null,
  contact_id uuid not null,
  asked_by text not null,
  asked_at timestamptz not null,
  attempts integer not null default 0,
  error text,
  sealed text,
  contacts integer not null default 0,
  conversations integer not null default 0,
  messages integer not null default 0,
  memories integer not null default 0,
  shredded_at timestamptz,
  events_removed_at timestamptz,
  is_cache_clear boolean not null default false,
  ended_at timestamptz,
  primary key (tenant_id, id),
  foreign key (tenant_id, contact_id) references contacts (tenant_id, id)
);
create unique index contact_erasures_open on contact_erasures (tenant_id, contact_id) where ended_at is null;
create index contact_erasures_of_contact on contact_erasures (tenant_id, contact_id, asked_at);

create table audit_checks (
  tenant_id uuid not null,
  id uuid not null,
  chain_id uuid,
  asked_by text not null,
  asked_at timestamptz not null,
  beat_at timestamptz,
  ended_at timestamptz,
  outcome text check (outcome in ('whole', 'broken', 'failed')),
  error text,
  total bigint not null default 0,
  events bigint not null default 0,
  chains bigint not null default 0,
  seals bigint not null default 0,
  anchored bigint not null default 0,
  unproven bigint not null default 0,
  elsewhere bigint not null default 0,
  broken jsonb,
  primary key (tenant_id, id),
  foreign key (tenant_id) references tenants (id) on delete cascade
);
create unique index audit_checks_one_at_a_time on audit_checks (tenant_id) where ended_at is null;
create index audit_checks_by_time on audit_checks (tenant_id, asked_at);

do $$
declare
  owned text;
begin
  foreach owned in array array['contact_erasures', 'audit_checks']
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
