#!/bin/bash
# Users of a new ClickHouse server, one for each role of access.sql; run by the image's
# entrypoint after that. The server is told hashes, never a password.
set -eu
make_user() {
    local hash
    hash=$(tr -d '\n' <"/run/secrets/clickhouse_$1" | sha256sum | cut -d ' ' -f 1)
    clickhouse client --query \
        "CREATE USER OR REPLACE kastana_$1 IDENTIFIED WITH sha256_hash BY '$hash' $2
         DEFAULT ROLE kastana_$1" </dev/null
    clickhouse client --query "GRANT kastana_$1 TO kastana_$1" </dev/null
}
make_user keeper "HOST ANY"
make_user analyst "HOST ANY"
make_user admin "HOST LOCAL"
