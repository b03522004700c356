#!/bin/sh
# Print the path of a Python interpreter.
#
#     find_python.sh         the default: python3, which must be 3.10 or newer
#     find_python.sh 3.12    that version: from PATH, else from pyenv
#
# A `python3.12` on PATH may be a pyenv shim that only says "command not found": so each candidate is run before it is believed.
set -eu

wanted=${1:-}

says_version() {
    "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null
}

if [ -z "$wanted" ]; then
    if python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
        python3 -c 'import sys; print(sys.executable)'
        exit 0
    fi
    echo "find_python: python3 is missing or older than 3.10: install one, or name another with PY=3.12" >&2
    exit 1
fi

for candidate in "python$wanted" python3 \
    "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$wanted"/bin/python "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$wanted".*/bin/python; do
    if [ "$(says_version "$candidate")" = "$wanted" ]; then
        "$candidate" -c 'import sys; print(sys.executable)'
        exit 0
    fi
done
echo "find_python: no Python $wanted on PATH or under pyenv: install it (pyenv install $wanted)" >&2
exit 1
