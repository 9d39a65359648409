# Everything a person or CI does here. `make help` lists it; .ci/run calls check and test.
# Stamps in .venv keep a second `make run` from installing anything again.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory
export PYTHONNOUSERSITE := 1
unexport PYTHONPATH PYTHONHOME

VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install -qq --disable-pip-version-check \
	--require-hashes --no-deps --only-binary :all:
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--only-binary :all: --no-strip-extras --custom-compile-command "make lock" $(LOCK_FLAGS)

.PHONY: help run test check fix bench faults soak lock docs sbom clean

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10

run: $(VENV)/.run ## install, get the two default models, and serve in the foreground
	@exec $(BIN)/python -m tools.first_run

test: $(VENV)/.dev ## the whole test suite, with the time each area took
	@tools/system_packages bubblewrap chromium iproute2 postgresql strace util-linux
	@$(BIN)/python -m pytest $(TESTS)

check: $(VENV)/.dev ## format, lint, types, imports, docs, locks, SBOM: changes nothing
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -m tools.locks
	$(BIN)/python -m tools.sbom --check
	$(BIN)/python -m tools.reference --check
	$(BIN)/python -m tools.documents
	$(BIN)/python -m tools.leaks

fix: $(VENV)/.dev ## what a machine can mend: lint fixes, format
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(VENV)/.dev ## measure on this machine; writes bench/results and docs/bench.md
	@tools/system_packages wrk
	@$(BIN)/python -m bench $(BENCH)

faults: $(VENV)/.dev ## both gateways before every fault, ours and LiteLLM's; writes docs/faults.md
	@$(BIN)/python -m tests.faults

soak: $(VENV)/.dev ## load the stack for SOAK_SECONDS (600) and watch memory, handles, ledger
	@$(BIN)/python -m bench.soak --seconds $(or $(SOAK_SECONDS),600)

docs: $(VENV)/.dev ## write the generated references again
	$(BIN)/python -m tools.reference

lock: $(VENV)/.dev ## resolve the dependency locks again (LOCK_FLAGS=--upgrade for newer ones)
	$(LOCK) --group pyproject.toml:build -o requirements/build.txt
	$(LOCK) pyproject.toml -o requirements/run.txt
	$(LOCK) pyproject.toml --extra postgres -c requirements/run.txt -o requirements/postgres.txt
	$(LOCK) pyproject.toml --extra duckdb -c requirements/run.txt -o requirements/duckdb.txt
	$(LOCK) pyproject.toml --extra postgres --extra duckdb --group dev --group build \
		-c requirements/run.txt -c requirements/build.txt -o requirements/dev.txt
	$(LOCK) requirements/litellm.in -o requirements/litellm.txt
	@$(MAKE) sbom

sbom: $(VENV)/.dev ## write sbom.cdx.json from the run lock
	$(BIN)/python -m tools.sbom

clean: ## remove the environment, caches and build outputs; never your data
	rm -rf $(VENV) .cache build dist bench/scratch
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(VENV)/.build: requirements/build.txt
	@test -x $(BIN)/python || "$$(tools/find_python)" -m venv $(VENV)
	@echo "Installing Second Basket into $(VENV) (once; locked, with hashes)"
	@$(INSTALL) -r requirements/build.txt
	@$(BIN)/python -m pip uninstall -qq --yes setuptools
	@touch $@

$(VENV)/.run: $(VENV)/.build requirements/run.txt pyproject.toml
	@$(INSTALL) -r requirements/run.txt
	@$(BIN)/python -m pip install -qq --disable-pip-version-check \
		--no-deps --no-build-isolation --no-index --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.run requirements/dev.txt
	@$(INSTALL) -r requirements/dev.txt
	@touch $@
