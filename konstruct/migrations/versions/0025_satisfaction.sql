-- Whose contacts are asked how they were helped. As with the other look-ups across tenants, ids alone are given out.
grant select (satisfaction) on tenants to konstruct_router;

set local check_function_bodies = off;

create function tenants_that_ask(after uuid, at_most integer)
  returns table (tenant_id uuid)
  language sql stable security definer set search_path = pg_catalog, pg_temp
  as $$
    select t.id from public.tenants t
    where t.satisfaction ->> 'enabled' = 'true' and t.deleted_at is null and (after is null or t.id > after)
    order by t.id limit at_most
  $$;
revoke all on function tenants_that_ask(uuid, integer) from public;
grant execute on function tenants_that_ask(uuid, integer) to konstruct_app;
alter function tenants_that_ask(uuid, integer) owner to konstruct_router;

-- A question is asked once, whoever tries.
create unique index ratings_of_message on ratings (tenant_id, message_id) where message_id is not null;
