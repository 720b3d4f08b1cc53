#!/bin/sh
# Writes the lists beside it: what pip installs today for the project, its extras and what each list is for.
set -eu
cd "$(dirname "$0")/.."
PYTHON="${PYTHON:-python3}"
project='.[orc,openlineage]'
lowest=$(mktemp)
trap 'rm -f "$lowest"' EXIT

renew() { # list, what the list is for, arguments of pip install
    list=requirements/$1.txt
    purpose=$2
    shift 2
    environment=$(mktemp -d)
    echo "== Renewing $list"
    # The pip that Python 3.11 brings (23.2) gives up on the floors, and its setuptools (65.5) does not run on Python 3.12.
    "$PYTHON" -m venv --upgrade-deps "$environment"
    "$environment/bin/python" -m pip install -qq "$@"
    "$environment/bin/python" -m pip check
    {
        echo "# Everything that is installed to $purpose."
        echo "# Made by \`make pins\` (see CONTRIBUTING.md) with Python 3.11."
        echo "# Installed with --no-deps: what is not listed here is not there."
        {
            "$environment/bin/python" -m pip freeze --all --exclude-editable | grep -vE '^(#|-e|pip==|wheel==)'
            # What only another Python needs is kept as it is.
            grep -s '; python_version' "$list" || true
        } | sort -f
    } >"$environment/list"
    cp "$environment/list" "$list"
    rm -rf "$environment"
}

# The floor of every dependency, as a pin: no resolver's "lowest" goes below what other packages would rather have.
"$PYTHON" - >"$lowest" <<'PYTHON'
import re
import tomllib

with open("pyproject.toml", "rb") as file:
    project = tomllib.load(file)["project"]
for extra in [project["dependencies"], *project["optional-dependencies"].values()]:
    print(*(re.sub(r">=([^,;]+)[^;]*", r"==\1", requirement) for requirement in extra), sep="\n")
PYTHON

renew dev "develop and test with Airflow 3.3.2, the newest that is tested" \
    apache-airflow==3.3.2 -e "$project" -r requirements/docs.in
renew oldest "test with Airflow 3.0.6, the oldest that is supported" \
    apache-airflow==3.0.6 -c requirements/constraints/floors.txt -e "$project" -r requirements/tools.in
renew floors "test with the oldest release of everything that pyproject.toml names" \
    -c requirements/constraints/floors.txt -r "$lowest" -e "$project" -r requirements/tools.in
for image in 3.0.6 3.2.1 3.3.1; do
    renew "mwaa-$image" "test with what Amazon MWAA's image of Airflow $image pins" \
        -c "requirements/constraints/mwaa-$image.txt" -e "$project" -r requirements/tools.in
done
renew local-aws "serve the local AWS of tests and demo" -r requirements/local-aws.in
renew bench "run the benchmarks" apache-airflow==3.3.2 -e "$project" -r requirements/bench.in
