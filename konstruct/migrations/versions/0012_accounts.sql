-- A person who signs in, whose e-mail address was shown to be theirs. Without a password they come in another way.
create table users (
  id uuid primary key,
  email text not null unique check (email = lower(email)),
  name text not null,
  password_hash text,
  time_zone text not null,
  language text not null,
  verified_at timestamptz not null,
  created_at timestamptz not null
);

create table user_sessions (
  user_id uuid not null references users (id) on delete cascade,
  id uuid not null,
  digest bytea not null unique,
  factor text not null,
  agent text not null,
  address text not null,
  created_at timestamptz not null,
  last_seen_at timestamptz not null,
  authenticated_at timestamptz not null,
  primary key (user_id, id)
);

-- Browsers that somebody has signed in with before: guesses made elsewhere do not slow these down.
create table user_devices (
  user_id uuid not null references users (id) on delete cascade,
  id uuid not null,
  digest bytea not null,
  used_at timestamptz not null,
  primary key (user_id, id),
  unique (user_id, digest)
);

-- Links that were mailed. Who signs up has no row in users before the link is followed, only an id.
create table account_tokens (
  user_id uuid not null,
  id uuid not null,
  purpose text not null check (purpose in ('sign_up', 'reset', 'email')),
  digest bytea not null unique,
  content jsonb not null,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  primary key (user_id, id)
);

create table memberships (
  tenant_id uuid not null references tenants (id) on delete cascade,
  user_id uuid not null references users (id) on delete cascade,
  role text not null check (role in ('owner', 'admin', 'agent', 'viewer')),
  created_at timestamptz not null,
  primary key (tenant_id, user_id)
);
create index memberships_of_user on memberships (user_id);

create table invitations (
  tenant_id uuid not null references tenants (id) on delete cascade,
  id uuid not null,
  email text not null check (email = lower(email)),
  role text not null check (role in ('owner', 'admin', 'agent', 'viewer')),
  digest bytea not null unique,
  invited_by uuid references users (id) on delete set null,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  primary key (tenant_id, id),
  unique (tenant_id, email)
);

-- Mails on their way, sealed with the deployment's key. They are of nobody: who they are to may have no account.
create table mails (
  id uuid primary key,
  sealed text not null,
  due_at timestamptz not null,
  attempts integer not null,
  created_at timestamptz not null
);
create index mails_due on mails (due_at);

do $$
declare
  owned text;
  whose text;
  setting text;
begin
  foreach owned in array array['users', 'user_sessions', 'user_devices', 'account_tokens', 'memberships', 'invitations']
  loop
    whose := case owned when 'users' then 'id' when 'memberships' then 'tenant_id' when 'invitations' then 'tenant_id'
      else 'user_id' end;
    setting := case whose when 'tenant_id' then 'app.tenant_id' else 'app.user_id' end;
    execute format('alter table %I enable row level security', owned);
    execute format('alter table %I force row level security', owned);
    execute format(
      'create policy %4$I on %1$I to konstruct_app using (%2$I = (select nullif(current_setting(%3$L, true), '''')::uuid))'
      ' with check (%2$I = (select nullif(current_setting(%3$L, true), '''')::uuid))',
      owned, whose, setting, case whose when 'tenant_id' then 'tenant' else 'person' end);
    execute format(
      'create policy %4$I on %1$I as restrictive to konstruct_app using (%2$I = (select nullif(current_setting(%3$L, true), '''')::uuid))'
      ' with check (%2$I = (select nullif(current_setting(%3$L, true), '''')::uuid))',
      owned, whose, setting, case whose when 'tenant_id' then 'tenant_floor' else 'person_floor' end);
    execute format('create policy look_up on %I for select to konstruct_router using (true)', owned);
  end loop;
end
$$;
create policy forget on account_tokens for delete to konstruct_router using (true);
create policy forget on user_sessions for delete to konstruct_router using (true);

alter table mails enable row level security;
alter table mails force row level security;
create policy arrive on mails for insert to konstruct_app with check (true);
create policy carry on mails to konstruct_router using (true) with check (true);

grant select, insert, update, delete
  on users, user_sessions, user_devices, account_tokens, memberships, invitations to konstruct_app;
grant insert on mails to konstruct_app;

grant select (id, email, name) on users to konstruct_router;
grant select (user_id, id, digest, created_at, last_seen_at), delete on user_sessions to konstruct_router;
grant select (user_id, id, digest, expires_at), delete on account_tokens to konstruct_router;
grant select (tenant_id, user_id, role, created_at) on memberships to konstruct_router;
grant select (tenant_id, id, digest, expires_at) on invitations to konstruct_router;
grant select (name) on tenants to konstruct_router;
grant select, update, delete on mails to konstruct_router;

set local check_function_bodies = off;

create function find_user(of_email text)
  returns uuid
  language sql stable security definer set search_path = pg_catalog, pg_temp
  as $$ select u.id from public.users u where u.email = of_email $$;

create function find_user_session(of_digest bytea)
  returns table (user_id uuid, session_id uuid)
  language sql stable security definer set search_path = pg_catalog, pg_temp
  as $$ select s.user_id, s.id from public.user_sessions s where s.digest = of_digest $$;

create function find_account_token(of_digest bytea)
  returns table (user_id uuid, token_id uuid)
  language sql stable security definer set search_path = pg_catalog, pg_temp
  as $$ select t.user_id, t.id from public.account_tokens t where t.digest = of_digest and t.expires_at > now() $$;

create function find_invitation(of_digest bytea)
  returns table (tenant_id uuid, invitation_id uuid)
  language sql stable security definer set search_path = pg_catalog, pg_temp
  as $$ select i.tenant_id, i.id from public.invitations i where i.digest = of_digest and i.expires_at > now() $$;

-- Whose they are is not asked: they are of the person, or the tenant, whom the transaction is of.
create function my_memberships()
  returns table (tenant_id uuid, slug text, name text, role text)
  language sql stable security definer set search_path = pg_catalog, pg_temp
  as $$
    select t.id, t.slug, t.name, m.role
    from public.memberships m join public.tenants t on t.id = m.tenant_id
    where m.user_id = nullif(current_setting('app.user_id', true), '')::uuid
    order by m.created_at, t.slug
  $$;

create function tenant_members()
  returns table (user_id uuid, email text, name text, role text, created_at timestamptz)
  language sql stable security definer set search_path = pg_catalog, pg_temp
  as $$
    select u.id, u.email, u.name, m.role, m.created_at
    from public.memberships m join public.users u on u.id = m.user_id
    where m.tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid
    order by m.created_at, u.email
  $$;

-- Each is lent out for a while that grows, so that a mail whose sender was killed is taken up by the next.
create function take_mails(at_most integer)
  returns table (id uuid, sealed text, attempts integer)
  language sql security definer set search_path = pg_catalog, pg_temp
  as $$
    update public.mails m
    set attempts = m.attempts + 1, due_at = now() + interval '30 seconds' * power(2, least(m.attempts, 10))
    where m.id in (
      select d.id from public.mails d where d.due_at <= now() order by d.due_at limit at_most for update skip locked
    )
    returning m.id, m.sealed, m.attempts
  $$;

create function kept_mails(at_most integer)
  returns table (id uuid, sealed text, created_at timestamptz)
  language sql stable security definer set search_path = pg_catalog, pg_temp
  as $$ select m.id, m.sealed, m.created_at from public.mails m order by m.created_at desc limit at_most $$;

create function forget_mail(of_id uuid)
  returns void
  language sql security definer set search_path = pg_catalog, pg_temp
  as $$ delete from public.mails m where m.id = of_id $$;

create function forget_expired_accounts(idle interval, absolute interval, unsent interval)
  returns void
  language sql security definer set search_path = pg_catalog, pg_temp
  as $$
    delete from public.account_tokens t where t.expires_at < now();
    delete from public.user_sessions s where s.last_seen_at < now() - idle or s.created_at < now() - absolute;
    delete from public.mails m where m.created_at < now() - unsent
  $$;

do $$
declare
  look_up regprocedure;
begin
  foreach look_up in array array[
    'find_user(text)', 'find_user_session(bytea)', 'find_account_token(bytea)', 'find_invitation(bytea)',
    'my_memberships()', 'tenant_members()', 'take_mails(integer)', 'kept_mails(integer)', 'forget_mail(uuid)',
    'forget_expired_accounts(interval, interval, interval)'
  ]::regprocedure[]
  loop
    execute format('revoke all on function %s from public', look_up);
    execute format('grant execute on function %s to konstruct_app', look_up);
    execute format('alter function %s owner to konstruct_router', look_up);
  end loop;
end
$$;
