-- Up to where somebody of the team has seen a conversation.
create table inbox_marks (
  tenant_id uuid not null,
  user_id uuid not null,
  conversation_id uuid not null,
  seen_seq bigint not null,
  seen_at timestamptz not null,
  primary key (tenant_id, user_id, conversation_id),
  foreign key (tenant_id, user_id) references memberships (tenant_id, user_id) on delete cascade,
  foreign key (tenant_id, conversation_id) references conversations (tenant_id, id) on delete cascade
);
create index inbox_marks_of_conversation on inbox_marks (tenant_id, conversation_id);

alter table inbox_marks enable row level security;
alter table inbox_marks force row level security;
create policy tenant on inbox_marks to konstruct_app
  using (tenant_id = (select nullif(current_setting('app.tenant_id', true), '')::uuid))
  with check (tenant_id = (select nullif(current_setting('app.tenant_id', true), '')::uuid));
create policy tenant_floor on inbox_marks as restrictive to konstruct_app
  using (tenant_id = (select nullif(current_setting('app.tenant_id', true), '')::uuid))
  with check (tenant_id = (select nullif(current_setting('app.tenant_id', true), '')::uuid));
grant select, insert, update, delete on inbox_marks to konstruct_app;

-- Those that were over last come first.
create index handoffs_by_end on handoffs (tenant_id, ended_at desc, id desc) where state = 'over';
