# Kinbridge. `make help` lists the targets; `make demo` shows the whole system at work on this machine.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed

# Bytecode is worth keeping: without it every task compiles its libraries anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help install install-spark demo stop clean test test-unit test-spec test-integration test-airflow check format mutation bench lock

help:  ## Show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## */  make \1\t/' | expand -t 26

install: $(STAMP)  ## Make .venv and install the locked requirements

$(STAMP): requirements.txt requirements-dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info[:2] <= (3, 13) else "Kinbridge needs Python 3.11 to 3.13; set PYTHON=python3.12, for example.")'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@$(BIN)/uv pip install --quiet --python $(BIN)/python -r requirements.txt -r requirements-dev.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch $(STAMP)

install-spark: install  ## Add pyspark (480 MB), for the engine spark of linkage
	@$(BIN)/uv pip install --quiet --python $(BIN)/python -r requirements-spark.txt

demo: install  ## Run the whole system on this machine, with fictional data
	@$(BIN)/kinbridge demo run

stop:  ## Stop what the demo started, and nothing else
	@test ! -x $(BIN)/kinbridge || $(BIN)/kinbridge demo stop

clean:  ## Stop the demo and remove its data
	@test ! -x $(BIN)/kinbridge || $(BIN)/kinbridge demo clean

# Each worker has its own Postgres and SFTP server; a module's tests stay together (tests/conftest.py).
test: install  ## All tests, on two workers
	@$(BIN)/python -m pytest --numprocesses 2 --no-loadscope-reorder

test-unit: install  ## Fast tests without services
	@$(BIN)/python -m pytest tests/unit tests/docs

test-spec: install  ## The policies, as specifications
	@$(BIN)/python -m pytest tests/spec

test-integration: install  ## Tests with a real Postgres, SFTP server and Great Expectations
	@$(BIN)/python -m pytest tests/integration tests/golden -m "not airflow"

test-airflow: install  ## Tests with a real Airflow
	@$(BIN)/python -m pytest -m airflow

check: install  ## Formatting, lint, types, declarations: the same as before every commit
	@$(BIN)/ruff format --check plugins dags tests deploy
	@$(BIN)/ruff check plugins dags tests deploy
	@$(BIN)/mypy
	@$(BIN)/kinbridge check

format: install  ## Let ruff format and fix what it can
	@$(BIN)/ruff format plugins dags tests deploy
	@$(BIN)/ruff check --fix plugins dags tests deploy

mutation: install  ## Take every gate out in turn; a test has to see each (a quarter of an hour)
	@$(BIN)/python -m tests.mutation.run --into docs/gates.md

bench: install  ## Measure intake of a million rows beside a bare COPY
	@$(BIN)/kinbridge bench intake --rows 1000000

lock: install  ## Compile requirements.in, requirements-spark.in and requirements-dev.in anew
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-header --no-emit-index-url requirements.in -o requirements.txt
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-header --no-emit-index-url requirements-dev.in -o requirements-dev.txt
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-header --no-emit-index-url --constraint requirements.txt requirements-spark.in -o requirements-spark.txt
