#!/bin/sh
# Makes the secrets of compose.yaml, once: random passwords, and the addresses that hold them. What is there stays as it is.
set -eu
cd "$(dirname "$0")"
mkdir -p secrets
# The directory keeps other users of this machine out; the files must be readable for the users inside the containers.
chmod 700 secrets

random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }
make() { [ -e "secrets/$1" ] || printf '%s' "$2" > "secrets/$1"; chmod 644 "secrets/$1"; }

make postgres-password "$(random)"
make clickhouse-password "$(random)"
make grafana-password "$(random)"
make database-url "postgresql://tallyline:$(cat secrets/postgres-password)@postgres:5432/tallyline"
# What customers are encrypted by: without it they can't be read. Back it up, and not beside the data.
make accounts-key "$(head -c 32 /dev/urandom | base64)"
make clickhouse-url "http://tallyline:$(cat secrets/clickhouse-password)@clickhouse:8123/tallyline"
