-- What people have besides a password, and what they are in the middle of proving.

create table authenticators (
  user_id uuid primary key references users (id) on delete cascade,
  sealed text not null,
  confirmed_at timestamptz,
  last_step bigint not null,
  created_at timestamptz not null
);

create table recovery_codes (
  user_id uuid not null references users (id) on delete cascade,
  id uuid not null,
  digest bytea not null,
  used_at timestamptz,
  created_at timestamptz not null,
  primary key (user_id, id),
  unique (user_id, digest)
);

create table passkeys (
  user_id uuid not null references users (id) on delete cascade,
  id uuid not null,
  credential_id bytea not null unique,
  public_key bytea not null,
  sign_count bigint not null,
  name text not null,
  transports jsonb not null,
  is_synced boolean not null,
  created_at timestamptz not null,
  used_at timestamptz,
  primary key (user_id, id)
);

create table linked_accounts (
  user_id uuid not null references users (id) on delete cascade,
  id uuid not null,
  provider text not null,
  issuer text not null,
  subject text not null,
  email text,
  created_at timestamptz not null,
  used_at timestamptz,
  primary key (user_id, id),
  unique (issuer, subject)
);

-- A challenge that somebody has been set, found by what only that browser holds. It is begun before anybody knows who
-- it is, so it is nobody's: the product reaches it through the functions below alone.
create table ceremonies (
  digest bytea primary key,
  kind text not null,
  sealed text not null,
  expires_at timestamptz not null
);
create index ceremonies_expired on ceremonies (expires_at);

do $$
declare
  owned text;
begin
  foreach owned in array array['authenticators', 'recovery_codes', 'passkeys', 'linked_accounts'] loop
    execute format('alter table %I enable row level security', owned);
    execute format('alter table %I force row level security', owned);
    execute format(
      'create policy person on %I to konstruct_app using (user_id = (select nullif(current_setting(''app.user_id'', true), '''')::uuid))'
      ' with check (user_id = (select nullif(current_setting(''app.user_id'', true), '''')::uuid))', owned);
    execute format(
      'create policy person_floor on %I as restrictive to konstruct_app using (user_id = (select nullif(current_setting(''app.user_id'', true), '''')::uuid))'
      ' with check (user_id = (select nullif(current_setting(''app.user_id'', true), '''')::uuid))', owned);
    execute format('create policy look_up on %I for select to konstruct_router using (true)', owned);
  end loop;
end
$$;
alter table ceremonies enable row level security;
alter table ceremonies force row level security;
create policy ceremony on ceremonies to konstruct_router using (true) with check (true);

grant select, insert, update, delete on authenticators, recovery_codes, passkeys, linked_accounts to konstruct_app;
grant select (user_id, confirmed_at) on authenticators to konstruct_router;
grant select (user_id, id, credential_id) on passkeys to konstruct_router;
grant select (user_id, id, issuer, subject) on linked_accounts to konstruct_router;
grant select, insert, delete on ceremonies to konstruct_router;

alter table api_keys add column last_used_at timestamptz;
grant select (last_used_at) on api_keys to konstruct_router;

alter table tenants add column requires_second_factor boolean not null default false;
grant select (requires_second_factor) on tenants to konstruct_router;

set local check_function_bodies = off;

create function begin_ceremony(of_digest bytea, of_kind text, of_sealed text, until timestamptz)
  returns void
  language sql volatile security definer set search_path = pg_catalog, pg_temp
  as $$
    delete from public.ceremonies c where c.digest in (
      select e.digest from public.ceremonies e where e.expires_at < now() limit 100);
    insert into public.ceremonies (digest, kind, sealed, expires_at) values (of_digest, of_kind, of_sealed, until);
  $$;

create function look_at_ceremony(of_digest bytea, of_kind text)
  returns text
  language sql stable security definer set search_path = pg_catalog, pg_temp
  as $$
    select c.sealed from public.ceremonies c
    where c.digest = of_digest and c.kind = of_kind and c.expires_at > now()
  $$;

-- Whoever deletes it has it: of two that come at once, one.
create function take_ceremony(of_digest bytea, of_kind text)
  returns text
  language sql volatile security definer set search_path = pg_catalog, pg_temp
  as $$
    delete from public.ceremonies c
    where c.digest = of_digest and c.kind = of_kind and c.expires_at > now()
    returning c.sealed
  $$;

create function find_passkey(of_credential bytea)
  returns table (user_id uuid, passkey_id uuid)
  language sql stable security definer set search_path = pg_catalog, pg_temp
  as $$
    select p.user_id, p.id from public.passkeys p where p.credential_id = of_credential
  $$;

create function find_linked_account(of_issuer text, of_subject text)
  returns table (user_id uuid, account_id uuid)
  language sql stable security definer set search_path = pg_catalog, pg_temp
  as $$
    select a.user_id, a.id from public.linked_accounts a where a.issuer = of_issuer and a.subject = of_subject
  $$;

-- Whose they are is not asked: they are of the tenant whom the transaction is of.
create function members_with_second_factor()
  returns setof uuid
  language sql stable security definer set search_path = pg_catalog, pg_temp
  as $$
    select m.user_id from public.memberships m
    where m.tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid
      and (exists (select from public.authenticators a where a.user_id = m.user_id and a.confirmed_at is not null)
        or exists (select from public.passkeys p where p.user_id = m.user_id))
  $$;

drop function my_memberships();
create function my_memberships()
  returns table (tenant_id uuid, slug text, name text, role text, requires_second_factor boolean)
  language sql stable security definer set search_path = pg_catalog, pg_temp
  as $$
    select t.id, t.slug, t.name, m.role, t.requires_second_factor
    from public.memberships m join public.tenants t on t.id = m.tenant_id
    where m.user_id = nullif(current_setting('app.user_id', true), '')::uuid
    order by m.created_at, t.slug
  $$;

drop function find_api_key(bytea);
create function find_api_key(of_digest bytea)
  returns table (tenant_id uuid, key_id uuid, scopes jsonb, last_used_at timestamptz)
  language sql stable security definer set search_path = pg_catalog, pg_temp
  as $$
    select k.tenant_id, k.id, k.scopes, k.last_used_at
    from public.api_keys k where k.digest = of_digest and k.revoked_at is null
  $$;

do $$
declare
  look_up regprocedure;
begin
  foreach look_up in array array[
    'begin_ceremony(bytea, text, text, timestamptz)', 'look_at_ceremony(bytea, text)', 'take_ceremony(bytea, text)',
    'find_passkey(bytea)', 'find_linked_account(text, text)', 'members_with_second_factor()', 'my_memberships()', 'find_api_key(bytea)'
  ]::regprocedure[]
  loop
    execute format('revoke all on function %s from public', look_up);
    execute format('grant execute on function %s to konstruct_app', look_up);
    execute format('alter function %s owner to konstruct_router', look_up);
  end loop;
end
$$;
