# make run | test | check | fmt | bench | e2e | fuzz | crash | mutants | trail
# Needs Python 3.11 or newer with venv; everything else goes into .venv.

SHELL := /bin/sh
# Where it is set, each process of a service compiles the whole service again.
unexport PYTHONDONTWRITEBYTECODE
.DEFAULT_GOAL := help
.PHONY: help run test check fmt bench e2e fuzz crash mutants trail clean

PY := .venv/bin/python
PIP_INSTALL := $(PY) -m pip install --quiet --disable-pip-version-check
PYTEST := $(PY) -m pytest

help:
	@sed -n '1,2s/^# //p' Makefile

# The virtual environment, in two steps: what runs, then what tests.
# A new pip comes first: it needs a third of the time of one that came with Python.
.venv/.runs: requirements.txt requirements-build.txt pyproject.toml tools/find-python
	@python=$$(tools/find-python) && { test -x $(PY) || "$$python" -m venv .venv; }
	@echo "installing what the service needs into .venv"
	@$(PIP_INSTALL) --require-hashes -r requirements-build.txt
	@$(PIP_INSTALL) --require-hashes -r requirements.txt
	@$(PIP_INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

.venv/.tests: .venv/.runs requirements-dev.txt
	@echo "installing what the tests need into .venv"
	@$(PIP_INSTALL) --require-hashes -r requirements-dev.txt
	@touch $@

run: .venv/.runs
	@exec .venv/bin/mailserver demo run var/demo

test: .venv/.tests
	@tools/system-packages
	@$(PYTEST) -n auto --dist loadfile --no-loadscope-reorder

check: .venv/.tests
	@$(PY) -m tools.check

fmt: .venv/.tests
	@$(PY) -m ruff check --fix --quiet . || true
	@$(PY) -m ruff format .

bench: .venv/.tests
	@$(PY) -m bench

e2e: .venv/.tests
	@$(PYTEST) -m e2e

fuzz: .venv/.tests
	@$(PYTEST) --hypothesis-profile=fuzz -k "whatever or fuzz or octet" --timeout 1800

crash: .venv/.tests
	@$(PY) -m tests.crash --kills 200

mutants: .venv/.tests
	@$(PY) -m tools.mutants

trail: .venv/.tests
	@$(PY) -m tools.trail

clean:
	rm -rf .venv var build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
