-- What reports add up is read from these alone, without the rows: the ledger by time, and who asked and who answered.
create index usage_by_time on usage (tenant_id, created_at)
  include (conversation_id, employee_id, provider, model, purpose, key_of, is_rehearsal, outcome,
           input_tokens, output_tokens, cached_tokens, cost);
drop index usage_by_day;

create index messages_asked on messages (tenant_id, created_at) include (conversation_id, seq)
  where author = 'contact' and state not in ('refused', 'stopped');
create index messages_replied on messages (tenant_id, created_at) include (conversation_id, seq, settled_at, author)
  where direction = 'outbound' and purpose = 'reply' and state = 'sent' and author in ('employee', 'agent');
create index conversations_places on conversations (tenant_id, id) include (connection_id, employee_id, is_rehearsal);

-- `claimed_at` moves when a hand-off is passed on; for how long the contact waited, the first time counts.
alter table handoffs add column first_claimed_at timestamptz;
alter table handoffs no force row level security;
update handoffs set first_claimed_at = claimed_at where claimed_at is not null;
alter table handoffs force row level security;
