# `make demo` shows it, `make test` proves it; both do their own set-up on Debian 12+ / Ubuntu 22.04+.
SHELL := /bin/sh
.DEFAULT_GOAL := help
BIN := .venv/bin
HOSTS ?= 2
LAB := $(BIN)/python -m tests.lab
# A seed host is a real machine to the tests; without root there is none.
PYTEST := $(BIN)/python -m pytest

.PHONY: help setup demo test check lab-up lab-stack lab-down lab-ssh lab-status bench lock

help:  ## what there is
	@sed -n 's/^\([a-z-]*\):.*## /  make \1|/p' Makefile | column -t -s '|'

setup: .venv/.ready  ## a virtual environment with the locked dependencies

.venv/.ready: requirements/dev.lock requirements/tools.lock
	@./requirements/setup
	@touch $@

demo: setup  ## boot a host, converge it, ask it a question, converge it again
	@$(BIN)/python -m tests.demo

test: setup check  ## everything: gate, unit tests, then real hosts
	$(PYTEST) -n 2 --dist loadfile

check: setup  ## the gate: ruff, mypy, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check --quiet .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache | tail -n 4

bench: setup  ## speed of planning, of a run with nothing to do and of host to host, as ratios
	@$(BIN)/python -m bench.planning
	@$(BIN)/python -m bench.noop
	@$(BIN)/python -m bench.spread

lab-up: setup  ## boot hosts: make lab-up HOSTS=3
	@$(LAB) up $$(i=1; while [ $$i -le $(HOSTS) ]; do [ $$i = 2 ] && echo lab$$i=rtx4090 || echo lab$$i=cpu; i=$$((i + 1)); done)

lab-stack: setup  ## a stack of the catalog on a host of its kind: make lab-stack STACK=velesio, perhaps HOSTS="a=cpu b=rtx4090"
	@$(LAB) stack $(STACK) $(if $(filter command line,$(origin HOSTS)),$(HOSTS))

lab-down: setup  ## end everything that lab-up started
	@$(LAB) down

lab-ssh: setup  ## a shell on a host: make lab-ssh HOST=lab1
	@$(LAB) ssh $(HOST)

lab-status: setup  ## the hosts that run
	@$(LAB) status

lock: setup  ## resolve the dependencies again into requirements/*.lock
	$(BIN)/uv pip compile --universal --generate-hashes --python-version 3.11 --no-annotate --no-header --upgrade pyproject.toml -o requirements/run.lock
	$(BIN)/uv pip compile --universal --generate-hashes --python-version 3.11 --no-annotate --no-header --upgrade pyproject.toml --group dev -o requirements/dev.lock
	echo huggingface_hub | $(BIN)/uv pip compile --upgrade --generate-hashes --python-version 3.13 --python-platform linux --no-annotate --no-header - -o gpufleet/catalog/images/fetcher/requirements.txt
	$(BIN)/uv pip compile --no-deps --generate-hashes --no-annotate --no-header requirements/tools.in -o requirements/tools.lock
