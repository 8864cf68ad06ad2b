# Two commands are enough: `make run` and `make test`. Both set everything up first.
PYTHON ?= python3
# Another Python beside the first: make test PYTHON=python3.13 VENV=.venv-3.13
VENV ?= .venv
BIN := $(VENV)/bin
# uv is used where it is on PATH, else fetched with pip into .tools, beside nothing of yours.
UV := $(or $(shell command -v uv 2>/dev/null),.tools/bin/uv)
# durable_rules calls PyEval_CallObject, which Python 3.13 removed (see README, "Plain pip").
export CPPFLAGS := -DPyEval_CallObject=PyObject_CallObject $(CPPFLAGS)

.PHONY: run test test-long smoke check format schemas patterns screenshots setup bench bench-signals bench-telling bench-pages lock clean

run: setup
	$(BIN)/narvara demo

# On up to four cores; what shares costly work stays together (xdist_group).
test: setup
	$(BIN)/python -m pytest -q -n auto --maxprocesses 4 --dist loadgroup

test-long: setup
	$(BIN)/python -m pytest -q -m long

# Builds the images, runs docker-compose.yml, and sees a file go in and a mail come out.
smoke: setup
	$(BIN)/python -m pytest -q -m compose

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# What editors know of the config files, from the models that check them.
schemas: setup
	$(BIN)/python -m services.schemas

# docs/patterns.md, after numbers of the rulebook or words changed.
patterns: setup
	$(BIN)/python -m services.patterns_page

# docs/img/pages, after a page changed; needs a Chromium.
screenshots: setup
	$(BIN)/python -m tests.browser.screenshots

bench: setup
	$(BIN)/python -m tests.bench.live_path; live=$$?; $(BIN)/python -m tests.bench.back_test && exit $$live

# What the rulebook finds, how soon and at what noise, on simulated schools.
bench-signals: setup
	$(BIN)/python -m tests.bench.cohorts

# How fast a municipality's digests leave, and what 100,000 messages that wait cost.
bench-telling: setup
	$(BIN)/python -m tests.bench.telling

# What pages cost at a school of 400 pupils, and whether 200 visitors at once are served.
bench-pages: setup
	$(BIN)/python -m tests.bench.pages

setup: $(VENV)/installed

# Compiled once here, so that no process compiles anew where Python may not write beside its
# sources: that takes some two seconds of each start.
$(VENV)/installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "$(PYTHON) is too old: NärVara needs Python 3.11 or newer; name one with make PYTHON=..." >&2; exit 1; }
	@test -x "$(UV)" || $(PYTHON) -m pip install --quiet --disable-pip-version-check --target .tools uv
	test -x $(BIN)/python || $(UV) venv --quiet --python "$$(command -v $(PYTHON))" $(VENV)
	VIRTUAL_ENV=$(VENV) $(UV) pip sync --quiet --require-hashes --compile-bytecode requirements.lock
	VIRTUAL_ENV=$(VENV) $(UV) pip install --quiet --no-deps --editable .
	$(BIN)/python -m compileall -q services shared tests
	@touch $@

# The lock names packages, versions and hashes, and no index.
lock:
	env -u PIP_FIND_LINKS $(UV) pip compile --quiet --universal --all-extras --generate-hashes \
	  --no-emit-index-url --python-version 3.11 --upgrade pyproject.toml -o requirements.lock

clean:
	rm -rf .venv .venv-* .tools .data
