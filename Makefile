# `make demo` and `make test` need Python 3.11 or newer and nothing else: both make .venv first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test test-slow lint venv wheel clean results results-quick

# Data for `make results`, and how long it begins new runs: it goes on where it stopped, however often it is called.
DATA ?=
HOURS ?= 1.5
JOBS ?= 2
COMPARE = $(BIN)/python tools/compare.py

# Built from scratch whenever what is to be installed changes.
$(READY): setup.cfg pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed, $(PYTHON) is older: make PYTHON=python3.12 ..."; exit 1; }
	rm -rf $(VENV)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[all]'
	touch $(READY)

venv: $(READY)

demo: $(READY)
	$(BIN)/python tools/demo_scenes.py --out demo

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

test: lint
	$(BIN)/python -m pytest --cov --cov-report=term --numprocesses auto --maxprocesses 4 --dist loadfile

test-slow: $(READY)
	$(BIN)/python -m pytest -m slow

# A reduced report, results_quick.md, within 20 minutes; what needs data is run only if DATA is given. If something breaks
# the rest is reported all the same.
results-quick: $(READY)
	$(COMPARE) run --quick --out results_quick --jobs $(JOBS) $(if $(DATA),--data $(DATA)); code=$$?; \
	  $(COMPARE) report --quick --out results_quick && exit $$code

# The whole, docs/results.md.
results: $(READY)
	$(COMPARE) run --hours $(HOURS) --jobs $(JOBS) $(if $(DATA),--data $(DATA)); code=$$?; \
	  $(COMPARE) report && exit $$code

wheel: $(READY)
	$(BIN)/python -m build --wheel

clean:
	rm -rf $(VENV) build dist demo results_quick results_quick.md *.egg-info
