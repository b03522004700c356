#!/usr/bin/env bash
# Installs what the end-to-end tests need beyond Python's wheels; does nothing where it is there already.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if ! command -v npm >/dev/null; then
    echo "e2e_setup: npm is missing; install Node.js 18 or newer (Debian: apt-get install nodejs npm)" >&2
    exit 1
fi

node=tests/e2e/node
stamp="$node/node_modules/.installed"
if [ ! -f "$stamp" ] || [ "$node/package.json" -nt "$stamp" ]; then
    npm install --prefix "$node" --no-package-lock --ignore-scripts --no-audit --no-fund --loglevel=error
    touch "$stamp"
fi
