alter table connections
  drop constraint connections_kind_check,
  add constraint connections_kind_check check (kind in ('slack', 'console', 'whatsapp')),
  drop constraint connections_status_check,
  add constraint connections_status_check check (status in ('active', 'revoked', 'uninstalled', 'restricted'));

-- What a channel calls a contact, each name hashed under a key of the tenant's, and sealed under the contact's own.
create table contact_aliases (
  tenant_id uuid not null,
  id uuid not null,
  connection_id uuid not null,
  contact_id uuid not null,
  digest bytea not null,
  sealed bytea not null,
  is_lasting boolean not null,
  created_at timestamptz not null,
  primary key (tenant_id, id),
  unique (tenant_id, connection_id, digest),
  foreign key (tenant_id, connection_id) references connections (tenant_id, id) on delete cascade,
  foreign key (tenant_id, contact_id) references contacts (tenant_id, id) on delete cascade
);
create index contact_aliases_of_contact on contact_aliases (tenant_id, contact_id);

-- When the contact last wrote, by the channel's time; and when a template last asked them to write again.
alter table conversations
  add column contact_said_at timestamptz,
  add column reengaged_at timestamptz;

-- Waiting: it is to be said once the contact may be written to again.
alter table messages
  add column delivered_at timestamptz,
  add column read_at timestamptz,
  drop constraint messages_state_check,
  add constraint messages_state_check check (state in (
    'received', 'taken', 'answered', 'refused', 'deleted', 'stopped', 'passed',
    'pending', 'sending', 'streaming', 'waiting', 'sent', 'failed', 'discarded'
  ));
create index messages_waiting on messages (tenant_id, conversation_id) where state = 'waiting';

alter table contact_aliases enable row level security;
alter table contact_aliases force row level security;
create policy tenant on contact_aliases to konstruct_app
  using (tenant_id = (select nullif(current_setting('app.tenant_id', true), '')::uuid))
  with check (tenant_id = (select nullif(current_setting('app.tenant_id', true), '')::uuid));
create policy tenant_floor on contact_aliases as restrictive to konstruct_app
  using (tenant_id = (select nullif(current_setting('app.tenant_id', true), '')::uuid))
  with check (tenant_id = (select nullif(current_setting('app.tenant_id', true), '')::uuid));
create policy look_up on contact_aliases for select to konstruct_router using (true);
grant select, insert, update, delete on contact_aliases to konstruct_app;

grant select (turn_id) on messages to konstruct_router;

set local check_function_bodies = off;

-- What waited until the contact wrote again is of no turn any more, and goes out by itself, as a notice does.
drop function unsettled_messages(integer);
create function unsettled_messages(at_most integer)
  returns table (tenant_id uuid, conversation_id uuid, message_id uuid, is_notice boolean)
  language sql stable security definer set search_path = pg_catalog, pg_temp
  as $$
    select m.tenant_id, m.conversation_id, m.id, m.state = 'pending'
    from public.messages m
    where (m.swept_at is null or m.swept_at < now() - interval '10 minutes')
      and ((m.state = 'received' and m.created_at < now() - interval '20 seconds')
        or (m.state = 'pending' and (m.purpose = 'notice' or m.author = 'agent' or m.turn_id is null)
          and m.created_at < now() - interval '20 seconds')
        or (m.state = 'taken' and m.created_at < now() - interval '10 minutes'))
    order by m.created_at
    limit at_most
  $$;

-- The numbers of one business account, of which Meta tells as a whole.
grant select (external) on connections to konstruct_router;
create function connections_of_business(of_kind text, of_business text)
  returns table (tenant_id uuid, connection_id uuid)
  language sql stable security definer set search_path = pg_catalog, pg_temp
  as $$
    select c.tenant_id, c.id from public.connections c
    where c.kind = of_kind and c.external ->> 'waba_id' = of_business
  $$;

do $$
declare
  look_up regprocedure;
begin
  foreach look_up in array array[
    'unsettled_messages(integer)', 'connections_of_business(text, text)'
  ]::regprocedure[]
  loop
    execute format('revoke all on function %s from public', look_up);
    execute format('grant execute on function %s to konstruct_app', look_up);
    execute format('alter function %s owner to konstruct_router', look_up);
  end loop;
end
$$;
