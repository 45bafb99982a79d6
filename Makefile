# Start with `make demo` and `make test`. `make help` lists all targets.
.DEFAULT_GOAL := help
SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
# Without compiled files each test process, and each process that a test starts, compiles all modules again.
PYTEST := env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m pytest
# Number of parallel test processes. Each has its own servers; tests wait for half of their time.
JOBS ?= 4
# Tests of behaviour that depends on PostgreSQL: schema, permissions, functions, order, folds, races.
POSTGRES_TESTS := tests/migrations tests/events/log tests/projections/engine tests/services/application \
	tests/services/adoption tests/projections/test_reads.py tests/projections/scoring/test_score_lead.py
# Tests of code that uses the database in every way: locks, COPY, snapshots, row level security, rebuilds.
POOLER_TESTS := tests/events/log tests/events/keys tests/projections/engine tests/services/application tests/services/api tests/services/cli
RELEASES ?= 15 16 17
PACKAGES := events projections services migrations tests $(wildcard benchmarks)
# The first of these that is 3.11 or newer creates the environment; override with PYTHON=/path/to/python3.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$p" && break; done)

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 24

install: $(VENV)/.installed  ## create .venv with the exact versions of constraints.txt

$(VENV)/.installed: pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed: set PYTHON=/path/to/python3" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || \
		{ rm -rf $(VENV); echo "python3 cannot create a virtual environment: install its venv module (Debian: apt install python3-venv)" >&2; exit 1; }
	@# An old pip does not know current wheel tags and would compile C code: install the pinned one first.
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt --upgrade pip hatchling editables
	$(BIN)/python -m pip install -q --prefer-binary --no-build-isolation -c constraints.txt -e '.[stack,tracing,dev]'
	@touch $@

$(VENV)/.installed-bench: $(VENV)/.installed
	$(BIN)/python -m pip install -q --prefer-binary --no-build-isolation -c constraints.txt -e '.[stack,tracing,dev,bench]'
	@touch $@

$(VENV)/.installed-mutation: $(VENV)/.installed
	$(BIN)/python -m pip install -q --prefer-binary --no-build-isolation -c constraints.txt -e '.[stack,tracing,dev,mutation]'
	@touch $@

$(VENV)/.installed-browser: $(VENV)/.installed
	$(BIN)/python -m pip install -q --prefer-binary --no-build-isolation -c constraints.txt -e '.[stack,tracing,dev,browser]'
	@touch $@

demo: install  ## run a simulated day of leasing: stop a consumer, rebuild the tables, compare them (look: ARGS=--console)
	$(BIN)/crm demo $(ARGS)

test: install  ## run the tests on the embedded servers (some: ARGS=tests/events)
	$(PYTEST) -m 'not soak and not kafka and not browser and not kill' -n $(JOBS) --dist worksteal $(ARGS)

test-kill: install  ## run the tests that kill processes and servers under load
	$(PYTEST) -m 'kill and not soak and not kafka' -n $(JOBS) --dist worksteal $(ARGS)

test-kafka: install  ## run the same tests on Apache Kafka 4 (needs Java 17 and Maven)
	CRM_TEST_BROKER=kafka $(PYTEST) -m 'not soak and not browser' -n $(JOBS) --dist worksteal $(ARGS)

test-postgres: install  ## run the database tests on PostgreSQL 15, 16, 17 (needs Debian's packages, or Java and Maven)
	set -e; for release in $(RELEASES); do CRM_TEST_POSTGRES=$$release \
		$(PYTEST) -m 'not soak and not kafka' -n $(JOBS) --dist worksteal $(POSTGRES_TESTS) $(ARGS); done

test-pooler: install  ## run the database tests behind PgBouncer in transaction mode (Debian: apt install pgbouncer)
	CRM_TEST_POOLER=1 $(PYTEST) -m 'not soak and not kafka' -n $(JOBS) --dist worksteal $(POOLER_TESTS) $(ARGS)

test-browser: $(VENV)/.installed-browser  ## run the console's tests in a browser (Debian: apt install chromium)
	$(PYTEST) -m browser tests/browser $(ARGS)

soak: $(VENV)/.installed-bench  ## run the long tests: millions of events, hundreds of killed processes
	$(PYTEST) -m soak --timeout=0 $(ARGS)

mutate: $(VENV)/.installed-mutation  ## list changes of the code that no test notices (ARGS=--help)
	$(BIN)/python -m tests.mutation $(ARGS)

bench: $(VENV)/.installed-bench  ## measure throughput and latency, compared with simpler methods (ARGS=--quick)
	$(BIN)/python -m benchmarks $(ARGS)

bench-peers: $(VENV)/.installed-bench  ## append, project and rebuild as other software does (needs Node, Java 17, Maven; ARGS=--quick)
	$(BIN)/python -m benchmarks.peers $(ARGS)

growth: $(VENV)/.installed-bench  ## what ten million events cost, and a tenth of them (needs Java 17, Maven, 50 GB; ARGS=--help)
	$(BIN)/python -m benchmarks.growth $(ARGS)

lint: install  ## check style, types, import order, unused code and unused dependencies
	$(BIN)/ruff check $(PACKAGES)
	$(BIN)/ruff format --check $(PACKAGES)
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(PYTEST) -q tests/test_unused_code.py

contract: install  ## check that the event catalog is compatible with the released contract
	$(BIN)/crm contract check

clean:  ## delete the environment and the data of the local stack
	rm -rf $(VENV) .crm .crm-test .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache dist build

.PHONY: help install demo test test-kafka test-postgres test-pooler test-browser soak mutate bench bench-peers growth lint contract clean
