-- A conversation in which a draft is tried out counts for nothing that is told of contacts; what it costs is marked.
alter table conversations add column is_rehearsal boolean not null default false;
alter table usage add column is_rehearsal boolean not null default false;

alter table connections
  drop constraint connections_kind_check,
  add constraint connections_kind_check check (kind in ('slack', 'console', 'whatsapp', 'rehearsal'));

create table rehearsals (
  tenant_id uuid not null,
  conversation_id uuid not null,
  employee_id uuid not null,
  contact_id uuid not null,
  draft_revision integer not null,
  content jsonb not null,
  acts boolean not null default false,
  created_at timestamptz not null,
  primary key (tenant_id, conversation_id),
  foreign key (tenant_id, conversation_id) references conversations (tenant_id, id) on delete cascade,
  foreign key (tenant_id, employee_id) references employees (tenant_id, id) on delete cascade,
  foreign key (tenant_id, contact_id) references contacts (tenant_id, id)
);
create index rehearsals_of_contact on rehearsals (tenant_id, contact_id);

create table rehearsed_steps (
  tenant_id uuid not null,
  id uuid not null,
  conversation_id uuid not null,
  contact_id uuid not null,
  turn_id uuid not null,
  kind text not null check (kind in ('thought', 'call')),
  sealed bytea not null,
  created_at timestamptz not null,
  primary key (tenant_id, id),
  foreign key (tenant_id, conversation_id) references rehearsals (tenant_id, conversation_id) on delete cascade
);
create index rehearsed_steps_of_conversation on rehearsed_steps (tenant_id, conversation_id, id);

do $$
declare
  owned text;
begin
  foreach owned in array array['rehearsals', 'rehearsed_steps'] loop
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
create policy look_up on rehearsals for select to konstruct_router using (true);

grant select, insert, update on rehearsals to konstruct_app;
grant select, insert, delete on rehearsed_steps to konstruct_app;
grant select (tenant_id, conversation_id, contact_id, created_at) on rehearsals to konstruct_router;
grant select (contact_said_at) on conversations to konstruct_router;
grant select (tenant_id, id, erased_at) on contacts to konstruct_router;

set local check_function_bodies = off;

-- Who has not rehearsed for a while, and is to be forgotten as a contact.
create function rehearsals_to_forget(days integer, at_most integer)
  returns table (tenant_id uuid, contact_id uuid)
  language sql stable security definer set search_path = pg_catalog, pg_temp
  as $$
    select r.tenant_id, r.contact_id
    from public.rehearsals r
    join public.conversations c on c.tenant_id = r.tenant_id and c.id = r.conversation_id
    join public.contacts who on who.tenant_id = r.tenant_id and who.id = r.contact_id and who.erased_at is null
    group by r.tenant_id, r.contact_id
    having max(greatest(r.created_at, c.contact_said_at)) < now() - make_interval(days => days)
    limit at_most
  $$;
revoke all on function rehearsals_to_forget(integer, integer) from public;
grant execute on function rehearsals_to_forget(integer, integer) to konstruct_app;
alter function rehearsals_to_forget(integer, integer) owner to konstruct_router;
