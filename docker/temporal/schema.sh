#!/bin/sh
# Brings the tables of Temporal's two databases up to what this release of its server needs; the databases themselves are
# made by docker/postgres/logins.sh. Temporal's own tool passes over what is there already, and reads SQL_PASSWORD.
set -eu
: "${SQL_PASSWORD:?is not set: the password of the login temporal}"
: "${SQL_HOST:?is not set: where Postgres is}"

for schema in temporal visibility; do
  case $schema in
    temporal) database=temporal ;;
    visibility) database=temporal_visibility ;;
  esac
  temporal_sql() {
    temporal-sql-tool --plugin postgres12 --endpoint "$SQL_HOST" --port "${SQL_PORT:-5432}" --user temporal \
      --database "$database" "$@"
  }
  temporal_sql setup-schema --version 0.0
  temporal_sql update-schema --schema-dir "/etc/temporal/schema/postgresql/v12/$schema/versioned"
done
