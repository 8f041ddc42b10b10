# graphc. On a machine with Python 3.11 or newer alone: `make demo`, `make test`.

PYTHON ?= python3
VENV   ?= .venv
OUT    ?= out

BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
DEV    := $(VENV)/.ready-dev

.PHONY: help demo test lint types contract docs bench clean
.DELETE_ON_ERROR:

help:
	@echo 'make demo      the losses of a lecture, gradients checked; kernels and pictures go to $(OUT)/'
	@echo 'make test      the tests; comparisons with torch and JAX skip where those are not installed'
	@echo 'make lint      ruff'
	@echo 'make types     mypy'
	@echo 'make contract  the layers: which part may import which'
	@echo 'make docs      refresh what docs and README show: outputs, tables, pictures'
	@echo 'make bench     value and gradient beside PyTorch, JAX and PyTensor where they are installed; docs/performance.md has more'
	@echo 'make clean     remove the environment, caches and outputs'

demo: $(READY)
	$(BIN)/python -m graphc demo -o $(OUT)

test: $(READY)
	$(BIN)/python -m pytest -n auto --maxprocesses 4 $(TESTS)

lint: $(DEV)
	$(BIN)/ruff check .

types: $(DEV)
	$(BIN)/mypy

contract: $(DEV)
	$(BIN)/lint-imports

docs: $(READY)
	$(BIN)/python docs/refresh.py

bench: $(READY)
	$(BIN)/python -m tests.benchmarks

clean:
	rm -rf $(VENV) $(OUT) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find graphc tests examples docs -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps are made last, so that an interrupted set-up is taken up again; a half-made environment is made anew.
$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo 'graphc needs Python 3.11 or newer, as in: make PYTHON=python3.12 $(MAKECMDGOALS)'; exit 1; }
	@echo 'setting up $(VENV), once'
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --only-binary pygraphviz --editable '.[picture,test]' || { \
	  echo 'Set up without pygraphviz, which does not install here: to draw, install Graphviz (its dot program).'; \
	  $(BIN)/python -m pip install --quiet --editable '.[test]'; }
	@touch $@

$(DEV): $(READY)
	@$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@
