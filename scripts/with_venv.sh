# Sourced by run, test and bench, in the checkout: run a module of scripts/ in an up-to-date .venv.
# shellcheck shell=sh

# Print the first Python that is new enough; fail when there is none.
find_python() {
    for candidate in python3 python3.14 python3.13 python3.12 python3.11 python; do
        # Run it: a pyenv shim is on PATH even when no such version is chosen.
        if "$candidate" -I -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            printf '%s\n' "$candidate"
            return 0
        fi
    done
    {
        echo "Fairdeal needs Python 3.11 or later with its venv module, and found none on PATH."
        echo "python3 is: $(python3 --version 2>&1 || echo 'missing')"
        echo "Install one (Debian, Ubuntu: apt install python3 python3-venv python3-pip) and start again."
    } >&2
    return 1
}

# exec all the way down: a signal to this process id then reaches whoever is at work.
with_venv() {
    if [ -x .venv/bin/python ] && .venv/bin/python -I -S scripts/make_venv.py --check "$1" 2>/dev/null; then
        module=$1
        shift
        PYTHONPATH=$(pwd -P) exec .venv/bin/python -m "scripts.$module" "$@"
    fi
    python=$(find_python) || exit 1
    exec "$python" -I scripts/make_venv.py "$@"
}
