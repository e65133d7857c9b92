-- Each time that the database was put back to what it was at an earlier moment. The deployment's own: no tenant has one.
-- `of_moment`: whatever was committed before is in it. Until `fenced_at`, nobody may work on what it says is under way.
create table restorations (
  id uuid primary key,
  of_moment timestamptz not null,
  restored_at timestamptz not null default now(),
  fenced_at timestamptz
);
grant select, insert, update on restorations to konstruct_app;

alter table restorations enable row level security;
create policy known on restorations for select to konstruct_app using (true);
create policy nobodys on restorations to konstruct_app
  using ((select nullif(current_setting('app.tenant_id', true), '') is null and nullif(current_setting('app.user_id', true), '') is null))
  with check ((select nullif(current_setting('app.tenant_id', true), '') is null and nullif(current_setting('app.user_id', true), '') is null));

-- Links that were mailed before, some of which have been used since.
set local check_function_bodies = off;
create function forget_account_links()
  returns void
  language sql security definer set search_path = pg_catalog, pg_temp
  as $$ delete from public.account_tokens $$;
revoke all on function forget_account_links() from public;
grant execute on function forget_account_links() to konstruct_app;
alter function forget_account_links() owner to konstruct_router;
