# Two commands: `make run` starts everything on this machine, `make test` proves it. `make help` lists the rest.

PYTHON ?= $(shell for candidate in python3 python3.14 python3.13 python3.12 python3.11; do \
  $$candidate -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$candidate && break; done)
VENV_PYTHON := .venv/bin/python
LOCKS := requirements.txt requirements-stack.txt requirements-dev.txt
INSTALL_OPTIONS := --require-hashes --no-deps $(LOCKS:%=-r %)
LOCK := .venv/bin/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --no-annotate \
  --python-version 3.11
# Most tests wait for real servers, so that more of them than there are processors run side by side, each process with
# servers of its own; those of one file stay together. The longest come first, as they stand. WORKERS=0 runs one by one.
WORKERS ?= 3
SIDE_BY_SIDE := -n $(WORKERS) --dist loadfile --no-loadscope-reorder
# Dozens of processes import the same: what one of them has compiled is kept for the others.
unexport PYTHONDONTWRITEBYTECODE
# Python 3.11 parses source to mark the columns of a traceback, and fails where what is collected as garbage meanwhile has
# one written, too.
export PYTHONNODEBUGRANGES := 1
# Recorded payloads of real channels are read where they are at hand, and Stripe itself is asked where there is a key.
EMPTY :=
AWAY := $(strip $(if $(KONSTRUCT_CORPORA),,corpora) $(if $(KONSTRUCT_TEST_STRIPE_KEY),,live_stripe))
MARKERS := $(if $(AWAY),-m "not ($(subst $(EMPTY) $(EMPTY), or ,$(AWAY)))",)

# In the order in which they matter; each takes about five minutes. BENCH_OPTIONS=--save keeps what they find.
BENCH ?= turn length neighbours idle tenants scaling costs
BENCH_OPTIONS ?=

.DEFAULT_GOAL := help
.PHONY: help run environment lock format lint check test bench faults audit

help:
	@sed -n 's/^\([a-z]*\):.*## /  make \1 - /p' Makefile

run: environment ## start the whole product here; Ctrl-C stops it
	@exec bin/konstruct up --attached

environment: .venv/.ok ## install what it needs into .venv

# The stamp comes last, so an interrupted installation is begun again.
.venv/.ok: $(LOCKS)
	@if [ -z "$(PYTHON)" ]; then echo "Konstruct needs Python 3.11 or newer: install it, or name it with PYTHON=."; exit 1; fi
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "$(PYTHON) cannot be run here, or is older than Python 3.11: name another with PYTHON=."; exit 1; }
	@echo "Making the environment in .venv; the first time this takes a minute or two."
	@[ ! -L .venv ] || rm .venv # A link leads to somebody else's, which would be emptied.
	@$(PYTHON) -m venv --clear .venv
	@awk '/^uv==/ {wanted = 1} wanted {print} wanted && !/\\$$/ {exit}' requirements-dev.txt > .venv/uv.txt
	@if $(VENV_PYTHON) -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r .venv/uv.txt && \
	  .venv/bin/uv pip install --python $(VENV_PYTHON) $(INSTALL_OPTIONS); then :; \
	else echo "uv cannot be used here; pip installs the same, more slowly."; \
	  $(VENV_PYTHON) -m pip install --disable-pip-version-check $(INSTALL_OPTIONS); fi
	@touch $@

lock: environment ## resolve requirements*.in again, with hashes
	$(LOCK) --overrides overrides.in requirements.in -o requirements.txt
	$(LOCK) --overrides overrides.in requirements-stack.in -o requirements-stack.txt
	$(LOCK) requirements-dev.in -o requirements-dev.txt

format: environment ## format the code and mend what can be mended
	.venv/bin/ruff format .
	.venv/bin/ruff check --fix .

lint: environment
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	$(VENV_PYTHON) -m mypy
	.venv/bin/lint-imports

check: lint ## format, lint, types, import contracts and the fast tests
	$(VENV_PYTHON) -m pytest $(SIDE_BY_SIDE) -m "not stack and not corpora and not live_stripe"

# A time limit may pass where the processors are full. What failed beside the others is named, and done again by itself.
test: lint ## everything, with real servers
	@$(VENV_PYTHON) -m pytest $(SIDE_BY_SIDE) $(MARKERS) || { [ $$? -eq 1 ] || exit 1; \
	  echo "Once more, by itself, what failed:" && $(VENV_PYTHON) -m pytest $(MARKERS) --last-failed; }

bench: environment ## measure it: turns, and what they are compared with; BENCH="turn" for some of it
	@for each in $(BENCH); do echo "== benchmarks.$$each $(BENCH_OPTIONS)"; \
	  $(VENV_PYTHON) -m benchmarks.$$each $(BENCH_OPTIONS) || exit 1; done

faults: environment ## kill, stop and cut off everything, in full; takes hours. FAULTS="--only F1 --seed 7" for some of it
	$(VENV_PYTHON) -m tests.faults $(FAULTS)

audit: environment ## list what it is made of, write a bill of materials, and ask for known flaws
	$(VENV_PYTHON) -m tests.architecture.supply
