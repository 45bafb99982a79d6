# Two commands tell the story: `make demo` and `make test`. Everything else is listed by `make help`.
.DEFAULT_GOAL := help
SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest
# So many processes run tests, each with servers of its own: much of a test is waiting.
JOBS ?= 3
# The tests of what only the database does: schema, rights, functions, order, folds, races.
ON_POSTGRES := tests/migrations tests/events/log tests/projections/engine tests/services/handling \
	tests/services/adopting tests/projections/test_reads.py tests/projections/scoring/test_score_lead.py
RELEASES ?= 15 16 17
ROOMS := events projections services migrations tests $(wildcard benchmarks)
# The first of these that is 3.11 or newer makes the environment; override with PYTHON=…
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$p" && break; done)

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

install: $(VENV)/.installed  ## make .venv from the exact versions in constraints.txt

$(VENV)/.installed: pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; set PYTHON=/path/to/python3" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || \
		{ rm -rf $(VENV); echo "python3 cannot make a venv: install its venv module (Debian: apt install python3-venv)" >&2; exit 1; }
	@# An old pip does not know today's wheel tags and would try to compile C: bring the pinned one first.
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt --upgrade pip hatchling editables
	$(BIN)/python -m pip install -q --prefer-binary --no-build-isolation -c constraints.txt -e '.[stack,dev]'
	@touch $@

$(VENV)/.installed-bench: $(VENV)/.installed
	$(BIN)/python -m pip install -q --prefer-binary --no-build-isolation -c constraints.txt -e '.[stack,dev,bench]'
	@touch $@

demo: install  ## a believable day of leasing, from nothing to a verified story
	$(BIN)/crm demo

test: install  ## all tests, on the embedded servers
	$(PYTEST) -m 'not soak and not kafka' -n $(JOBS) --dist worksteal $(ARGS)

test-kafka: install  ## the same tests against Apache Kafka 4 (Java 17 and Maven needed)
	CRM_TEST_BROKER=kafka $(PYTEST) -m 'not soak' -n $(JOBS) --dist worksteal $(ARGS)

test-postgres: install  ## the database's part on PostgreSQL 15, 16, 17 (Debian's, or Java and Maven needed)
	set -e; for release in $(RELEASES); do CRM_TEST_POSTGRES=$$release \
		$(PYTEST) -m 'not soak and not kafka' -n $(JOBS) --dist worksteal $(ON_POSTGRES) $(ARGS); done

soak: $(VENV)/.installed-bench  ## the long ones: millions of events, hundreds of kills
	$(PYTEST) -m soak --timeout=0 $(ARGS)

bench: $(VENV)/.installed-bench  ## ratios against the floor, the bare path and the usual ways (ARGS=--quick)
	$(BIN)/python -m benchmarks $(ARGS)

lint: install  ## style, types, import order
	$(BIN)/ruff check $(ROOMS)
	$(BIN)/ruff format --check $(ROOMS)
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

contract: install  ## is the vocabulary compatible with the last released contract?
	$(BIN)/crm contract check

clean:  ## remove the environment and the embedded stack's data
	rm -rf $(VENV) .crm .crm-test .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache dist build

.PHONY: help install demo test test-kafka test-postgres soak bench lint contract clean
