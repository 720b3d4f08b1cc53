#!/bin/sh
# Unpacks Debian's PostgreSQL below build/postgres where the machine has none; installs nothing.
set -eu
cd "$(dirname "$0")/.."
for initdb in /usr/lib/postgresql/*/bin/initdb build/postgres/usr/lib/postgresql/*/bin/initdb; do
    if [ -x "$initdb" ]; then
        exit 0
    fi
done
if ! command -v apt-get >/dev/null; then
    echo "The soak needs PostgreSQL below /usr/lib/postgresql, as Debian's package postgresql has it" >&2
    exit 1
fi
echo "== Fetching PostgreSQL into build/postgres"
mkdir -p build/postgres
cd build/postgres
apt-cache show postgresql >/dev/null 2>&1 || apt-get update -qq
server=$(apt-cache depends postgresql | sed -n 's/.*Depends: \(postgresql-[0-9]*\)$/\1/p' | head -n 1)
apt-get download -qq "$server" libpq5 2>/dev/null || { apt-get update -qq && apt-get download -qq "$server" libpq5; }
for package in *.deb; do
    dpkg-deb --extract "$package" .
    rm "$package"
done
