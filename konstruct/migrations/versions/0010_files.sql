-- One file of a message. Its name is with the message; its content lies outside, under the contact's key.
create table files (
  tenant_id uuid not null,
  id uuid not null,
  conversation_id uuid not null,
  message_id uuid not null,
  contact_id uuid not null,
  position smallint not null,
  state text not null check (state in ('waiting', 'kept', 'refused', 'failed')),
  object_id uuid,
  digest text,
  size bigint,
  media_type text,
  sealed_text bytea,
  error text,
  created_at timestamptz not null,
  settled_at timestamptz,
  primary key (tenant_id, id),
  unique (tenant_id, message_id, position),
  foreign key (tenant_id, conversation_id) references conversations (tenant_id, id) on delete cascade,
  foreign key (tenant_id, message_id) references messages (tenant_id, id) on delete cascade,
  foreign key (tenant_id, contact_id) references contacts (tenant_id, id),
  check ((state = 'kept') = (object_id is not null))
);
create index files_of_conversation on files (tenant_id, conversation_id, state);
create index files_of_contact on files (tenant_id, contact_id, digest);
create index files_of_object on files (tenant_id, object_id) where object_id is not null;

-- Objects that nothing refers to any more and that are still to be removed from the store, however long it is away.
create table file_removals (
  tenant_id uuid not null references tenants (id) on delete cascade,
  id uuid not null,
  due_at timestamptz not null,
  primary key (tenant_id, id)
);
create index file_removals_by_time on file_removals (due_at);

do $$
declare
  owned text;
begin
  foreach owned in array array['files', 'file_removals'] loop
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
create policy look_up on file_removals for select to konstruct_router using (true);

grant select, insert, update, delete on files, file_removals to konstruct_app;
grant select (tenant_id, due_at) on file_removals to konstruct_router;

set local check_function_bodies = off;

create function tenants_with_file_removals(at_most integer)
  returns table (tenant_id uuid)
  language sql stable security definer set search_path = pg_catalog, pg_temp
  as $$
    select r.tenant_id from public.file_removals r where r.due_at <= now()
    group by r.tenant_id order by min(r.due_at) limit at_most
  $$;
revoke all on function tenants_with_file_removals(integer) from public;
grant execute on function tenants_with_file_removals(integer) to konstruct_app;
alter function tenants_with_file_removals(integer) owner to konstruct_router;
