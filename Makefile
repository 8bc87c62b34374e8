# Marque. `make` prints this list. Nothing is needed but Python 3.11 or newer and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
FLASK := $(BIN)/flask --app wsgi
# that share the test files; each may load TensorFlow and start Chromium. One more than two cores:
# tests of servers, browsers and workers wait much
PROCESSES ?= 3

.DEFAULT_GOAL := help
.PHONY: help run test lint format doctor serve-deps dev-deps train bench screenshots lock image clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# ---- the two commands ----

run: serve-deps  ## install, migrate, print the first admin's password, serve on http://127.0.0.1:8000, do background jobs
	@$(FLASK) prepare
	@exec $(FLASK) serve

test: dev-deps  ## install what tests need and run them all; what this machine lacks is skipped by name
	@$(BIN)/python -m pytest -n $(PROCESSES) --dist loadfile --no-loadscope-reorder

# ---- for developers ----

lint: dev-deps  ## ruff, the rules for imports, then mypy: the fast ones first
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports
	@$(BIN)/mypy

format: dev-deps  ## let ruff put the code in order
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

doctor: serve-deps  ## check settings, disk, database and the live model
	@$(FLASK) doctor

train: dev-deps  ## train f1-teams anew: make train DATA="--data DIR --data DIR" WEIGHTS=FILE
	@$(FLASK) model train f1-teams $(DATA) $(if $(WEIGHTS),--weights $(WEIGHTS))

bench: dev-deps  ## measure serving against a plain FastAPI + Keras service on this machine
	@$(BIN)/python -m benchmarks.serve

screenshots: dev-deps  ## take the README's pictures (needs Chromium)
	@$(BIN)/python -m tests.browser.screenshots docs/pictures

lock:  ## pin the newest versions of what pyproject.toml names (needs internet)
	@$(PYTHON) -m venv $(VENV) && $(BIN)/pip install --quiet uv
	@for set in ":requirements-serve.txt" "--extra train:requirements.txt" "--extra train --extra dev:requirements-dev.txt"; do \
	  $(BIN)/uv pip compile --quiet --upgrade pyproject.toml $${set%%:*} --universal --generate-hashes --python-version 3.11 \
	    --custom-compile-command "make lock" -o $${set##*:} || exit 1; done

image:  ## build the container image
	docker build -t marque .

clean:  ## remove what make made; instance/ (your photos) stays
	rm -rf $(VENV) build .pytest_cache .mypy_cache .ruff_cache

# ---- how things are installed: again only when a pinned file changed ----

serve-deps: $(VENV)/.serve
dev-deps: $(VENV)/.dev

$(VENV)/.serve: requirements-serve.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; (3, 11) <= v < (3, 14) or sys.exit("Marque needs Python 3.11, 3.12 or 3.13; this is %d.%d. Set PYTHON=…" % v)'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo "Python's venv module is missing: install python3-venv."; exit 1; }
	@echo "Installing what serving needs into $(VENV) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-serve.txt
	@touch $@

$(VENV)/.dev: requirements-dev.txt $(VENV)/.serve
	@echo "Installing what training and tests need into $(VENV) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@
