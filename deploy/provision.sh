#!/bin/sh
# Runs once before everything else, and again without harm: secrets checked, databases and roles made, warehouse migrated,
# SFTP accounts made. Passwords and private keys stay in the folder SECRETS, which only this step and the next one see.
set -eu
umask 077

kinbridge deploy check-secrets
kinbridge warehouse provision --folder "$SECRETS/roles"
# The one address that Airflow's processes need; they see this folder and not the other.
kinbridge warehouse url airflow --folder "$SECRETS/roles" --sqlalchemy > "$AIRFLOW_DATABASE/url.new"
mv "$AIRFLOW_DATABASE/url.new" "$AIRFLOW_DATABASE/url"
kinbridge deploy sftp --server "$SFTP" --ours "$SECRETS/sftp" --theirs "$PARTNER_KEYS"
