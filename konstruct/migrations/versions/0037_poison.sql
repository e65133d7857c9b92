-- `tries`: attempts at a message, at a conversation's memory or at a handoff that began, and ended without a word, as with
-- the process that made them.
alter table messages
  add column tries smallint not null default 0,
  drop constraint messages_state_check,
  add constraint messages_state_check check (state in (
    'received', 'taken', 'answered', 'refused', 'deleted', 'stopped', 'passed', 'quarantined',
    'pending', 'sending', 'streaming', 'waiting', 'sent', 'failed', 'discarded'
  ));
alter table conversations add column memory_tries smallint not null default 0;
alter table handoffs add column tries smallint not null default 0;
create index messages_quarantined on messages (tenant_id, conversation_id) where state = 'quarantined';

grant select (settled_at) on messages to konstruct_router;

set local check_function_bodies = off;

create function quarantined_messages()
  returns table (tenant text, many bigint, since timestamptz)
  language sql stable security definer set search_path = pg_catalog, pg_temp
  as $$
    select t.slug, count(*), min(m.settled_at)
    from public.messages m join public.tenants t on t.id = m.tenant_id
    where m.state = 'quarantined'
    group by t.slug order by t.slug
  $$;
revoke all on function quarantined_messages() from public;
grant execute on function quarantined_messages() to konstruct_app;
alter function quarantined_messages() owner to konstruct_router;
