# Two commands matter: `make demo` shows a day of three hosts, `make test` proves the house.
# Needs Debian's or Ubuntu's python3-dev python3-venv g++ make; everything else goes into .venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DECLARED := pyproject.toml setup.py
SOURCES := $(shell find mediation -name '*.pyx' -o -name '*.pxd' -o -name '*.hpp')

.PHONY: demo test lint format bench build clean
.NOTPARALLEL:

demo: $(VENV)/.installed $(VENV)/.compiled
	$(BIN)/mediation demo

test: $(VENV)/.installed-test $(VENV)/.compiled
	$(BIN)/python -m pytest

lint: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/cython-lint --no-pycodestyle mediation

format: $(VENV)/.installed-test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.installed-test $(VENV)/.compiled
	$(BIN)/python -m benchmarks

build: $(VENV)/.installed-test
	$(BIN)/python -m build

clean:
	rm -rf build dist *.egg-info $(VENV)
	find mediation -name '*.so' -delete

# The stamps decide, not the folder: a .venv that stands there already is completed, not trusted.
$(VENV)/.tools: $(DECLARED)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet "setuptools>=80" "cython>=3.2"
	touch $@

# An editable install compiles the extensions beside their sources; so both stamps vouch for `.compiled` too.
$(VENV)/.installed: $(VENV)/.tools
	$(BIN)/pip install --quiet --no-build-isolation -e .
	touch $@ $(VENV)/.compiled

$(VENV)/.installed-test: $(VENV)/.tools
	$(BIN)/pip install --quiet --no-build-isolation -e ".[test]"
	touch $@ $(VENV)/.installed $(VENV)/.compiled

# After an edit only what changed is compiled again.
$(VENV)/.compiled: $(SOURCES)
	$(BIN)/python setup.py --quiet build_ext --inplace
	touch $@
