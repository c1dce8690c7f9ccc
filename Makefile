# One line per habit; every target installs what it needs into .venv.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export UV_PYTHON_DOWNLOADS := never
export PATH := $(CURDIR)/$(BIN):$(PATH)
ARGS ?=
SCENARIO ?= commerce-order-release-error

.PHONY: help setup maintenance investigate lab lab-down test test-matrix lint bench bench-diagnosis chaos docs clean

help: ## say what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

setup: $(VENV)/.installed ## create .venv and install everything that running and testing need
maintenance: setup lab ## run the weekly maintenance on the lab: make maintenance ARGS="--check --diff --limit commerce"
	@ansible-playbook playbooks/weekly-maintenance.yml $(ARGS)
investigate: setup lab ## inject an incident into the lab and look into it: make investigate SCENARIO=reviews-ratings-table-throttled
	@python -m lab inject --investigate $(SCENARIO) $(ARGS)
lab: setup ## start the lab (a whole estate on this machine); it stays up
	@python -m lab up
lab-down: setup ## stop the lab and remove all it left
	@python -m lab down
test: setup ## run all tests, files side by side: make test ARGS="-n 0 tests/unit"
	@pytest -n auto --maxprocesses 4 --dist loadfile $(ARGS)
test-matrix: setup ## run the tests on the other supported ansible-core releases and Pythons
	@uv pip install -q --python $(BIN)/python -c constraints.txt -e '.[matrix]' && nox $(ARGS)
lint: setup ## ruff, mypy, ansible-lint, ansible-test sanity, antsibull-docs, house rules
	@tools/lint $(ARGS)
bench: setup ## measure, side by side with named peers: make bench ARGS="--parts health-check growth --rounds 3"
	@tools/bench $(ARGS)
bench-diagnosis: setup ## try the diagnosis on public labelled incidents: make bench-diagnosis ARGS="--data DIR"
	@python -m tests.bench.diagnosis $(ARGS)
chaos: setup ## kill the weekly maintenance fifty times at random moments: make chaos ARGS="--seed 7 --runs 10"
	@python -m tests.chaos $(ARGS)
docs: setup ## generate the procedure catalogue and the plugin reference
	@python -m opsbook docs $(ARGS)
clean: ## stop the lab, remove the environment and everything generated
	@if [ -x $(BIN)/python ]; then $(BIN)/python -m lab down || true; fi
	@rm -rf $(VENV) .venv-* .nox .lab .cache records build dist .pytest_cache .mypy_cache .ruff_cache .ansible

$(VENV)/.installed: pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -q --disable-pip-version-check uv==0.13.8
	@$(BIN)/uv pip install -q --python $(BIN)/python -c constraints.txt -e '.[lab,notebooks,dev]'
	@touch $@
