-- `previous`: what was in the place of `wrapped` before, and still opens what somebody has read a moment ago.
-- `digesting`: the key of digests where that is not `wrapped`; it stays, since what is looked up by them cannot be
-- digested anew. `newest`: which of the deployment's keys was the newest when `wrapped` was made. Until `is_resealed`,
-- some of the tenant's secrets may be under `previous`.
alter table tenant_keys add column previous text, add column digesting text, add column newest text,
  add column is_resealed boolean not null default true;
grant select (tenant_id) on tenant_keys to konstruct_router;
grant update (wrapped) on contact_keys to konstruct_app;
grant update (sealed) on ceremonies to konstruct_router;

set local check_function_bodies = off;

create function tenants_with_keys(after uuid, at_most integer)
  returns table (tenant_id uuid)
  language sql stable security definer set search_path = pg_catalog, pg_temp
  as $$
    select k.tenant_id from public.tenant_keys k where k.tenant_id > after order by k.tenant_id limit at_most
  $$;

create function people_with_authenticators(after uuid, at_most integer)
  returns table (user_id uuid)
  language sql stable security definer set search_path = pg_catalog, pg_temp
  as $$
    select a.user_id from public.authenticators a where a.user_id > after order by a.user_id limit at_most
  $$;

-- What is of nobody, and sealed: mails on their way, and what somebody is in the middle of proving.
create function sealed_mails(after uuid, at_most integer)
  returns table (id uuid, sealed text)
  language sql stable security definer set search_path = pg_catalog, pg_temp
  as $$ select m.id, m.sealed from public.mails m where m.id > after order by m.id limit at_most $$;

create function reseal_mail(of_id uuid, before text, fresh text)
  returns void
  language sql security definer set search_path = pg_catalog, pg_temp
  as $$ update public.mails m set sealed = fresh where m.id = of_id and m.sealed = before $$;

create function sealed_ceremonies(after bytea, at_most integer)
  returns table (digest bytea, sealed text)
  language sql stable security definer set search_path = pg_catalog, pg_temp
  as $$
    select c.digest, c.sealed from public.ceremonies c
    where c.digest > after and c.expires_at > now() order by c.digest limit at_most
  $$;

create function reseal_ceremony(of_digest bytea, before text, fresh text)
  returns void
  language sql security definer set search_path = pg_catalog, pg_temp
  as $$ update public.ceremonies c set sealed = fresh where c.digest = of_digest and c.sealed = before $$;

do $$
declare
  made text;
begin
  foreach made in array array['tenants_with_keys(uuid, integer)', 'people_with_authenticators(uuid, integer)',
    'sealed_mails(uuid, integer)', 'reseal_mail(uuid, text, text)', 'sealed_ceremonies(bytea, integer)',
    'reseal_ceremony(bytea, text, text)'] loop
    execute format('revoke all on function %s from public', made);
    execute format('grant execute on function %s to konstruct_app', made);
    execute format('alter function %s owner to konstruct_router', made);
  end loop;
end
$$;
