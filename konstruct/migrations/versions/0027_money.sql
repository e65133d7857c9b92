-- What businesses pay for. The deployment's own: no tenant has one. Amounts are in the currency's minor units.
create table plans (
  key text primary key check (key ~ '^[a-z][a-z0-9_-]{0,31}$'),
  position integer not null,
  name text not null,
  content jsonb not null,
  stored_at timestamptz not null default now()
);
grant select, insert, update, delete on plans to konstruct_app;

insert into plans (key, position, name, content) values
  ('free', 1, 'Free', '{"description": "To find out what an AI employee does for you.", "currency": "usd", "prices": {},
    "trial_days": 0, "limits": {"employees": 1, "connections": 1, "messages": 200, "seats": 2, "knowledge_mb": 20,
    "retention_days": 30}, "features": [], "metered": null, "on_request": false}'),
  ('starter', 2, 'Starter', '{"description": "For a small team with one or two channels.", "currency": "usd",
    "prices": {"month": {"lookup_key": "konstruct_starter_month", "amount": 4900},
    "year": {"lookup_key": "konstruct_starter_year", "amount": 49000}}, "trial_days": 14, "limits": {"employees": 3,
    "connections": 3, "messages": 2000, "seats": 5, "knowledge_mb": 200, "retention_days": 365},
    "features": ["whatsapp", "tools"], "metered": null, "on_request": false}'),
  ('pro', 3, 'Pro', '{"description": "For a business that lives by its conversations.", "currency": "usd",
    "prices": {"month": {"lookup_key": "konstruct_pro_month", "amount": 19900},
    "year": {"lookup_key": "konstruct_pro_year", "amount": 199000}}, "trial_days": 14, "limits": {"employees": 20,
    "connections": 20, "messages": 20000, "seats": 25, "knowledge_mb": 2000, "retention_days": null},
    "features": ["whatsapp", "tools", "own_keys", "api", "audit_export"], "metered": null, "on_request": false}'),
  ('enterprise', 4, 'Enterprise', '{"description": "For what does not fit above. Talk to us.", "currency": "usd",
    "prices": {}, "trial_days": 0, "limits": {"employees": null, "connections": null, "messages": null, "seats": null,
    "knowledge_mb": null, "retention_days": null}, "features": ["whatsapp", "tools", "own_keys", "api", "audit_export"],
    "metered": null, "on_request": true}');

-- What a tenant pays for, as Stripe said last. One without a row is not billed, and has no limits.
create table billing_accounts (
  tenant_id uuid not null references tenants (id) on delete cascade,
  plan text not null default 'free',
  overrides jsonb not null default '{}',
  customer_id text unique,
  subscription_id text,
  status text not null default 'none' check (status in ('none', 'trialing', 'active', 'past_due', 'unpaid', 'paused',
    'canceled', 'incomplete', 'incomplete_expired')),
  billed_every text check (billed_every in ('month', 'year')),
  trial_ends_at timestamptz,
  period_start timestamptz,
  period_end timestamptz,
  ends_at timestamptz,
  next_plan text,
  next_plan_at timestamptz,
  past_due_since timestamptz,
  had_trial boolean not null default false,
  detail jsonb not null default '{}',
  checkout_session_id text,
  asked bigint not null default 0,
  applied bigint not null default 0,
  synced_at timestamptz,
  problem text,
  created_at timestamptz not null,
  primary key (tenant_id)
);

-- How many messages of contacts a tenant's employees were asked in a calendar month of its time zone.
create table plan_months (
  tenant_id uuid not null references tenants (id) on delete cascade,
  month date not null,
  messages bigint not null default 0,
  primary key (tenant_id, month)
);

-- What of a budget is spent, and held for calls that are under way. `scope`: `business`, or an employee's id.
create table budget_months (
  tenant_id uuid not null references tenants (id) on delete cascade,
  scope text not null,
  month date not null,
  spent numeric(20, 10) not null default 0,
  held numeric(20, 10) not null default 0 check (held >= 0),
  primary key (tenant_id, scope, month)
);
create table budget_holds (
  tenant_id uuid not null references tenants (id) on delete cascade,
  id uuid not null,
  employee_id uuid not null,
  month date not null,
  amount numeric(20, 10) not null check (amount >= 0),
  created_at timestamptz not null,
  expires_at timestamptz not null,
  primary key (tenant_id, id)
);
create index budget_holds_by_end on budget_holds (tenant_id, expires_at);

-- Of what people were told that it is used up so far: once each. `what`: `budget:` and a scope, or `plan:` and a limit.
create table threshold_alerts (
  tenant_id uuid not null references tenants (id) on delete cascade,
  what text not null,
  month date not null,
  percent integer not null,
  created_at timestamptz not null,
  primary key (tenant_id, what, month, percent)
);

-- Usage that is to be billed by a meter of Stripe's: a row of it is sent under its id, once.
create table metered_usage (
  tenant_id uuid not null references tenants (id) on delete cascade,
  id uuid not null,
  event_name text not null,
  customer_id text not null,
  value bigint not null check (value > 0),
  state text not null default 'waiting' check (state in ('waiting', 'sent', 'refused')),
  problem text,
  used_at timestamptz not null,
  tried_at timestamptz,
  settled_at timestamptz,
  primary key (tenant_id, id)
);
create index metered_usage_waiting on metered_usage (tenant_id, used_at) where state = 'waiting';

-- What models cost, as it was known from then on. The deployment's own.
create table price_maps (
  version text primary key,
  source text not null,
  content jsonb not null,
  stored_at timestamptz not null default now()
);
grant select, insert on price_maps to konstruct_app;

alter table usage add column price_version text, add column is_price_assumed boolean not null default false;

-- Whether the deployment's key is asked where the provider refuses the tenant's own.
alter table model_keys add column falls_back boolean not null default false;

-- What Stripe told of, to be looked at there. Only functions reach it: whose it is, is found by them.
create table stripe_events (
  id text primary key,
  type text not null,
  customer_id text,
  subscription_id text,
  created_at timestamptz not null,
  received_at timestamptz not null default now(),
  handled_at timestamptz,
  outcome text
);
create index stripe_events_open on stripe_events (received_at) where handled_at is null;
create index stripe_events_open_of on stripe_events (customer_id, received_at) where handled_at is null;
grant select, insert, update, delete on stripe_events to konstruct_router;
grant select (tenant_id, customer_id) on billing_accounts to konstruct_router;
grant select (tenant_id, state) on metered_usage to konstruct_router;

do $$
declare
  owned text;
begin
  foreach owned in array array['billing_accounts', 'plan_months', 'budget_months', 'budget_holds', 'threshold_alerts',
    'metered_usage'] loop
    execute format('alter table %I enable row level security', owned);
    execute format('alter table %I force row level security', owned);
    execute format(
      'create policy tenant on %I to konstruct_app using (tenant_id = (select nullif(current_setting(''app.tenant_id'', true), '''')::uuid))'
      ' with check (tenant_id = (select nullif(current_setting(''app.tenant_id'', true), '''')::uuid))', owned);
    execute format(
      'create policy tenant_floor on %I as restrictive to konstruct_app using (tenant_id = (select nullif(current_setting(''app.tenant_id'', true), '''')::uuid))'
      ' with check (tenant_id = (select nullif(current_setting(''app.tenant_id'', true), '''')::uuid))', owned);
    execute format('grant select, insert, update, delete on %I to konstruct_app', owned);
  end loop;
  foreach owned in array array['billing_accounts', 'metered_usage'] loop
    execute format('create policy look_up on %I for select to konstruct_router using (true)', owned);
  end loop;
  -- The deployment's own: every tenant reads them, and no transaction of a tenant's or a person's changes them. Their
  -- owner, which migrations run as, is not held to that.
  foreach owned in array array['plans', 'price_maps'] loop
    execute format('alter table %I enable row level security', owned);
    execute format('create policy known on %I for select to konstruct_app using (true)', owned);
    execute format(
      'create policy nobodys on %I to konstruct_app using (%s) with check (%2$s)', owned,
      '(select nullif(current_setting(''app.tenant_id'', true), '''') is null and nullif(current_setting(''app.user_id'', true), '''') is null)');
  end loop;
end
$$;

alter table stripe_events enable row level security;
alter table stripe_events force row level security;
create policy carry on stripe_events to konstruct_router using (true) with check (true);

set local check_function_bodies = off;

-- Keeps an event once, and tells whose it is: a customer's, or nobody's of ours. `is_new`: it was not here before.
create function take_stripe_event(event text, kind text, customer text, subscription text, happened timestamptz)
  returns table (is_new boolean, tenant_id uuid)
  language plpgsql security definer set search_path = pg_catalog, pg_temp
  as $$
  declare
    inserted integer;
  begin
    insert into public.stripe_events (id, type, customer_id, subscription_id, created_at)
      values (event, kind, customer, subscription, happened) on conflict do nothing;
    get diagnostics inserted = row_count;
    return query select inserted = 1,
      (select a.tenant_id from public.billing_accounts a where a.customer_id = customer);
  end
  $$;

-- Those that nobody has looked at for a while, by whose they are; null: nobody's of ours.
create function open_stripe_events(before timestamptz, at_most integer)
  returns table (tenant_id uuid, ids text[])
  language sql stable security definer set search_path = pg_catalog, pg_temp
  as $$
    select a.tenant_id, array_agg(e.id) from public.stripe_events e
    left join public.billing_accounts a on a.customer_id = e.customer_id
    where e.handled_at is null and e.received_at < before
    group by a.tenant_id order by min(e.received_at) limit at_most
  $$;

create function settle_stripe_events(ids text[], how text)
  returns void
  language sql security definer set search_path = pg_catalog, pg_temp
  as $$
    update public.stripe_events set handled_at = now(), outcome = how where id = any (ids) and handled_at is null
  $$;

-- All that came of the customer of the transaction's tenant by then: whoever began to look at Stripe later saw it.
create function settle_tenants_stripe_events(until timestamptz, how text)
  returns integer
  language sql security definer set search_path = pg_catalog, pg_temp
  as $$
    with settled as (
      update public.stripe_events e set handled_at = now(), outcome = how
      from public.billing_accounts a
      where a.tenant_id = (select nullif(current_setting('app.tenant_id', true), '')::uuid)
        and e.customer_id = a.customer_id and e.received_at <= until and e.handled_at is null
      returning e.id
    )
    select count(*)::integer from settled
  $$;

-- What Stripe tells of comes for some days at most; what was handled long ago says nothing any more.
create function forget_stripe_events()
  returns void
  language sql security definer set search_path = pg_catalog, pg_temp
  as $$ delete from public.stripe_events where handled_at < now() - interval '60 days' $$;

-- Whose subscriptions are to be compared with what Stripe says.
create function tenants_with_customers(after uuid, at_most integer)
  returns table (tenant_id uuid)
  language sql stable security definer set search_path = pg_catalog, pg_temp
  as $$
    select a.tenant_id from public.billing_accounts a
    where a.customer_id is not null and (after is null or a.tenant_id > after) order by a.tenant_id limit at_most
  $$;

create function tenants_to_meter(after uuid, at_most integer)
  returns table (tenant_id uuid)
  language sql stable security definer set search_path = pg_catalog, pg_temp
  as $$
    select distinct m.tenant_id from public.metered_usage m
    where m.state = 'waiting' and (after is null or m.tenant_id > after) order by m.tenant_id limit at_most
  $$;

do $$
declare
  made text;
begin
  foreach made in array array['take_stripe_event(text, text, text, text, timestamptz)',
    'open_stripe_events(timestamptz, integer)', 'settle_stripe_events(text[], text)',
    'settle_tenants_stripe_events(timestamptz, text)', 'forget_stripe_events()',
    'tenants_with_customers(uuid, integer)', 'tenants_to_meter(uuid, integer)'] loop
    execute format('revoke all on function %s from public', made);
    execute format('grant execute on function %s to konstruct_app', made);
    execute format('alter function %s owner to konstruct_router', made);
  end loop;
end
$$;
