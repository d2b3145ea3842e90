#!/bin/sh
# Runs once before Airflow's processes, and again without harm: metadata migrated, the first administrator made, the pool
# and the connections set. Passwords go through standard input or a private file, never through a command line.
set -eu
umask 077

airflow db migrate
printf '%s\n%s\n' "$AIRFLOW_ADMIN_PASSWORD" "$AIRFLOW_ADMIN_PASSWORD" | airflow users create --role Admin \
    --username "$AIRFLOW_ADMIN_USER" --email "$AIRFLOW_ADMIN_EMAIL" --firstname Kinbridge --lastname Administrator
airflow pools set sftp 4 "Connections to partners' servers at one time"
file="$(mktemp)"
trap 'rm -f "$file"' EXIT
kinbridge deploy connections --out "$file" --roles "$SECRETS/roles" --keys "$SECRETS/sftp" --server "$SFTP" \
    --host "$SFTP_HOST" --port "$SFTP_PORT"
# Airflow tells the format by the ending.
mv "$file" "$file.json" && file="$file.json"
airflow connections import --overwrite "$file"
