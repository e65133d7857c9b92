-- `used`: how much it was when people were told last, of how much; by it the same is known from what is crossed anew.
-- `seen_by`: members who have looked since. `mailed_at`: when mails were put down for owners and admins.
alter table threshold_alerts
  add column used numeric(20, 10) not null default 0,
  add column most numeric(20, 10) not null default 0,
  add column seen_by uuid[] not null default '{}',
  add column mailed_at timestamptz;
create index threshold_alerts_to_mail on threshold_alerts (tenant_id) where mailed_at is null;

grant select (tenant_id, mailed_at) on threshold_alerts to konstruct_router;
create policy router on threshold_alerts for select to konstruct_router using (true);

set local check_function_bodies = off;

create function tenants_to_alert(after uuid, at_most integer)
  returns table (tenant_id uuid)
  language sql stable security definer set search_path = pg_catalog, pg_temp
  as $$
    select distinct a.tenant_id from public.threshold_alerts a
    where a.mailed_at is null and (after is null or a.tenant_id > after) order by a.tenant_id limit at_most
  $$;
revoke all on function tenants_to_alert(uuid, integer) from public;
grant execute on function tenants_to_alert(uuid, integer) to konstruct_app;
alter function tenants_to_alert(uuid, integer) owner to konstruct_router;

-- Reports are added up from the index alone, so what they say of prices has to be in it.
drop index usage_by_time;
create index usage_by_time on usage (tenant_id, created_at)
  include (conversation_id, employee_id, provider, model, purpose, key_of, is_rehearsal, outcome,
           input_tokens, output_tokens, cached_tokens, cost, price_version, is_price_assumed);
