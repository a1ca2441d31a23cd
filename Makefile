# make demo    the console on 200 made-up run records (needs Python 3.11+ and make)
# make test    the whole test suite, lint, types and contracts (needs Python 3.11 or 3.12, git, tmux)

SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
DEMO_DIR ?= demo-archive
JOBS ?= 2

PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3.14 python3; do \
	$$p -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { command -v $$p; break; }; done)

.PHONY: install install-test demo test lint bench clean

install: $(VENV)/.installed

install-test: $(VENV)/.installed-test

$(BIN)/pip:
	@test -n "$(PYTHON)" || { echo "No Python 3.11 or newer with venv found (Debian: apt install python3-venv);" \
		"name one: make PYTHON=/path/to/python3.11 ..."; exit 1; }
	@echo "== making the environment $(VENV) with $(PYTHON)"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(BIN)/pip
	@echo "== installing tui-archiver into $(VENV)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	@$(BIN)/python -m compileall -q lib tui_archiver
	@touch $@

$(VENV)/.installed-test: pyproject.toml | $(BIN)/pip
	@echo "== installing tui-archiver, its test servers and its tools into $(VENV)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test]'
	@$(BIN)/python -m compileall -q lib tui_archiver
	@touch $@ $(VENV)/.installed

demo: install
	@echo "== opening the console on made-up run records in $(DEMO_DIR)"
	@$(BIN)/tui-archiver demo --runs 200 --dir $(DEMO_DIR)

test: install-test lint
	@echo "== tests"
	@$(BIN)/python -m pytest -n $(JOBS)

lint: install-test
	@echo "== lint, types, contracts"
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: install-test
	@for b in bench/bench_*.py; do echo "== $$b"; $(BIN)/python $$b || exit 1; done

clean:
	@test ! -d $(DEMO_DIR) || chmod -R u+w $(DEMO_DIR)
	rm -rf $(VENV) $(DEMO_DIR) dist build
