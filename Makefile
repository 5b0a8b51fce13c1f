# Needs only make and a Python >= 3.11. `make` alone lists the targets.
VENV := .venv
BIN := $(VENV)/bin
COURSE := $(BIN)/course
CHAPTER ?= 21
SEEDS ?= 5
WORKERS ?= 2

# The exact versions of the lock; `make test LOCK=` takes the newest that pyproject.toml allows.
LOCK ?= -c requirements.lock

.PHONY: help run lab test lint bench docs notebooks claims clean chromium
.DEFAULT_GOAL := help

help:
	@echo "make run        execute chapter $(CHAPTER) on this machine and show its results (CHAPTER=21 is the default)"
	@echo "make lab        open the course in JupyterLab"
	@echo "make test       run everything that is checked (ends with pytest's summary)"
	@echo "make lint       check style of code and notebooks"
	@echo "make bench      measure speed"
	@echo "make docs       build the course as a website in runs/site"
	@echo "make notebooks  re-execute the chapters whose outputs are out of date"
	@echo "make claims     record chapter $(CHAPTER) over $(SEEDS) seeds and judge the claims"
	@echo "make clean      remove what was generated"

run: $(VENV)/ready
	@$(COURSE) run $(CHAPTER)

lab: $(VENV)/ready
	@$(BIN)/jupyter lab notebooks/00_start_here.ipynb

test: $(VENV)/ready-test lint chromium
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal

lint: $(VENV)/ready-test
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

bench: $(VENV)/ready-test
	@$(BIN)/python -m tests.benchmarks.run_all

docs: $(VENV)/ready
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check $(LOCK) -e ".[docs]"
	@$(BIN)/python -m sphinx -q -c docs . runs/site && echo "runs/site/docs/index.html"

notebooks: $(VENV)/ready
	@$(COURSE) render --stale

claims: $(VENV)/ready
	@$(COURSE) claims run $(CHAPTER) --seeds $(SEEDS) --workers $(WORKERS)
	@$(COURSE) claims report

clean:
	rm -rf runs build dist *.egg-info .pytest_cache .ruff_cache .hypothesis datasets/cache
	find course_lib tests -name __pycache__ -prune -exec rm -rf {} +

# ---- setting up: once, and again only when what is wanted has changed

$(VENV)/ready: pyproject.toml requirements.lock
	@$(MAKE) --no-print-directory $(BIN)/python
	@echo "Installing the course into $(VENV) (a few minutes, once) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check $(LOCK) -e .
	@touch $@

$(VENV)/ready-test: pyproject.toml requirements.lock
	@$(MAKE) --no-print-directory $(BIN)/python
	@echo "Installing the course and what its tests need into $(VENV) (a few minutes, once) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check $(LOCK) -e ".[test]"
	@touch $(VENV)/ready $@

$(BIN)/python:
	@for python in $(PYTHON) python3 python3.14 python3.13 python3.12 python3.11 python; do \
		if command -v $$python >/dev/null 2>&1 && \
			$$python -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
			echo "Creating $(VENV) with $$python ($$($$python --version)) …"; exec $$python -m venv $(VENV); \
		fi; \
	done; \
	echo "The course needs Python 3.11 or newer with venv, and found none." >&2; \
	echo "Install it (Debian/Ubuntu: apt install python3 python3-venv; macOS: brew install python)" >&2; \
	echo "or name it: make run PYTHON=/path/to/python3" >&2; exit 1

# The browser tests drive the system's Chromium; where it cannot be had they are skipped, and say so.
chromium:
	@command -v chromium >/dev/null 2>&1 || command -v chromium-browser >/dev/null 2>&1 || \
		command -v google-chrome >/dev/null 2>&1 || { \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then \
			echo "Installing Chromium for the browser tests …"; \
			{ apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium; } >/dev/null 2>&1 || true; \
		fi; \
		command -v chromium >/dev/null 2>&1 || echo "No Chromium here: the browser tests will be skipped."; }
