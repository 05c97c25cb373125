# Every target makes its own environment first; nothing but Python 3.11+ with pip and make is needed.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: help setup demo quick test lint format types check lock clean

help:            ## show this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

setup: .venv/ready  ## make .venv from the lock files

.venv/ready: requirements.lock requirements-cpu.lock requirements-cuda.lock pyproject.toml
	@$(PYTHON) scripts/setup.py

demo: .venv/ready  ## score 1000 Genomes variants and embed windows with hexamer-tiny
	@$(BIN)/python demo/run.py

quick: .venv/ready  ## run the tests that take a minute: commands, docs, errors, tokens
	$(BIN)/python -m pytest -q tests/cli tests/test_docs.py tests/test_errors.py tests/tokens

test: .venv/ready  ## run the tests
	$(BIN)/python -m pytest -q

lint: .venv/ready  ## check style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: .venv/ready  ## mend style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: .venv/ready  ## check types
	$(BIN)/mypy

check: test lint types  ## all that CI runs

lock: .venv/ready  ## remake the lock files (needs uv)
	$(BIN)/python scripts/lock.py

clean:           ## remove what was made here
	rm -rf .venv demo-out dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
