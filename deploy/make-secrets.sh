#!/bin/sh
# Make what compose.yaml takes from deploy/secrets/: passwords, the spool's key, and the
# settings of edges and keeper. What is there already stays as it is.
#   make-secrets.sh HOST        the collector's public name
#
# Files of compose secrets are seen in a container with the owner they have here. So the
# folder is closed to others, and the files in it are not.
set -eu
host=${1:?the public name of the collector, such as collector.example.com}
folder=$(dirname "$0")/secrets
mkdir -p "$folder"
chmod 700 "$folder"
cd "$folder"
umask 022

random() { od -An -N32 -tx1 /dev/urandom | tr -d ' \n'; }

# put FILE TEXT: write it whole, unless it is there.
put() {
    [ -e "$1" ] && return 0
    printf '%s\n' "$2" >".$1.draft"
    mv ".$1.draft" "$1"
    echo "made $folder/$1"
}

put clickhouse_keeper "$(random)"
put clickhouse_analyst "$(random)"
put clickhouse_admin "$(random)"
put spool.key "$(random)"
common="public_url = \"https://$host\"
spool_key_file = \"/run/secrets/spool.key\"
demo = false"
put edge.toml "$common
listen = \"0.0.0.0:8000\"
trusted_proxies = [\"172.30.80.2/32\"]
proxy_header = \"x-forwarded-for\""
put keeper.toml "$common
clickhouse_url = \"http://kastana_keeper:$(cat clickhouse_keeper)@clickhouse:8123\""
for file in tls.crt tls.key; do
    [ -e "$file" ] || echo "missing: $folder/$file (the certificate of $host, PEM)"
done
