-- The four roles, and what only a database administrator can make. `konstruct migrate` runs this file with the login
-- of KONSTRUCT_DATABASE_OWNER_URL before the migrations; an administrator may run it by hand instead.
--   konstruct_owner   owns every table; nobody logs in as it
--   konstruct_app     what the product runs as: row security always holds for it
--   konstruct_router  owns the few look-ups that must see across tenants
--   konstruct_auditor owns the functions that write the audit trail, which nobody else may write
do $$
begin
  if not exists (select from pg_roles where rolname = 'konstruct_owner') then
    create role konstruct_owner nologin nosuperuser nobypassrls;
  end if;
  if not exists (select from pg_roles where rolname = 'konstruct_app') then
    create role konstruct_app login nosuperuser nobypassrls noinherit;
  end if;
  if not exists (select from pg_roles where rolname = 'konstruct_router') then
    create role konstruct_router nologin nosuperuser nobypassrls;
  end if;
  if not exists (select from pg_roles where rolname = 'konstruct_auditor') then
    create role konstruct_auditor nologin nosuperuser nobypassrls;
  end if;
  execute format('grant konstruct_owner to %I', current_user);
end
$$;

grant konstruct_router, konstruct_auditor to konstruct_owner;
grant create, usage on schema public to konstruct_owner, konstruct_router, konstruct_auditor;
grant usage on schema public to konstruct_app;

create extension if not exists vector;
