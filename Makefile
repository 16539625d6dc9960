# `make help` lists what can be made. ARGS goes to the command: make train ARGS="model=conv optim.lr=1e-3"
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
READY := $(VENV)/.ready
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help pretrain train evaluate export predict serve neighbours compare bench curve load browser test check docs format wheel clean

help:  ## Show this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 18

# Made once, and again only when what is to be installed changes. What compiles is pinned, too: older pips take it from the
# first variable, newer ones from the second. Nothing is compiled yet, since pip would hide why it could not be.
$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	PIP_CONSTRAINT=constraints.txt PIP_BUILD_CONSTRAINT=constraints.txt TITLECLF_PURE=1 \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

# Seconds, without network: what is editable is compiled beside its source. So is bytecode, which pip makes of all else:
# where Python must not write it (as in many containers), each start would take the time again.
$(READY): $(INSTALLED) hatch_build.py $(wildcard src/titleclf/runtime/*.pyx)
	$(BIN)/python -m hatchling build --target wheel:editable --directory $(VENV)/editable
	$(BIN)/python -m compileall -q src
	@touch $@

train: $(READY)  ## Train on data/titles.csv, or with ARGS="data.path=my.csv"
	@$(BIN)/python -m titleclf.train $(ARGS)

pretrain: $(READY)  ## Pre-train embeddings on titles without labels: ARGS="titles=my.txt"
	@$(BIN)/python -m titleclf.pretrain $(ARGS)

evaluate: $(READY)  ## Judge the newest model: ARGS="path=my.csv"
	@$(BIN)/python -m titleclf.evaluate $(ARGS)

export: $(READY)  ## Copy the newest model out: ARGS="output=my-model"
	@$(BIN)/python -m titleclf.export $(ARGS)

predict: $(READY)  ## Tell categories: ARGS='"Match of the Day" Tagesschau'
	@$(BIN)/python -m titleclf.predict $(ARGS)

serve: $(READY)  ## Serve the page: ARGS="--watch guide.xml.gz"
	@$(BIN)/python -m titleclf.serve $(ARGS)

neighbours: $(READY)  ## List what a model finds alike: ARGS='"Match of the Day" --picture map.png'
	@$(BIN)/python scripts/neighbours.py $(ARGS)

compare: $(READY)  ## Measure the models beside TF-IDF + SVC on the same split
	@$(BIN)/python scripts/compare.py $(ARGS)

bench: $(READY)  ## Judge titleclf, fastText and TF-IDF + SVC on clean and spoilt titles
	@$(BIN)/python scripts/benchmark.py $(ARGS)

curve: $(READY)  ## Measure with how many labels: ARGS="--embeddings my.safetensors"
	@$(BIN)/python scripts/learning_curve.py $(ARGS)

load: $(READY)  ## Ask the service for titles with 200 clients for three minutes
	@$(BIN)/python scripts/load_serve.py $(ARGS)

browser:
	@scripts/install_browser.sh

# A process a core: more threads in each would only wait for one another.
test: $(READY) browser  ## Run the tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(or $(ARGS),--numprocesses auto --dist worksteal --cov-fail-under=95)

# mkdocs without --quiet, which would hide the warnings that strict mode counts.
check: $(READY)  ## Lint, check format, types, titles and the documentation's links
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/python scripts/check_titles.py data/titles.csv > /dev/null
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --site-dir $(abspath $(VENV))/site

docs: $(READY)  ## Build the documentation into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build

format: $(READY)  ## Format the code
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

wheel: $(READY)  ## Build the wheel into dist/: for this machine, or with TITLECLF_PURE=1 for all
	$(BIN)/python -m build --wheel --no-isolation

clean:  ## Remove the environment and what tools left; outputs/ stays
	rm -rf $(VENV) dist site src/titleclf/runtime/*.so .coverage .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
