#!/bin/sh
# Unpacks Debian's nginx and its echo module below build/nginx where the machine has none; installs nothing.
set -eu
cd "$(dirname "$0")/.."
echo=usr/lib/nginx/modules/ngx_http_echo_module.so
PATH="$PATH:/usr/sbin"
if { command -v nginx >/dev/null && [ -e "/$echo" ]; } || [ -e "build/nginx/$echo" ]; then
    exit 0
fi
if ! command -v apt-get >/dev/null; then
    echo "The benchmarks need nginx with its echo module, as in Debian's nginx and libnginx-mod-http-echo" >&2
    exit 1
fi
echo "== Fetching nginx into build/nginx"
mkdir -p build/nginx
cd build/nginx
apt-get download -qq nginx libnginx-mod-http-echo 2>/dev/null ||
    { apt-get update -qq && apt-get download -qq nginx libnginx-mod-http-echo; }
for package in *.deb; do
    dpkg-deb --extract "$package" .
    rm "$package"
done
