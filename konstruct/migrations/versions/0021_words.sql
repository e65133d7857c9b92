-- What contacts are called, as far as their channel says it: sealed under their key, and found by words of it that can
-- be compared and not read.
alter table contacts
  add column sealed_name bytea,
  add column named_at timestamptz,
  add column name_due_at timestamptz;
create index contacts_to_name on contacts (name_due_at) where name_due_at is not null;

create table contact_words (
  tenant_id uuid not null,
  digest bytea not null,
  contact_id uuid not null,
  primary key (tenant_id, digest, contact_id),
  foreign key (tenant_id, contact_id) references contacts (tenant_id, id) on delete cascade
);
create index contact_words_of_contact on contact_words (tenant_id, contact_id);

alter table contact_words enable row level security;
alter table contact_words force row level security;
create policy tenant on contact_words to konstruct_app
  using (tenant_id = (select nullif(current_setting('app.tenant_id', true), '')::uuid))
  with check (tenant_id = (select nullif(current_setting('app.tenant_id', true), '')::uuid));
create policy tenant_floor on contact_words as restrictive to konstruct_app
  using (tenant_id = (select nullif(current_setting('app.tenant_id', true), '')::uuid))
  with check (tenant_id = (select nullif(current_setting('app.tenant_id', true), '')::uuid));
grant select, insert, update, delete on contact_words to konstruct_app;

-- One that was removed can be had back for a while.
alter table canned_replies add column removed_at timestamptz;

-- Whoever wrote by Slack before is asked for, too.
alter table contacts no force row level security;
alter table connections no force row level security;
update contacts c set name_due_at = now()
from connections n
where n.tenant_id = c.tenant_id and n.id = c.connection_id and n.kind = 'slack' and c.erased_at is null;
alter table connections force row level security;
alter table contacts force row level security;

grant select (connection_id, name_due_at) on contacts to konstruct_router;

create function contacts_to_name(at_most integer)
  returns table (tenant_id uuid, connection_id uuid, contact_id uuid)
  language sql stable security definer set search_path = pg_catalog, pg_temp
  as $$
    select c.tenant_id, c.connection_id, c.id from public.contacts c where c.name_due_at <= now()
    order by c.name_due_at limit at_most
  $$;
revoke all on function contacts_to_name(integer) from public;
grant execute on function contacts_to_name(integer) to konstruct_app;
alter function contacts_to_name(integer) owner to konstruct_router;
