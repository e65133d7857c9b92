#!/bin/sh
# Makes the product's database and a login for each who needs one, with no more than they need (decision 5):
#   konstruct_app       gateway, portal and workers: row security holds for it, always
#   konstruct_migrator  `konstruct migrate`: acts as the owner of the tables; makes neither roles nor extensions
#   konstruct_backup    `konstruct backup`: reads every row and changes none
#   temporal            owns the two databases of Temporal, and nothing of the product
# The image of Postgres runs it with its administrator's login when the data folder is made. To run it again does no
# harm; it sets the passwords to what they are now.
set -eu

for variable in KONSTRUCT_APP_PASSWORD KONSTRUCT_MIGRATOR_PASSWORD KONSTRUCT_BACKUP_PASSWORD TEMPORAL_DB_PASSWORD; do
  if [ -z "$(printenv "$variable")" ]; then
    echo "$variable is not set: no login is made without a password." >&2
    exit 1
  fi
done

# What is there already is nothing to tell of.
export PGOPTIONS='--client-min-messages=warning'
administer() {
  psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "${POSTGRES_USER:-postgres}" "$@"
}

# Passwords are read from the environment: among arguments every process of the machine could read them.
administer --dbname postgres <<'SQL'
select 'create database konstruct' where not exists (select from pg_database where datname = 'konstruct') \gexec
select 'create role temporal login' where not exists (select from pg_roles where rolname = 'temporal') \gexec
select format('create database %I owner temporal', name)
from unnest(array['temporal', 'temporal_visibility']) as name
where not exists (select from pg_database where datname = name) \gexec

\getenv password TEMPORAL_DB_PASSWORD
alter role temporal login nosuperuser nocreatedb nocreaterole nobypassrls password :'password';
revoke all on database konstruct, temporal, temporal_visibility from public;
SQL

administer --dbname konstruct --file "${KONSTRUCT_ROLES:-/konstruct/roles.sql}"

administer --dbname konstruct <<'SQL'
select format('create role %I', name)
from unnest(array['konstruct_migrator', 'konstruct_backup']) as name
where not exists (select from pg_roles where rolname = name) \gexec

\getenv password KONSTRUCT_APP_PASSWORD
alter role konstruct_app login nosuperuser nocreatedb nocreaterole nobypassrls noinherit password :'password';
\getenv password KONSTRUCT_MIGRATOR_PASSWORD
alter role konstruct_migrator login nosuperuser nocreatedb nocreaterole nobypassrls noinherit password :'password';
\getenv password KONSTRUCT_BACKUP_PASSWORD
alter role konstruct_backup login nosuperuser nocreatedb nocreaterole bypassrls password :'password';

grant connect on database konstruct to konstruct_app, konstruct_migrator, konstruct_backup;
-- Migrations of data keep what they are at in tables of their own.
grant temporary on database konstruct to konstruct_owner;
grant konstruct_owner to konstruct_migrator;
grant pg_read_all_data to konstruct_backup;
SQL
