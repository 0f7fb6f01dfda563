# `make demo` and `make test` need Python 3.11 or newer and nothing else: both make the environment first.
PYTHON ?= python3
VENV ?= .venv
# Versions to hold pip to, such as tests/constraints/oldest.txt; none: the newest that setup.cfg allows.
CONSTRAINTS ?=
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PYTEST = $(BIN)/python -m pytest
SUITE = $(PYTEST) --cov --cov-report=term --numprocesses auto --maxprocesses 4 --dist loadfile

.DEFAULT_GOAL := help
.PHONY: help demo docs web test test-slow test-web test-oldest gpu-report lint venv wheel clean results results-quick

help: ## what there is (this)
	@echo 'Usage: make TARGET, with Python 3.11 or newer. The first target installs into $(VENV), some 6 GB, once.'
	@echo
	@sed -n 's/^\([a-z-]*\):[^#]*## /  \1|/p' $(firstword $(MAKEFILE_LIST)) | awk -F'|' '{ printf "%-15s %s\n", $$1, $$2 }'
	@echo
	@echo 'PYTHON=python3.12 takes another Python.'

# Built from scratch whenever what is to be installed changes.
$(READY): setup.cfg setup.py pyproject.toml $(CONSTRAINTS)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed, $(PYTHON) is older: make PYTHON=python3.12 ..."; exit 1; }
	@echo "Installing torch, mmsegmentation, sktime and the rest into $(VENV): some 6 GB, of which 3 GB are downloaded;"
	@echo "2 minutes where the network and disk are fast, 15 where they are slow. Once: later calls find it there."
	rm -rf $(VENV)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --progress-bar on $(if $(CONSTRAINTS),--constraint $(CONSTRAINTS)) --editable '.[all]'
	@touch $(READY)

venv: ## install into .venv what all the others need
	@if $(MAKE) --question --no-print-directory $(READY) 2>/dev/null; then \
	  echo "Nothing to install: $(VENV) has it all."; else $(MAKE) --no-print-directory $(READY); fi

demo: venv ## train UPerNet on rendered scenes, on CPU, and draw what it sees (5 minutes): demo/scenes.png
	@echo "Training a segmentor for some 4 minutes, with progress, then testing and drawing it."
	$(BIN)/python tools/demo_scenes.py --out demo

web: venv ## open a page to try the models on: pictures, series, inside (stop it with Ctrl-C)
	@$(BIN)/python -c 'import gradio, plotly' 2>/dev/null || $(BIN)/python -m pip install '.[demo]'
	$(BIN)/python tools/web.py --browser

lint: venv ## check style, imports and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports setup.cfg --no-logo
	$(BIN)/mypy

test: lint ## lint, run the tests (6 to 9 minutes on two cores)
	@echo "Running some 3,200 tests: 6 to 9 minutes on two cores."
	$(SUITE)

test-slow: venv ## run what `make test` leaves out (10 minutes on two cores)
	$(PYTEST) -m slow

test-web: venv ## use the page in Chromium, as a person would (3 minutes); says what to install if it is not there
	$(PYTEST) -m web tests/tools/web

test-oldest: ## run the tests with the oldest versions that setup.cfg allows, in .venv-oldest
	@$(MAKE) --no-print-directory venv VENV=.venv-oldest CONSTRAINTS=tests/constraints/oldest.txt
	.venv-oldest/bin/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile

gpu-report: venv ## measure what only a GPU tells, in 20 minutes: docs/results/gpu.json
	$(BIN)/python tools/research/gpu_report.py

# Data for `make results`, and how long it begins new runs: it goes on where it stopped, however often it is called.
DATA ?=
HOURS ?= 1.5
JOBS ?= 2
COMPARE = $(BIN)/python tools/research/compare.py

# If something breaks the rest is reported all the same.
results-quick: venv ## a reduced report of what the project claims (20 minutes; DATA=folder for more): results_quick.md
	$(COMPARE) run --quick --out results_quick --jobs $(JOBS) $(if $(DATA),--data $(DATA)); code=$$?; \
	  $(COMPARE) report --quick --out results_quick && exit $$code

results: venv ## the whole report, for HOURS hours, from where the last call stopped: docs/results.md
	$(COMPARE) run --hours $(HOURS) --jobs $(JOBS) $(if $(DATA),--data $(DATA)); code=$$?; \
	  $(COMPARE) report && exit $$code

# Its extra is installed once, from the network; building needs none.
DOCS_READY := $(VENV)/.docs
$(DOCS_READY): $(READY)
	$(BIN)/python -m pip install --editable '.[docs]'
	@touch $(DOCS_READY)

docs: $(DOCS_READY) ## build the documentation as a site (half a minute): site/index.html
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict
	@echo "Open site/index.html. For its search: $(BIN)/python -m http.server --directory site, then http://localhost:8000"

wheel: venv ## build a wheel: dist/
	$(BIN)/python -m build --wheel

clean: ## remove what the others made
	rm -rf .venv .venv-oldest build dist demo site results_quick results_quick.md *.egg-info
