#!/usr/bin/env bash
# Installs what the end-to-end tests need beyond Python's wheels; does nothing where it is there already.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if ! command -v npm >/dev/null; then
    echo "e2e_setup: npm is missing; install Node.js 18 or newer (Debian: apt-get install nodejs npm)" >&2
    exit 1
fi

for folder in tests/e2e/node tests/e2e/soketi; do
    stamp="$folder/node_modules/.installed"
    if [ ! -f "$stamp" ] || [ "$folder/package.json" -nt "$stamp" ]; then
        npm install --prefix "$folder" --no-package-lock --ignore-scripts --no-audit --no-fund --loglevel=error
        touch "$stamp"
    fi
done

if ! command -v chromium >/dev/null && ! command -v chromium-browser >/dev/null && ! command -v google-chrome >/dev/null; then
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
        echo "e2e_setup: Chromium is missing; install it (Debian: apt-get install chromium)" >&2
        exit 1
    fi
    log=$(mktemp)
    if ! { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends chromium; } \
        >"$log" 2>&1; then
        cat "$log" >&2
        exit 1
    fi
    rm -f "$log"
fi
