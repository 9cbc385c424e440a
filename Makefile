# Everything a user or developer runs. `make help` lists it.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
BIN := .venv/bin
export CONTRIBUTOR_DELETION_VAR ?= $(CURDIR)/var
export CONTRIBUTOR_DELETION_DAGSTER ?= $(CONTRIBUTOR_DELETION_VAR)/dagster
export DAGSTER_HOME ?= $(CURDIR)
LABELS ?=
CONTRIBUTORS ?=
JUDGMENTS ?=
# Each test process has engines of its own, about 1.5 GB together; a module's tests share a world, and so a process.
WORKERS ?= 2
PYTEST = $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile
PORT ?= 3000
# 1 is 2,000,000 judgments and 20,000,000 metrics.
BENCH_SCALE ?= 1
# Which engines play search and S3: opensearch or elasticsearch; versitygw, moto or auto.
export SEARCH ?=
export S3 ?=
# The flow, and what touches search or S3: run again where they are played by the servers that are not the default.
ON_OTHER_ENGINES := \
	$(wildcard $(addprefix tests/contract/test_,sandbox.py search*.py s3*.py world*.py expectations*.py)) \
	$(addprefix tests/integration/test_,check.py delete.py demo.py raw_look.py request.py) tests/faults/test_store_down.py
load_options = $(if $(LABELS),--labels "$(LABELS)",$(if $(CONTRIBUTORS),--contributors $(CONTRIBUTORS),$(1)))

.PHONY: help setup demo test test-engines test-costly test-full bench lint format up down status ui lock

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

# uv is one of the locked packages: pip installs it, with its hash checked, and it installs the rest.
# What an interrupted run has left is not trusted: an environment without pip is made anew, uv is installed over itself,
# and packages of an installation that did not come to its end are all installed again.
.venv/uv-ready: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11) and "Python 3.11 is needed; name it by PYTHON=python3.11")'
	@$(BIN)/python -m pip --version > /dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	@mkdir -p var
	@awk '/^[a-z]/ {wanted = /^uv==/} wanted' requirements.txt > var/requirements-uv.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --force-reinstall --no-deps \
		--require-hashes -r var/requirements-uv.txt
	@touch $@

.venv/ready: .venv/uv-ready pyproject.toml
	@$(BIN)/uv --version > /dev/null 2>&1 || { rm .venv/uv-ready; $(MAKE) --no-print-directory .venv/uv-ready; }
	@echo "Installing the locked packages into .venv"
	@again=$$(test ! -e .venv/installing || echo --reinstall); touch .venv/installing; \
		$(BIN)/uv pip install --quiet $$again --python $(BIN)/python --require-hashes -r requirements.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m dagster_defs.prepare
	@rm .venv/installing
	@touch $@

setup: .venv/ready ## Install the locked packages into .venv and parse the dbt project

demo: setup ## Run the main job end to end on five real engines (LABELS=FILE for real judgments)
	@$(BIN)/python -m sandbox.demo $(call load_options)

test: setup ## Run every test but the costliest (SEARCH=, S3= choose the engines)
	@$(PYTEST) -m "not full and not costly"

test-engines: setup ## Run the flow, and what touches search or S3, on Elasticsearch and moto
	@SEARCH=elasticsearch S3=moto $(PYTEST) -m "not full and not costly" $(ON_OTHER_ENGINES)

test-costly: setup ## Run the costliest of the tests that every change must pass, which `make test` leaves out
	@$(PYTEST) -m costly

test-full: setup ## Run every test, the costliest too, and then test-engines
	@$(PYTEST)
	@$(MAKE) --no-print-directory test-engines

bench: setup ## Measure masking against the same by hand and against loops (BENCH_SCALE=0.01 for a quick look)
	@$(BIN)/python -m bench --scale $(BENCH_SCALE)

lint: setup ## Check style, types, import directions, SQL, shell scripts and the Dagster definitions
	@$(BIN)/pre-commit run --all-files
	@mkdir -p $(CONTRIBUTOR_DELETION_DAGSTER)
	@$(BIN)/dagster definitions validate --log-level warning

format: setup ## Format the code
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

up: setup ## Start the engines with a world and leave them running (LABELS=FILE, CONTRIBUTORS=N or JUDGMENTS=N replace it)
	@$(BIN)/python -m sandbox up $(call load_options,--load) $(if $(JUDGMENTS),--judgments $(JUDGMENTS))
	@echo 'export CONTRIBUTOR_DELETION_CONFIG="$(CURDIR)/var/sandbox/config.ini"  # then: .venv/bin/contributor-deletion check'

down: setup ## Stop the engines
	@$(BIN)/python -m sandbox down

status: setup ## Show the engines: version, port, process, memory
	@$(BIN)/python -m sandbox status

ui: setup ## Open the Dagster UI on the engines of `make up` (PORT=N, 3000 if not given)
	@mkdir -p $(CONTRIBUTOR_DELETION_DAGSTER)
	@echo "Dagster starts at http://localhost:$(PORT): it answers when it says Serving, and Ctrl-C ends it"
	@CONTRIBUTOR_DELETION_CONFIG="$${CONTRIBUTOR_DELETION_CONFIG:-$(CURDIR)/var/sandbox/config.ini}" \
		PYTHONWARNINGS='ignore:Function `dev_command`' $(BIN)/dagster dev --port $(PORT)

lock: .venv/uv-ready ## Resolve pyproject.toml into requirements.txt
	@$(BIN)/uv pip compile --quiet --upgrade --generate-hashes --all-extras --python-version 3.11 \
		--no-emit-index-url --no-emit-find-links --no-strip-extras --custom-compile-command "make lock" \
		--output-file requirements.txt pyproject.toml
