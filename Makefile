# make demo and make test are all a newcomer needs; each makes its own .venv and installs into it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= 2
HOURS ?= 0.1

.PHONY: demo test test-all test-slow test-costly test-stacks test-site test-tiny test-pythons test-gpu check types
.PHONY: docs bench fuzz clean

demo: $(VENV)/.demo
	$(BIN)/python examples/quickstart.py

# In two processes, as LLVM never gives back the memory of a kernel that it has compiled. They share
# the machine code on disk. A failure is shown at once, so that a run that is cut short names it.
# A worker that has nothing left takes tests of the other, as some take minutes.
# With UNTIL, seconds since 1970, what has not begun by then is skipped, and counted.
PYTEST := $(BIN)/python -m pytest --instafail -n $(WORKERS) --dist worksteal $(UNTIL:%=--until %)
BATTERIES := tests/check tests/learner tests/learners tests/stacks tests/torch tests/transforms
define run_tests
export LEARNERDSL_CACHE_DIR=$${LEARNERDSL_CACHE_DIR:-$(CURDIR)/$(VENV)/cache} && \
$(PYTEST) -m "$(1)" $(BATTERIES) && \
$(PYTEST) -m "$(1)" $(BATTERIES:%=--ignore=%)
endef
# That no test is left is no failure here: pytest says so with a status of 5.
define run_simulated
NUMBA_ENABLE_CUDASIM=1 $(PYTEST) -m "$(1)" tests/simulator || [ $$? = 5 ]
endef

# CUDA is tested without a GPU: its PTX runs on the CPU, and a second process simulates it.
test: check types
	$(call run_tests,not slow)
	$(call run_simulated,not slow)

test-all: test test-slow test-costly

# What test leaves out.
test-slow: $(VENV)/.test
	$(call run_tests,slow and not costly)
	$(call run_simulated,slow and not costly)

# What both leave out: in tests of shared parts, most builtins that are made as others are.
test-costly: $(VENV)/.test
	$(call run_tests,costly)
	$(call run_simulated,costly)

# What people train with, in an environment of its own. DeepSpeed and torchao are left out, and their
# tests skipped, where they do not install within two minutes. In one process, as the ranks of two tests
# of DeepSpeed would find each other's shared memory.
test-stacks: $(VENV)/stacks/.ready
	$(VENV)/stacks/bin/python -m pytest tests/stacks tests/jax/test_libraries.py

$(VENV)/stacks/.ready: pyproject.toml
	$(PYTHON) -m venv $(VENV)/stacks
	$(VENV)/stacks/bin/python -m pip install --quiet torch==2.13.0
	$(VENV)/stacks/bin/python -m pip install --quiet --editable ".[jax,jax-stacks,stacks,torch]" pytest
	-timeout 120 $(VENV)/stacks/bin/python -m pip install --quiet torch==2.13.0 torchao
	-timeout 120 $(VENV)/stacks/bin/python -m pip install --quiet torch==2.13.0 deepspeed
	touch $@

# The pages, in out/site: open index.html, no server is needed. The warning is about a later MkDocs.
docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

# Every page in a browser (Debian: apt install chromium); without one, links and formulas alone.
test-site: docs
	LEARNERDSL_SITE=out/site $(BIN)/python -m pytest tests/website

# For a hook before commits.
test-tiny: $(VENV)/.test
	$(BIN)/python -m pytest tests/test_tiny.py

# On the oldest and the newest Python that pyproject.toml promises, where they are installed.
PYTHONS ?= python3.10 python3.13
test-pythons: $(PYTHONS:%=$(VENV)/%/.tested)

$(VENV)/%/.tested: pyproject.toml $(shell find learnerdsl tests -name '*.py' -not -path '*/golden/*')
	$* -m venv $(VENV)/$*
	$(VENV)/$*/bin/python -m pip install --quiet . hypothesis pytest pytest-xdist
	$(VENV)/$*/bin/python -m pytest tests/test_tiny.py tests/test_elementary.py tests/test_monoids.py
	touch $@

# On a machine with a GPU.
test-gpu: $(VENV)/.test
	$(BIN)/python -m pytest -m gpu tests/gpu

check: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(VENV)/.test
	$(BIN)/pyright --pythonpath $(BIN)/python

bench: $(VENV)/.test
	$(BIN)/python -m benchmarks

# Random rules by three judges, for HOURS; findings are scripts in out/fuzz.
fuzz: $(VENV)/.test
	PYTHONPATH=tests $(BIN)/python -m fuzz --hours $(HOURS)

clean:
	rm -rf $(VENV) out

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

$(VENV)/.demo: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable ".[examples]"
	touch $@

$(VENV)/.docs: $(VENV)/.test
	$(BIN)/python -m pip install --quiet --editable ".[docs]"
	touch $@

# Torch by its exact version: a plain "torch" may bring gigabytes of CUDA packages. Of timm the tests
# use learners alone, so what its models need stays out.
$(VENV)/.test: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet torch==2.13.0
	$(BIN)/python -m pip install --quiet --editable ".[cli,cntk,cuda,examples,fit,jax,peers,test,torch]"
	$(BIN)/python -m pip install --quiet --no-deps timm
	touch $@
