# Two commands matter: `make demo` shows a day of three hosts, `make test` proves the house.
# Needs Debian's or Ubuntu's python3-dev python3-venv g++ make valgrind; everything else goes into .venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DECLARED := pyproject.toml setup.py
SOURCES := $(shell find mediation -name '*.pyx' -o -name '*.pxd' -o -name '*.hpp')

.PHONY: demo test lint format bench build faults soak fuzz sanitize tsan coverage differential clean
.NOTPARALLEL:

demo: $(VENV)/.installed $(VENV)/.compiled
	$(BIN)/mediation demo

test: $(VENV)/.installed-test $(VENV)/.compiled
	$(BIN)/python -m pytest --numprocesses auto --dist loadgroup

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

# The durable workspace: every fault that the tests choose from, FAULT_HISTORIES random histories, FAULT_ROUNDS races.
FAULT_HISTORIES ?= 1000000
FAULT_ROUNDS ?= 50

faults: $(VENV)/.installed-test $(VENV)/.compiled
	FAULT_HISTORIES=$(FAULT_HISTORIES) FAULT_ROUNDS=$(FAULT_ROUNDS) FAULT_POINTS=all $(BIN)/python -m pytest \
	    tests/test_workspace_faults.py tests/test_workspace_races.py tests/test_workspace_kills.py \
	    tests/test_workspace_damage.py

# Each target for FUZZ_SECONDS or ten million inputs; what is new is kept in build/fuzz/found, what breaks in build/fuzz.
# Needs Debian's clang-14 libclang-rt-14-dev, or another clang with its run-time library: make fuzz CLANG=clang++
CLANG ?= clang++-14
FUZZ_SECONDS ?= 120
FUZZ_TARGETS := text quoted json numbers encoding dialled memory seen segment ber nested
FUZZ_FLAGS := -std=c++17 -O2 -g -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -Ifuzz/exact -Imediation

fuzz: $(FUZZ_TARGETS:%=build/fuzz/%)
	@set -e; for target in $(FUZZ_TARGETS); do \
	    echo "fuzz: $$target"; mkdir -p build/fuzz/found/$$target; \
	    build/fuzz/$$target -max_total_time=$(FUZZ_SECONDS) -runs=10000000 -max_len=600 -timeout=10 -verbosity=0 \
	        -print_final_stats=1 -artifact_prefix=build/fuzz/$$target- build/fuzz/found/$$target fuzz/corpus/$$target; \
	done

build/fuzz/%: fuzz/%.cpp fuzz/common.hpp fuzz/plan.hpp fuzz/exact/native/pool.hpp fuzz/exact/native/arena.hpp $(SOURCES)
	@mkdir -p build/fuzz
	$(CLANG) $(FUZZ_FLAGS) $< -o $@

# The kernels' tests on extensions that stop at the first bad access, overflow or race. Needs nothing but g++.
BER_TESTS := ber ber_bounded ber_feed ber_items ber_values tap3 ts32298 nested nested_tables \
    $(addprefix asn1_,differential files malformed returns rewrite vectors)
KERNEL_TESTS := $(addprefix tests/test_,$(addsuffix .py,\
    decode malformed source header json_lines dedup history history_merge rate rate_properties money settle column \
    pipeline engine sample_render $(BER_TESTS)))

sanitize: $(VENV)/.installed-test
	.ci/sanitize address,undefined $(KERNEL_TESTS)

tsan: $(VENV)/.installed-test
	.ci/sanitize thread tests/test_engine.py tests/test_pipeline.py tests/test_settle.py

# Which branches of the kernels' headers the tests and the fuzz corpus take, at every instruction set.
coverage: $(VENV)/.installed-test
	.ci/coverage "$(KERNEL_TESTS)" $(FUZZ_TARGETS)

# As many records as one likes through every instruction set, cut and twin; then values of every kind of ASN.1 record
# from encoders that are not ours.
RECORDS ?= 10000000
TWIN_RECORDS ?= 1000000
VALUES ?= 100000
SEED ?= 1
differential: $(VENV)/.installed-test $(VENV)/.compiled
	$(BIN)/python -m tests.differential --records $(RECORDS) --twin $(TWIN_RECORDS) --seed $(SEED)
	$(BIN)/python -m tests.asn1.differential --values $(VALUES) --seed $(SEED)

# A workspace in which files arrive for many days while it is killed again and again. Needs 150 bytes of room a record.
DAYS ?= 90
KILLS ?= 200
soak: RECORDS := 100000000
soak: $(VENV)/.installed-test $(VENV)/.compiled
	$(BIN)/python -m tests.soak --records $(RECORDS) --days $(DAYS) --kills $(KILLS) --seed $(SEED)

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
