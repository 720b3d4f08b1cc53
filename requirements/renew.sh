#!/bin/sh
# Writes the lists beside it: what pip installs today for the project, its extras and what each list is for.
set -eu
cd "$(dirname "$0")/.."
PYTHON="${PYTHON:-python3}"

renew() { # list, Airflow release, what is needed beside the project, what the list is for
    environment=$(mktemp -d)
    trap 'rm -rf "$environment"' EXIT
    echo "== Renewing $1 for Airflow $2"
    "$PYTHON" -m venv "$environment"
    "$environment/bin/python" -m pip install -qq "apache-airflow==$2" -e ".[orc]" -r "$3"
    "$environment/bin/python" -m pip check
    {
        echo "# Everything that is installed to $4."
        sed -n '2,3p' "$1"
        {
            "$environment/bin/python" -m pip freeze --all --exclude-editable | grep -vE '^(#|-e|pip==|wheel==)'
            # What only another Python needs is kept as it is.
            grep '; python_version' "$1"
        } | sort -f
    } >"$environment/list"
    cp "$environment/list" "$1"
    rm -rf "$environment"
}

renew requirements/dev.txt 3.3.2 requirements/docs.in "develop and test with Airflow 3.3.2, the newest that is tested"
renew requirements/dev-oldest.txt 3.0.6 requirements/tools.in "test with Airflow 3.0.6, the oldest that is supported"
renew requirements/bench.txt 3.3.2 requirements/bench.in "run the benchmarks"
