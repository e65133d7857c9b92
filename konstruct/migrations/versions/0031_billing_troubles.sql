-- Of payments, how much needs a look: events nobody looked at by `before`, use that was refused since `since`, and tenants
-- of whom the last look at Stripe found nothing that can be used.
create index metered_usage_refused on metered_usage (settled_at) where state = 'refused';
grant select (settled_at) on metered_usage to konstruct_router;
grant select (problem) on billing_accounts to konstruct_router;

set local check_function_bodies = off;

create function billing_troubles(before timestamptz, since timestamptz)
  returns table (open_events bigint, refused_usage bigint, unclear bigint)
  language sql stable security definer set search_path = pg_catalog, pg_temp
  as $$
    select
      (select count(*) from public.stripe_events e where e.handled_at is null and e.received_at < before),
      (select count(*) from public.metered_usage m where m.state = 'refused' and m.settled_at > since),
      (select count(*) from public.billing_accounts a where a.problem is not null)
  $$;
revoke all on function billing_troubles(timestamptz, timestamptz) from public;
grant execute on function billing_troubles(timestamptz, timestamptz) to konstruct_app;
alter function billing_troubles(timestamptz, timestamptz) owner to konstruct_router;
