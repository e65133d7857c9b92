#!/bin/sh
# Makes docker/.env and docker/konstruct.env for a new deployment, with secrets that are drawn here and nowhere else:
#   docker/prepare.sh 2026.12.1 hooks.example.com portal.example.com ops@example.com
# What is there already is left as it is.
set -eu
umask 077

if [ $# -ne 4 ]; then
  echo "Say the release, the gateway's name, the portal's name and an address for mail about certificates." >&2
  exit 2
fi
folder=$(cd "$(dirname "$0")" && pwd)
for file in .env konstruct.env; do
  if [ -e "$folder/$file" ]; then
    echo "$folder/$file is there already: move it away to begin anew. Its keys are needed for what was sealed." >&2
    exit 1
  fi
done

# Each line name= is given the value that is exported under that name, if any is.
filled() {
  awk -F= 'NF == 2 && $2 == "" && $1 in ENVIRON { print $1 "=" ENVIRON[$1]; next } { print }'
}

export KONSTRUCT_VERSION="$1" GATEWAY_HOST="$2" PORTAL_HOST="$3" ACME_EMAIL="$4" BACKUPS_DIR=""
for name in POSTGRES_PASSWORD KONSTRUCT_APP_PASSWORD KONSTRUCT_MIGRATOR_PASSWORD KONSTRUCT_BACKUP_PASSWORD \
  TEMPORAL_DB_PASSWORD VALKEY_PASSWORD; do
  export "$name=$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')"
done
KONSTRUCT_ENCRYPTION_KEYS=$(head -c 32 /dev/urandom | base64 | tr '+/' '-_')
export KONSTRUCT_ENCRYPTION_KEYS

filled <"$folder/env.example" >"$folder/.env"
filled <"$folder/konstruct.env.example" >"$folder/konstruct.env"
echo "$folder/.env and $folder/konstruct.env are there. Keep a copy of KONSTRUCT_ENCRYPTION_KEYS elsewhere, and add models."
