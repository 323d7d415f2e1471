# Two commands: `make demo` and `make test`. Each makes its own virtual environment in .venv first.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: help demo test lint types imports unit examples test-long reliability fuzz bench clean

help:
	@echo "make demo       watch the whole job on a real MongoDB"
	@echo "make test       format, lint, types, import rules, and all tests that take seconds"
	@echo "make test-long  the tests that take minutes"
	@echo "make reliability  what mongoshot survives, written to docs/reliability.md"
	@echo "make fuzz       every parser on hostile input, led by coverage, for an hour: SECONDS=200 each"
	@echo "make bench      what a reset costs beside other ways; fewer: make bench SIZES=\"1000 20000\""
	@echo "make clean      remove what the others made"

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "mongoshot needs Python 3.11 or newer: make $(MAKECMDGOALS) PYTHON=python3.11"; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[mongod,test]'
	@touch $@

demo: $(READY)
	@$(BIN)/mongoshot demo

test: lint types imports unit examples

lint: $(READY)
	$(BIN)/ruff format --check
	$(BIN)/ruff check

types: $(READY)
	$(BIN)/mypy

imports: $(READY)
	$(BIN)/lint-imports

unit: $(READY)
	$(BIN)/pytest -n 2 --dist worksteal -m "not long" tests

# Plugins that the tests of this project need, and users may not have.
OURS := -p no:asyncio -p no:randomly -p no:repeat -p no:rerunfailures

# As a user's project: its own configuration, the plugin installed, nothing else of this one.
examples: $(READY)
	cd examples/checkout && PYTEST_ADDOPTS="$(OURS) -p no:anyio" ../../$(BIN)/python -m pytest
	cd examples/notes_api && PYTEST_ADDOPTS="$(OURS)" ../../$(BIN)/python -m pytest

test-long: $(READY)
	$(BIN)/pytest -m long tests

EVIDENCE := .cache/evidence

reliability: $(READY)
	rm -rf $(EVIDENCE)
	MONGOSHOT_EVIDENCE="$(CURDIR)/$(EVIDENCE)" $(BIN)/pytest -m reliability tests
	$(BIN)/python -m tests.reliability $(EVIDENCE)

# Seconds for each parser; what all runs so far have shown is kept in tests/fuzz/record.json.
SECONDS := 200

fuzz: $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[mongod,test,fuzz]'
	nice -n 15 $(BIN)/python -m tests.fuzz --seconds $(SECONDS)
	rm -rf $(EVIDENCE)-of-fuzz
	$(BIN)/python -m tests.fuzz --rows $(EVIDENCE)-of-fuzz
	$(BIN)/python -m tests.reliability $(EVIDENCE)-of-fuzz

# How many documents; other options: .venv/bin/python -m tests.benchmarks --help
SIZES := 1000 20000 200000 1000000

bench: $(READY)
	@$(BIN)/python -m tests.benchmarks --sizes "$(SIZES)"

clean:
	rm -rf $(VENV) .cache .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache build dist
