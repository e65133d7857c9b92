-- How much waits in all tenants together, and since when the oldest of it does. Nothing of it says whose it is.
set local check_function_bodies = off;

create function open_work()
  returns table (kind text, many bigint, since timestamptz)
  language sql stable security definer set search_path = pg_catalog, pg_temp
  as $$
    select 'messages', count(*), min(m.created_at) from public.messages m where m.state in ('received', 'taken')
    union all
    select 'outbox', count(*), min(m.created_at) from public.messages m where m.state in ('pending', 'sending')
    union all
    select 'quarantined', count(*), min(m.settled_at) from public.messages m where m.state = 'quarantined'
    union all
    select 'handoffs', count(*), min(h.created_at) from public.handoffs h where h.state = 'waiting'
    union all
    select 'approvals', count(*), min(a.created_at) from public.approvals a
    where a.state = 'waiting' and a.reported_at is null
    union all
    select 'webhooks', count(*), min(q.created_at) from public.quarantined_events q
  $$;
revoke all on function open_work() from public;
grant execute on function open_work() to konstruct_app;
alter function open_work() owner to konstruct_router;
