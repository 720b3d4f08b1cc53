#!/bin/sh
# Installs Chromium and its driver where that can be done without asking; elsewhere says what will be skipped.
set -eu
(command -v chromium || command -v google-chrome) >/dev/null && command -v chromedriver >/dev/null && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "== Installing Chromium and its driver"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    apt-get install -y -qq chromium chromium-driver >/dev/null
else
    echo "== No Chromium with chromedriver here: tests of the Replication tab in a browser will be skipped"
fi
