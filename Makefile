# Every target is complete on a machine that has Python >= 3.11, make and a package index. See `make help`.

PYTHON ?= python3
PYTEST_ARGS ?=
# Gates of the playground that wait in the triggerer.
GATES ?= 1000
# Processes that run tests: some tests wait, so one more than the usual two processors.
WORKERS ?= 3
PYTEST = -m pytest -q --dist loadfile --no-loadscope-reorder
MIN_COVERAGE = 95

# The tests that start Airflow's own processes, which are busy even while they wait. They run before the others, two
# files at a time.
WITH_PROCESSES = tests/e2e tests/ui
# pytest ends with 5 if PYTEST_ARGS choose no test.
all_tests = $(1)/bin/python $(PYTEST) -n 2 $(WITH_PROCESSES) $(2) $(PYTEST_ARGS); ended=$$?; [ $$ended != 5 ] || ended=0; \
	$(1)/bin/python $(PYTEST) -n $(WORKERS) tests $(WITH_PROCESSES:%=--ignore=%) $(3) $(PYTEST_ARGS) && exit $$ended

# What a contributor waits for; `make test` runs the rest, too.
UNIT = tests/tasks tests/s3 tests/replication tests/text tests/inventory/render tests/hooks tests/triggers tests/lookup/test_refusals.py \
	--ignore=tests/replication/test_histories.py --ignore=tests/replication/deletion/test_progress.py

# The sets of dependencies beside the pins, and what is tested on each; TESTS="tests/lookup" for less.
PINNED = oldest floors mwaa-3.0.6 mwaa-3.2.1 mwaa-3.3.1
SETS = $(PINNED) newest
TESTS ?= tests/tasks tests/testing tests/text tests/s3 tests/replication tests/hooks tests/sensors tests/triggers tests/lookup tests/inventory tests/local_aws tests/airflow

VENV = .venv
# MiniStack serves tests and demo from an environment of its own, because it pins botocore.
AWS = .venv-aws
BENCHES = .venv-bench
BIN = $(VENV)/bin
# -qq: errors only.
INSTALL = -m pip --disable-pip-version-check install -qq --no-deps

.PHONY: help demo playground test unit $(SETS:%=test-%) e2e bench browser docs lint format wheel pins clean distclean
.DEFAULT_GOAL := help

help: ## Show this list
	@sed -n 's/^\([a-z0-9.-]*\):[^#]*## /\1\t/p' $(MAKEFILE_LIST) | while IFS="$$(printf '\t')" read -r name text; do \
		printf '  make %-15s %s\n' "$$name" "$$text"; done

demo: $(VENV)/.project $(AWS)/.packages ## See gates, the inventory summary and a repair at work, on this machine (three minutes)
	@$(BIN)/python -m demo

playground: $(VENV)/.project $(AWS)/.packages ## Look at what goes wrong, in a browser, until Ctrl-C: GATES=1000 wait beside it (two minutes)
	@$(BIN)/python -m demo.playground --gates $(GATES)

test: lint docs browser $(AWS)/.packages ## Lint, build the documentation, then run all tests on the newest Airflow, with coverage
	@echo "== Tests on the newest Airflow"
	@$(call all_tests,$(VENV),--cov --cov-branch --cov-report=,\
	--cov --cov-branch --cov-append --cov-report=term --cov-fail-under=$(MIN_COVERAGE))

unit: $(VENV)/.project $(AWS)/.packages ## Run what needs no Airflow processes, no browser and no slow server (under two minutes)
	@$(BIN)/python $(PYTEST) -n $(WORKERS) $(UNIT) $(PYTEST_ARGS)

test-oldest: ## Run $(TESTS) on the oldest Airflow that is supported
test-floors: ## ... on the oldest release of each dependency
test-mwaa-3.0.6: ## ... on what Amazon MWAA's image of Airflow 3.0.6 pins; also 3.2.1, 3.3.1
test-newest: ## ... on the newest releases that pyproject.toml allows today
$(SETS:%=test-%): test-%: .venv-%/.project $(AWS)/.packages
	@echo "== Tests on the set $*"
	@$(if $(filter tests,$(TESTS)),$(call all_tests,.venv-$*),\
	.venv-$*/bin/python $(PYTEST) -n $(WORKERS) $(TESTS) $(PYTEST_ARGS))

e2e: $(VENV)/.project $(AWS)/.packages browser ## Run only the tests with real Airflow processes and a browser (six minutes)
	@$(BIN)/python $(PYTEST) -n 2 $(WITH_PROCESSES) $(PYTEST_ARGS)

bench: $(BENCHES)/.project ## Measure beside what one would use instead: BENCH=full for all sizes, ONLY=lookups for one
	@sh benchmarks/nginx.sh
	@$(BENCHES)/bin/python -m benchmarks $(if $(filter full,$(BENCH)),--full) $(ONLY)

browser: # What the tests of the Replication tab are driven with
	@sh tests/ui/install-browser.sh

docs: $(VENV)/.project ## Build the documentation into build/docs; what is wrong in it fails
	@echo "== Documentation"
	@$(BIN)/python -m sphinx -q -E -W -n -d build/doctrees docs build/docs

lint: $(VENV)/.project ## Check style and types
	@echo "== Lint"
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: $(VENV)/.project ## Rewrite the code in the project's style
	@$(BIN)/ruff check --fix --quiet . || true
	@$(BIN)/ruff format .

wheel: $(VENV)/.project ## Build the wheel and the source distribution into dist/
	@$(BIN)/python -m hatchling build

pins: ## Renew requirements/*.txt from what the package index has today (see CONTRIBUTING.md)
	@PYTHON="$(PYTHON)" sh requirements/renew.sh

clean: ## Remove what was built and cached
	@rm -rf build dist .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache
	@find . -name __pycache__ -not -path './.venv*' -prune -exec rm -rf {} +

distclean: clean ## Remove the environments, too
	@rm -rf $(VENV) $(AWS) $(BENCHES) $(SETS:%=.venv-%)

# An environment is made anew when its list changes, so that nothing in it is left over from an earlier list.
$(VENV)/.packages: requirements/dev.txt
$(AWS)/.packages: requirements/local-aws.txt
$(BENCHES)/.packages: requirements/bench.txt
$(PINNED:%=.venv-%/.packages): .venv-%/.packages: requirements/%.txt
%/.packages:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11")'
	@echo "== Installing $< into $* (a minute or two)"
	@$(PYTHON) -m venv --clear $*
	@$*/bin/python $(INSTALL) -r $<
	@touch $@

# Resolved on the day on which it is made.
.venv-newest/.project: requirements/tools.in pyproject.toml
	@echo "== Installing the newest releases that pyproject.toml allows into .venv-newest (some minutes)"
	@$(PYTHON) -m venv --clear .venv-newest
	@.venv-newest/bin/python -m pip --disable-pip-version-check install -qq -e '.[orc,openlineage]' -r $<
	@touch $@

%/.project: %/.packages pyproject.toml
	@$*/bin/python $(INSTALL) --no-build-isolation -e .
	@$*/bin/python -m pip --disable-pip-version-check check >/dev/null || $*/bin/python -m pip check
	@touch $@
.PRECIOUS: %/.packages %/.project
