-- When anything was said last: conversations are listed by it.
alter table conversations add column last_message_at timestamptz;
alter table conversations no force row level security;
alter table messages no force row level security;
update conversations c
set last_message_at = coalesce(
  (select max(m.created_at) from messages m where m.tenant_id = c.tenant_id and m.conversation_id = c.id), c.created_at
);
alter table messages force row level security;
alter table conversations force row level security;
alter table conversations alter column last_message_at set not null;
create index conversations_by_time on conversations (tenant_id, last_message_at desc, id desc) where not is_rehearsal;

alter table tenants
  add column budgets jsonb not null default '{}',
  add column satisfaction jsonb not null default '{}';

create table canned_replies (
  tenant_id uuid not null,
  id uuid not null,
  key text not null,
  title text not null,
  body text not null,
  created_by text not null,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  primary key (tenant_id, id),
  unique (tenant_id, key),
  foreign key (tenant_id) references tenants (id) on delete cascade
);

create table ratings (
  tenant_id uuid not null,
  id uuid not null,
  conversation_id uuid not null,
  contact_id uuid not null,
  employee_id uuid not null,
  agent text,
  message_id uuid,
  asked_at timestamptz not null,
  score smallint check (score between 1 and 5),
  answered_at timestamptz,
  primary key (tenant_id, id),
  foreign key (tenant_id, conversation_id) references conversations (tenant_id, id) on delete cascade,
  foreign key (tenant_id, contact_id) references contacts (tenant_id, id),
  foreign key (tenant_id, employee_id) references employees (tenant_id, id)
);
create index ratings_by_time on ratings (tenant_id, asked_at);
create index ratings_of_conversation on ratings (tenant_id, conversation_id);
create index ratings_of_contact on ratings (tenant_id, contact_id, asked_at);

do $$
declare
  owned text;
begin
  foreach owned in array array['canned_replies', 'ratings']
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
