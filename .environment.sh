# Sourced by run, test and .ci/run: makes .venv hold exactly the given requirements file, and says in one line when it cannot.
# Uses uv when present (2 s) and pip otherwise (40 s). PYTHON=/path/to/python chooses the interpreter.

stop() {
    echo "betsizing: $*" >&2
    exit 1
}

suitable() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

find_python() {
    local candidate
    if [ -n "${PYTHON:-}" ]; then # a choice that does not work is an error, not a hint
        suitable "$PYTHON" || stop "PYTHON=$PYTHON is not a Python 3.11 or newer. Name another, or leave PYTHON unset."
        command -v "$PYTHON"
        return
    fi
    for candidate in python3 python3.14 python3.13 python3.12 python3.11 python; do
        if suitable "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
    stop "Python 3.11 or newer is needed, and here is $(python3 --version 2>&1 | head -n 1). Name another with PYTHON=/path/to/python3.11."
}

install() {
    if command -v uv >/dev/null; then
        uv pip install --quiet --python .venv/bin/python --requirement "$1"
    else
        .venv/bin/python -m pip install --quiet --disable-pip-version-check --requirement "$1"
    fi
}

make_environment() { # the requirements file, inside the current folder
    local python wanted log
    python=$(find_python) || exit 1
    wanted="$1 $(cksum <"$1") $("$python" --version)"
    [ "$(cat .venv/complete 2>/dev/null)" = "$wanted" ] && .venv/bin/python -c '' 2>/dev/null && return
    mkdir -p .venv 2>/dev/null && [ -w .venv ] || stop "The folder $PWD cannot be written, and the environment belongs into it."
    if command -v flock >/dev/null; then # two at once: the second waits, then finds the work done
        exec 9>.venv/lock
        flock -n 9 || {
            echo "betsizing: waiting for another ./run or ./test to finish the environment" >&2
            flock 9
        }
        if [ "$(cat .venv/complete 2>/dev/null)" = "$wanted" ]; then
            exec 9>&- # kept open, the lock would last as long as the product runs
            return
        fi
    fi
    echo "betsizing: making the environment in $PWD/.venv" >&2
    rm -f .venv/complete
    log=.venv/install.log
    if command -v uv >/dev/null; then
        uv venv --quiet --allow-existing --python "$python" .venv >$log 2>&1 || stop "No environment: $(tail -n 1 $log)"
    else
        "$python" -m venv .venv >$log 2>&1 ||
            stop "$python cannot make an environment with pip: install uv, or on Debian: apt-get install python3-venv (details: $PWD/$log)"
    fi
    install "$1" >$log 2>&1 || stop "The packages of $1 could not be installed: $(grep -i -m 1 error $log || tail -n 1 $log) (all of it: $PWD/$log)"
    printf '%s' "$wanted" >.venv/complete
    exec 9>&-
}
