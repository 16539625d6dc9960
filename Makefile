# `make help` lists the targets. ARGS goes to the command: make train ARGS="model=conv optim.lr=1e-3"
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP_INSTALL := $(BIN)/python -m pip install --disable-pip-version-check --constraint constraints.txt
INSTALLED := $(VENV)/.installed
READY := $(VENV)/.ready
DEVELOP := $(VENV)/.develop
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help pretrain train evaluate sweep export predict serve neighbours compare bench curve load browser test coverage test-fast check docs format wheel clean

help:  ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 18

# Installs what training and the service need, again only if pyproject.toml or the pins change. pip uses the build tools
# of the environment, so that they are pinned and installed once. Nothing is compiled yet: pip would hide the error of a
# failing compiler.
$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP_INSTALL) cython hatchling setuptools
	TITLECLF_PURE=1 $(PIP_INSTALL) --no-build-isolation --editable '.[serve,sweep,train]'
	@touch $@

# Takes seconds, without network: compiles the Cython module beside its source, and the package to bytecode, which each
# start would do again where Python must not write bytecode, as in many containers.
$(READY): $(INSTALLED) hatch_build.py $(wildcard src/titleclf/runtime/*.pyx)
	$(BIN)/python -m hatchling build --target wheel:editable --directory $(VENV)/editable
	$(BIN)/python -m compileall -q src
	@touch $@

# Installs what tests, checks, documentation and measurements need in addition. titleclf is already installed: pip adds
# the dependencies of its extra without building it again.
$(DEVELOP): $(INSTALLED) | $(READY)
	$(PIP_INSTALL) 'titleclf[dev]'
	@touch $@

train: $(READY)  ## Train on data/titles.csv, or with ARGS="data.path=my.csv"
	@$(BIN)/python -m titleclf.train $(ARGS)

pretrain: $(READY)  ## Pre-train embeddings on unlabelled titles: ARGS="titles=my.txt"
	@$(BIN)/python -m titleclf.pretrain $(ARGS)

evaluate: $(READY)  ## Evaluate the newest model: ARGS="path=my.csv"
	@$(BIN)/python -m titleclf.evaluate $(ARGS)

sweep: $(READY)  ## Search hyperparameters: ARGS="data.path=my.csv"
	@$(BIN)/python -m titleclf.sweep $(ARGS)

export: $(READY)  ## Export the newest model: ARGS="output=my-model"
	@$(BIN)/python -m titleclf.export $(ARGS)

predict: $(READY)  ## Predict categories: ARGS='"Match of the Day" Tagesschau'
	@$(BIN)/python -m titleclf.predict $(ARGS)

serve: $(READY)  ## Serve the page: ARGS="--watch guide.xml.gz"
	@$(BIN)/python -m titleclf.serve $(ARGS)

neighbours: $(DEVELOP)  ## List the nearest titles in a model: ARGS='"Match of the Day" --picture map.png'
	@$(BIN)/python -m scripts.neighbours $(ARGS)

compare: $(DEVELOP)  ## Compare the models with TF-IDF + SVC on the same splits
	@$(BIN)/python -m scripts.compare_models $(ARGS)

bench: $(DEVELOP)  ## Compare titleclf, fastText and TF-IDF + SVC on clean and noisy titles
	@$(BIN)/python -m scripts.accuracy $(ARGS)

curve: $(DEVELOP)  ## Measure accuracy by labels: ARGS="--embeddings my.safetensors"
	@$(BIN)/python -m scripts.learning_curve $(ARGS)

load: $(DEVELOP)  ## Measure the service under the load of 200 clients for three minutes
	@$(BIN)/python -m scripts.speed_serve $(ARGS)

browser:  ## Install Chromium for the tests of the page, if there is no browser
	@scripts/install_browser.sh

# One process per core, one thread each: more threads would only wait for one another.
test: $(DEVELOP) browser  ## Run the tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(or $(ARGS),--numprocesses auto --dist worksteal)

# Apart from `test`: tracing takes half as long again.
coverage: $(DEVELOP) browser  ## Run the tests, and refuse code of which they run less than 95 %
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --dist worksteal \
		--cov=titleclf --cov-report=term:skip-covered --cov-fail-under=95

test-fast: $(DEVELOP)  ## Run the tests that take less than a minute together
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not slow" --numprocesses auto --dist worksteal $(ARGS)

# mkdocs without --quiet, which would hide the warnings that strict mode counts.
check: $(DEVELOP)  ## Lint, check format, types, titles and the documentation's links
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/python -m scripts.check_titles data/titles.csv > /dev/null
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --site-dir $(abspath $(VENV))/site

docs: $(DEVELOP)  ## Build the documentation into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build

format: $(DEVELOP)  ## Format the code
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

wheel: $(DEVELOP)  ## Build a wheel into dist/: compiled, or with TITLECLF_PURE=1 for all machines
	$(BIN)/python -m build --wheel --no-isolation

clean:  ## Remove the environment, builds and caches; outputs/ stays
	rm -rf $(VENV) dist site src/titleclf/runtime/*.so .coverage .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
