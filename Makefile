# The two commands of the README. Everything they need is installed into $(VENV).

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
ARGS ?=

export OMP_NUM_THREADS ?= 1

.PHONY: suite retention efficiency test lint
.NOTPARALLEL:

suite: retention efficiency  ## run the suite on the embedded model

retention: $(VENV)/installed  ## what the compressions keep: two processes side by side
	$(VENV)/bin/pytest suites -q -n 2 -m "not efficiency" $(ARGS)

efficiency: $(VENV)/installed  ## what they gain: one process alone, since it takes timings
	$(VENV)/bin/pytest suites -q -m efficiency --benchmark-quiet $(ARGS)

test: $(VENV)/installed  ## run the project's own tests
	$(VENV)/bin/pytest tests -q -n 2 $(ARGS)

lint: $(VENV)/installed  ## style and types
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install -q -c constraints.txt torch
	$(VENV)/bin/pip install -q -c constraints.txt -e '.[dev]'
	touch $@
