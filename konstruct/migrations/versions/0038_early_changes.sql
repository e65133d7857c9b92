-- By the channel's clock: an edit that is older than the wording that is kept is passed over.
alter table messages add column edited_at timestamptz;

-- What a contact made of a message before it came: another wording, under the contact's key; or nothing, where they took
-- it back. Which message it is can be compared and not read.
create table early_changes (
  tenant_id uuid not null,
  id uuid not null,
  connection_id uuid not null,
  erased_id text not null,
  contact_id uuid,
  sealed bytea,
  edited_at timestamptz,
  created_at timestamptz not null,
  primary key (tenant_id, id),
  unique (tenant_id, connection_id, erased_id),
  foreign key (tenant_id, connection_id) references connections (tenant_id, id) on delete cascade,
  foreign key (tenant_id, contact_id) references contacts (tenant_id, id) on delete cascade,
  check ((sealed is null) = (contact_id is null) and (sealed is null) = (edited_at is null))
);
create index early_changes_of_contact on early_changes (tenant_id, contact_id) where contact_id is not null;
create index early_changes_by_time on early_changes (created_at);

alter table early_changes enable row level security;
alter table early_changes force row level security;
create policy tenant on early_changes to konstruct_app
  using (tenant_id = (select nullif(current_setting('app.tenant_id', true), '')::uuid))
  with check (tenant_id = (select nullif(current_setting('app.tenant_id', true), '')::uuid));
create policy tenant_floor on early_changes as restrictive to konstruct_app
  using (tenant_id = (select nullif(current_setting('app.tenant_id', true), '')::uuid))
  with check (tenant_id = (select nullif(current_setting('app.tenant_id', true), '')::uuid));
create policy look_up on early_changes for select to konstruct_router using (true);

grant select, insert, update, delete on early_changes to konstruct_app;
grant select (tenant_id, created_at) on early_changes to konstruct_router;

set local check_function_bodies = off;

create function tenants_with_early_changes(before timestamptz, at_most integer)
  returns table (tenant_id uuid)
  language sql stable security definer set search_path = pg_catalog, pg_temp
  as $$
    select c.tenant_id from public.early_changes c where c.created_at < before
    group by c.tenant_id order by min(c.created_at) limit at_most
  $$;
revoke all on function tenants_with_early_changes(timestamptz, integer) from public;
grant execute on function tenants_with_early_changes(timestamptz, integer) to konstruct_app;
alter function tenants_with_early_changes(timestamptz, integer) owner to konstruct_router;
