# Needs only make and a python3 of 3.10 or newer with venv; everything else is installed into .venv.
#
#     make test             the whole suite on the default Python
#     make test PY=3.12     the same on another one, in .venv-3.12
#     make check test e2e   what CI runs, with `make test-matrix`

PY ?=
# Test processes. 0 runs everything in one process, for a debugger.
JOBS ?= 2
# More arguments for pytest: make test ARGS="-k cache -x"
ARGS ?=
PYTHONS := 3.10 3.11 3.12 3.13

FIND_PYTHON := sh scripts/find_python.sh
DEFAULT_PY := $(shell python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)
VENV := .venv$(if $(filter-out $(DEFAULT_PY),$(PY)),-$(PY))
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
BASE_STAMP := $(VENV)/.base

# A skipped test is a failed test in every target here: see tests/support/no_skips.py.
PYTEST := PYTHONPATH=tests $(BIN)/python -m pytest -p support.no_skips
PARALLEL := -n $(JOBS) --dist loadfile

.DEFAULT_GOAL := help
.PHONY: help venv venvs sync format check test test-twin test-matrix e2e slow bench bench-smoke demo docs clean distclean

help: ## show the targets
	@sed -n 's/^\([a-z][a-z0-9-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 24

$(STAMP): pyproject.toml setup.py scripts/find_python.sh
	@python=$$($(FIND_PYTHON) $(PY)) && echo "creating $(VENV) with $$python" && "$$python" -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@ $(BASE_STAMP)

venv: $(STAMP) ## create or update the environment of PY

venvs: ## create or update the environments of all supported Pythons
	@set -e; for version in $(PYTHONS); do $(MAKE) --no-print-directory venv PY=$$version; done

sync: $(STAMP) ## generate the blocking twin
	$(BIN)/python scripts/gen_sync.py

format: $(STAMP) ## format and sort what ruff can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

check: $(STAMP) ## the twin is current, ruff and mypy have nothing to say
	$(BIN)/python scripts/gen_sync.py --check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: $(STAMP) ## the whole suite: wheels only, no root
	$(PYTEST) $(PARALLEL) $(ARGS)

test-twin: $(STAMP) ## the core and the behaviour of both faces
	$(PYTEST) $(PARALLEL) tests/core tests/_async tests/_sync $(ARGS)

test-matrix: ## test-twin on all supported Pythons; a missing one is a failure
	@set -e; for version in $(PYTHONS); do \
		echo "== Python $$version"; \
		$(MAKE) --no-print-directory test-twin PY=$$version; \
	done

e2e: $(STAMP) ## against system and npm parts, which this installs
	bash scripts/e2e_setup.sh
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[cluster]'
	$(PYTEST) tests/e2e $(ARGS)

slow: $(STAMP) ## kills, long fuzzing, long outages: up to 60 minutes
	$(PYTEST) --timeout=3600 tests/slow $(ARGS)

bench: $(STAMP) ## measure all, or ARGS="compare tokens async_call"; docs/performance.md says what was found
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[bench]'
	$(BIN)/python benchmarks/run.py $(ARGS)

bench-smoke: $(STAMP) ## the comparison in seconds, to see that it runs: prints ratios, judges none
	$(BIN)/python benchmarks/compare.py --smoke

# The demo needs the library alone: a newcomer does not wait for what only tests need.
$(BASE_STAMP): pyproject.toml setup.py scripts/find_python.sh
	@python=$$($(FIND_PYTHON) $(PY)) && echo "creating $(VENV) with $$python" && "$$python" -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

demo: $(BASE_STAMP) ## an agent on both faces: against the real API where OPENAI_API_KEY is set, else a fake one
	@$(BIN)/python examples/demo.py

docs: $(STAMP) ## the documentation as a site in build/site; warnings are errors
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[docs]'
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

clean: ## remove what was built or cached; the environments stay
	rm -rf build dist cache .mypy_cache .ruff_cache .pytest_cache .hypothesis src/*.egg-info
	find src tests scripts examples benchmarks -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

distclean: clean ## remove the environments as well
	rm -rf .venv .venv-*
