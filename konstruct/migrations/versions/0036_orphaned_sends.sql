grant select (sending_at) on messages to konstruct_router;
drop index messages_unsettled;
create index messages_unsettled on messages (created_at) where state in ('received', 'taken', 'pending', 'sending');

set local check_function_bodies = off;

-- What is being sent is followed by whoever sends it, unless the very workflow was lost. It is looked for in the channel
-- before anything else is done about it, and what it answers is thought of again only when that is known.
create or replace function unsettled_messages(at_most integer)
  returns table (tenant_id uuid, conversation_id uuid, message_id uuid, is_notice boolean)
  language sql stable security definer set search_path = pg_catalog, pg_temp
  as $$
    select m.tenant_id, m.conversation_id, m.id, m.state in ('pending', 'sending')
    from public.messages m
    where (m.swept_at is null or m.swept_at < now() - interval '10 minutes')
      and ((m.state = 'received' and m.created_at < now() - interval '20 seconds')
        or (m.state = 'pending' and (m.purpose = 'notice' or m.author = 'agent' or m.turn_id is null)
          and m.created_at < now() - interval '20 seconds')
        or (m.state = 'sending' and m.sending_at < now() - interval '5 minutes')
        or (m.state = 'taken' and m.created_at < now() - interval '10 minutes'
          and not exists (
            select from public.messages s
            where s.tenant_id = m.tenant_id and s.turn_id = m.turn_id and s.state = 'sending'
          )))
    order by m.created_at
    limit at_most
  $$;
