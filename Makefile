# Two commands are enough: `make run` and `make test`. Both set everything up first.
PYTHON ?= python3
BIN := .venv/bin
# uv is used where it is on PATH, else fetched with pip into .tools, beside nothing of yours.
UV := $(or $(shell command -v uv 2>/dev/null),.tools/bin/uv)
# durable_rules calls PyEval_CallObject, which Python 3.13 removed (see README, "Plain pip").
export CPPFLAGS := -DPyEval_CallObject=PyObject_CallObject $(CPPFLAGS)

.PHONY: run test test-long check format setup bench lock clean

run: setup
	$(BIN)/narvara demo

test: setup
	$(BIN)/python -m pytest -q

test-long: setup
	$(BIN)/python -m pytest -q -m long

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: setup
	$(BIN)/python -m tests.bench.live_path

setup: .venv/installed

.venv/installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "$(PYTHON) is too old: NärVara needs Python 3.11 or newer; name one with make PYTHON=..." >&2; exit 1; }
	@test -x "$(UV)" || $(PYTHON) -m pip install --quiet --disable-pip-version-check --target .tools uv
	test -x $(BIN)/python || $(UV) venv --quiet --python "$$(command -v $(PYTHON))" .venv
	VIRTUAL_ENV=.venv $(UV) pip sync --quiet --require-hashes requirements.lock
	VIRTUAL_ENV=.venv $(UV) pip install --quiet --no-deps --editable .
	@touch $@

# The lock names packages, versions and hashes, and no index.
lock:
	env -u PIP_FIND_LINKS $(UV) pip compile --quiet --universal --all-extras --generate-hashes \
	  --no-emit-index-url --python-version 3.11 --upgrade pyproject.toml -o requirements.lock

clean:
	rm -rf .venv .tools .data
