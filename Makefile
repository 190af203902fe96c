# What a developer uses daily. `make check` is what CI runs.
PYTHON := .venv/bin/python

.venv: requirements.txt requirements-dev.txt
	python3 -m venv .venv
	$(PYTHON) -m pip install -q -r requirements.txt -r requirements-dev.txt
	@touch .venv

.PHONY: check format lint types imports migrations test coverage chaos bench demo requirements audit

## Everything CI checks: format, lint, types, import rules, migrations, contract, tests.
check: .venv lint types imports migrations test

## Put every file into the one format.
format: .venv
	$(PYTHON) -m ruff check -q --fix .
	$(PYTHON) -m ruff format -q .

lint:
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m ruff check .

types:
	$(PYTHON) -m mypy .
	$(PYTHON) -m pyright

imports:
	.venv/bin/lint-imports --no-cache

migrations:
	$(PYTHON) manage.py makemigrations --check --dry-run
	$(PYTHON) manage.py schema --check
	$(PYTHON) manage.py check

test:
	$(PYTHON) -m pytest

## What the flows' own tests cover of them: everything.
coverage: .venv
	$(PYTHON) -m pytest -q tests/flows --cov=flows --cov-branch --cov-fail-under=100

## Break all there is, again and again, on both databases: twenty minutes. CHAOS="--seed 7 --runs 2".
chaos: .venv
	$(PYTHON) -m tests.faults $(CHAOS)

## The same work on this server and on others; writes docs/benchmarks.md. BENCH=--quick: two minutes.
bench: bench/.venv
	bench/.venv/bin/python -m bench $(BENCH)

bench/.venv: requirements.txt bench/requirements.txt bench/package.json
	python3 -m venv bench/.venv
	bench/.venv/bin/python -m pip install -q -r requirements.txt -r bench/requirements.txt
	-cd bench && npm install --silent --no-audit --no-fund
	@touch bench/.venv

## A server to try out, on SQLite.
demo: .venv
	$(PYTHON) manage.py demo

## Ask for known vulnerabilities of everything that is pinned: 1 if there are, 3 if nobody could say.
audit: .venv
	$(PYTHON) tools/audit.py

## Pin what requirements.in and requirements-dev.in name.
requirements: .venv
	$(PYTHON) tools/pin.py
