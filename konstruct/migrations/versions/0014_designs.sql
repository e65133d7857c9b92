-- Small, and seen by whoever looks at the portal. A version keeps naming its own, so none is ever changed or removed.
create table employee_pictures (
  tenant_id uuid not null,
  id uuid not null,
  content bytea not null,
  created_at timestamptz not null,
  primary key (tenant_id, id),
  foreign key (tenant_id) references tenants (id) on delete cascade
);

alter table employees add column archived_at timestamptz;

alter table employee_versions
  add column picture uuid,
  add column language text not null default '',
  add column hours jsonb not null default '{}',
  add column away_reply text not null default '',
  add column published_by text not null default '',
  add column note text not null default '',
  add column restored_from integer,
  -- No row has one yet, and under forced row security they could not be looked through.
  add foreign key (tenant_id, picture) references employee_pictures (tenant_id, id) not valid;

-- One for each employee. What was discarded stays until something else is saved, so that it can be taken back.
create table employee_drafts (
  tenant_id uuid not null,
  id uuid not null,
  employee_id uuid not null,
  revision integer not null,
  base_version integer not null,
  content jsonb not null,
  is_open boolean not null,
  saved_by text not null,
  saved_at timestamptz not null,
  primary key (tenant_id, id),
  unique (tenant_id, employee_id),
  foreign key (tenant_id, employee_id) references employees (tenant_id, id) on delete cascade
);

do $$
declare
  owned text;
begin
  foreach owned in array array['employee_pictures', 'employee_drafts']
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
  end loop;
end
$$;

grant select, insert on employee_pictures to konstruct_app;
grant select, insert, update on employee_drafts to konstruct_app;
