alter table tenants add column desk jsonb not null default '{}';

alter table conversations
  add column agent text,
  add column handoff_id uuid,
  add column counted_since timestamptz;

-- Written by or to a person who owned the conversation: no turn answers it any more.
alter table messages
  drop constraint messages_state_check,
  add constraint messages_state_check check (state in (
    'received', 'taken', 'answered', 'refused', 'deleted', 'stopped', 'passed',
    'pending', 'sending', 'sent', 'failed', 'discarded'
  )),
  add column signed text,
  add column sealed_files bytea;

alter table usage
  drop constraint usage_purpose_check,
  add constraint usage_purpose_check check (purpose in ('reply', 'summary', 'facts', 'judge', 'packet', 'assist'));

-- One time that people are asked for in a conversation, from the wish to its end.
create table handoffs (
  tenant_id uuid not null,
  id uuid not null,
  conversation_id uuid not null,
  contact_id uuid not null,
  state text not null check (state in ('waiting', 'owned', 'over', 'told')),
  ended_how text check (ended_how in ('resolved', 'handed_back', 'nobody_came', 'told', 'erased')),
  target text,
  priority text not null check (priority in ('low', 'normal', 'high', 'urgent')),
  cause text not null check (cause in ('rule', 'employee', 'agent', 'outside')),
  rule text,
  requested_by text not null,
  sealed_reason bytea not null,
  sealed_packet bytea,
  agent text,
  began_seq bigint not null,
  mirrored_seq bigint not null,
  mirroring_seq bigint,
  shown_state text,
  card_connection_id uuid,
  card_channel text,
  card_external_id text,
  progress jsonb not null,
  created_at timestamptz not null,
  claimed_at timestamptz,
  replied_at timestamptz,
  ended_at timestamptz,
  next_due_at timestamptz,
  attended_at timestamptz,
  swept_at timestamptz,
  primary key (tenant_id, id),
  foreign key (tenant_id, conversation_id) references conversations (tenant_id, id) on delete cascade,
  foreign key (tenant_id, contact_id) references contacts (tenant_id, id)
);
create index handoffs_by_time on handoffs (tenant_id, state, created_at);
create index handoffs_open on handoffs (created_at) where state <> 'over' or next_due_at is not null;
create index handoffs_of_conversation on handoffs (tenant_id, conversation_id);
create index handoffs_by_card on handoffs (tenant_id, card_channel, card_external_id) where card_channel is not null;
create index handoffs_of_contact on handoffs (tenant_id, contact_id);
create unique index handoffs_one_at_a_time on handoffs (tenant_id, conversation_id) where state in ('waiting', 'owned');

-- What agents wrote about a conversation or had written for them. A reply of theirs is a message besides.
create table handoff_entries (
  tenant_id uuid not null,
  id uuid not null,
  handoff_id uuid not null,
  conversation_id uuid not null,
  contact_id uuid not null,
  kind text not null check (kind in ('reply', 'note', 'draft', 'summary')),
  agent text not null,
  source text not null check (source in ('slack', 'api')),
  external_id text not null,
  sealed bytea,
  message_id uuid,
  state text not null check (state in ('kept', 'wanted', 'failed')),
  posting_at timestamptz,
  posted_at timestamptz,
  created_at timestamptz not null,
  primary key (tenant_id, id),
  unique (tenant_id, source, external_id, kind),
  foreign key (tenant_id, handoff_id) references handoffs (tenant_id, id) on delete cascade,
  foreign key (tenant_id, conversation_id) references conversations (tenant_id, id) on delete cascade,
  foreign key (tenant_id, contact_id) references contacts (tenant_id, id)
);
create index handoff_entries_of_handoff on handoff_entries (tenant_id, handoff_id, created_at);
create index handoff_entries_of_contact on handoff_entries (tenant_id, contact_id);
create index handoff_entries_of_message on handoff_entries (tenant_id, message_id) where message_id is not null;

-- What an employee asks one person of the desk; the conversation goes on meanwhile.
create table consults (
  tenant_id uuid not null,
  id uuid not null,
  call_id uuid not null,
  conversation_id uuid not null,
  contact_id uuid not null,
  colleague text not null,
  state text not null check (state in ('waiting', 'answered', 'expired', 'withdrawn')),
  sealed_question bytea not null,
  sealed_answer bytea,
  card_connection_id uuid,
  card_channel text,
  card_external_id text,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  showing_at timestamptz,
  announced_at timestamptz,
  settled_at timestamptz,
  reported_at timestamptz,
  swept_at timestamptz,
  primary key (tenant_id, id),
  unique (tenant_id, call_id),
  foreign key (tenant_id, call_id) references tool_calls (tenant_id, id) on delete cascade,
  foreign key (tenant_id, conversation_id) references conversations (tenant_id, id) on delete cascade,
  foreign key (tenant_id, contact_id) references contacts (tenant_id, id)
);
create index consults_by_time on consults (tenant_id, state, created_at);
create index consults_open on consults (created_at) where reported_at is null;
create index consults_of_conversation on consults (tenant_id, conversation_id);
create index consults_of_contact on consults (tenant_id, contact_id);
create index consults_by_card on consults (tenant_id, card_channel, card_external_id) where card_channel is not null;

-- What was judged of a turn, by a model or by rule: what the conditions of escalation rules count.
create table judgements (
  tenant_id uuid not null,
  turn_id uuid not null,
  conversation_id uuid not null,
  asked_for_human boolean not null,
  has_failed boolean not null,
  mood text not null,
  outside_policy boolean not null,
  topics jsonb not null,
  confidence real,
  created_at timestamptz not null,
  primary key (tenant_id, turn_id),
  foreign key (tenant_id, conversation_id) references conversations (tenant_id, id) on delete cascade
);
create index judgements_of_conversation on judgements (tenant_id, conversation_id, created_at);

do $$
declare
  owned text;
begin
  foreach owned in array array['handoffs', 'handoff_entries', 'consults', 'judgements']
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

grant select, insert, update on handoffs, handoff_entries, consults, judgements to konstruct_app;
grant select (tenant_id, id, state, created_at, attended_at, next_due_at, swept_at) on handoffs to konstruct_router;
grant select (tenant_id, id, created_at, announced_at, settled_at, reported_at, expires_at, swept_at) on consults
  to konstruct_router;
grant select (author) on messages to konstruct_router;

set local check_function_bodies = off;

-- Handoffs whose workflow was not started, died on its way, or did not hear that something has changed.
create function handoffs_unsettled(at_most integer)
  returns table (tenant_id uuid, handoff_id uuid)
  language sql stable security definer set search_path = pg_catalog, pg_temp
  as $$
    select h.tenant_id, h.id from public.handoffs h
    where (h.state <> 'over' or h.next_due_at is not null)
      and (h.swept_at is null or h.swept_at < now() - interval '10 minutes')
      and ((h.state <> 'over' and h.attended_at is null and h.created_at < now() - interval '20 seconds')
        or h.next_due_at < now() - interval '20 seconds')
    order by h.created_at
    limit at_most
  $$;

create function consults_unsettled(at_most integer)
  returns table (tenant_id uuid, consult_id uuid)
  language sql stable security definer set search_path = pg_catalog, pg_temp
  as $$
    select c.tenant_id, c.id from public.consults c
    where c.reported_at is null and (c.swept_at is null or c.swept_at < now() - interval '10 minutes')
      and ((c.announced_at is null and c.created_at < now() - interval '20 seconds')
        or c.settled_at < now() - interval '20 seconds'
        or c.expires_at < now() - interval '20 seconds')
    order by c.created_at
    limit at_most
  $$;

-- What an agent wrote goes out by itself, as a notice does.
drop function unsettled_messages(integer);
create function unsettled_messages(at_most integer)
  returns table (tenant_id uuid, conversation_id uuid, message_id uuid, is_notice boolean)
  language sql stable security definer set search_path = pg_catalog, pg_temp
  as $$
    select m.tenant_id, m.conversation_id, m.id, m.purpose = 'notice' or m.author = 'agent'
    from public.messages m
    where (m.swept_at is null or m.swept_at < now() - interval '10 minutes')
      and ((m.state = 'received' and m.created_at < now() - interval '20 seconds')
        or (m.state = 'pending' and (m.purpose = 'notice' or m.author = 'agent')
          and m.created_at < now() - interval '20 seconds')
        or (m.state = 'taken' and m.created_at < now() - interval '10 minutes'))
    order by m.created_at
    limit at_most
  $$;

do $$
declare
  look_up regprocedure;
begin
  foreach look_up in array array[
    'handoffs_unsettled(integer)', 'consults_unsettled(integer)', 'unsettled_messages(integer)'
  ]::regprocedure[]
  loop
    execute format('revoke all on function %s from public', look_up);
    execute format('grant execute on function %s to konstruct_app', look_up);
    execute format('alter function %s owner to konstruct_router', look_up);
  end loop;
end
$$;
