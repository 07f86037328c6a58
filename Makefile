# Every target first installs its packages into .venv. PYTHON is the interpreter that makes .venv.
PYTHON ?= python3
BIN := .venv/bin
NODE_MODULES := tests/browser/node_modules tests/services/node/node_modules clients/js/examples/node_modules

.PHONY: run help dev test torture coverage lint format hooks schema lock sbom audit screenshots bench desk clean

run: .venv/local  ## Start the service with demo data (the default target)
	@exec $(BIN)/python -m zapauth.serve --demo

help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-13s%s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

dev: .venv/local  ## Start the service and restart it when a file changes
	@exec $(BIN)/python -m zapauth.serve --demo --reload

test: .venv/dev $(NODE_MODULES)  ## Run the tests; a part of them: TEST_ARGS="tests/users -x"
	@exec $(BIN)/python -m pytest $(TEST_ARGS)

# FAULTS and PEERS take names, or all.
TORTURE = $(if $(FAULTS),.faults $(filter-out all,$(FAULTS)),$(if $(PEERS),.peers $(filter-out all,$(PEERS)), --minutes $(or $(MINUTES),10)))
torture: .venv/$(if $(PEERS),bench,dev)  ## Look for broken promises under faults (docs/proof.md): MINUTES=10, or FAULTS=all, or PEERS=all
	@exec $(BIN)/python -m tests.history$(TORTURE) $(TORTURE_ARGS)

coverage: .venv/dev $(NODE_MODULES)  ## Run the tests, measure coverage, fail below the floor
	@$(BIN)/coverage erase
	@$(BIN)/coverage run -m pytest $(TEST_ARGS)
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report --skip-covered

lint: .venv/dev  ## Check style, types, imports and requirements
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry .

format: .venv/dev  ## Format the code and fix what ruff can fix
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

hooks: .venv/dev  ## Install the pre-commit hooks, which check every commit
	$(BIN)/pre-commit install

schema: .venv/local  ## Write docs/openapi.yaml again
	$(BIN)/python manage.py spectacular --validate --fail-on-warn --file docs/openapi.yaml

# Every lock has all packages, with the hashes of their files for all platforms. All locks have the versions of the first
# one. A version changes only if pyproject.toml requires it, or with LOCK_ARGS=--upgrade.
COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-annotate $(LOCK_ARGS)
LOCK = $(COMPILE) --generate-hashes --custom-compile-command "make lock"
lock: .venv/dev  ## Write locks/ and requirements.txt again, from pyproject.toml
	$(LOCK) pyproject.toml --group bench --output-file locks/bench.txt
	$(LOCK) pyproject.toml --group dev --constraint locks/bench.txt --output-file locks/dev.txt
	$(LOCK) pyproject.toml --group local --constraint locks/bench.txt --output-file locks/local.txt
	$(LOCK) pyproject.toml --constraint locks/bench.txt --output-file locks/image.txt
	{ echo "# A local installation's direct requirements. Written by 'make lock' from pyproject.toml; locks/local.txt has everything."; \
	  $(COMPILE) pyproject.toml --group local --no-deps --no-strip-extras --no-header; } > requirements.txt

sbom: .venv/dev  ## Write sbom.cdx.json: what the production image contains (CycloneDX 1.6)
	@$(BIN)/python -m supply.sbom

# It ends with "Error 1": vulnerable, "Error 2": a broken lock, or "Error 3": the data can't be reached. A proxy or a mirror
# may not pass the data on: AUDIT_ARGS="--vulnerability-service osv".
audit: .venv/dev  ## Look for known vulnerabilities in the locked packages
	@$(BIN)/python -m supply.audit $(AUDIT_ARGS)

screenshots: .venv/dev  ## Take the pictures in docs/ again
	@exec $(BIN)/python -m tests.browser.screenshots

bench: .venv/bench  ## Measure speed (docs/performance.md); a part of it: BENCH_ARGS="--only read,logout"
	@exec $(BIN)/python -m bench $(BENCH_ARGS)

desk: .venv/bench  ## Time the pages of staff and of people with 1.25 million sessions (docs/admin.md)
	@exec $(BIN)/python -m bench.desk $(DESK_ARGS)

clean:  ## Remove all that make installed
	rm -rf .venv $(NODE_MODULES)

# pip installs only files whose hashes are in the lock.
INSTALL = echo "Installing $< into .venv …" && $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<

.venv/local: locks/local.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "ZapAuth needs Python 3.11 or newer; pick one with: make PYTHON=python3.12 …")'
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	@$(INSTALL)
	@touch $@

.venv/dev: locks/dev.txt .venv/local
	@$(INSTALL)
	@touch $@

.venv/bench: locks/bench.txt .venv/dev
	@$(INSTALL)
	@touch $@

# JavaScript packages for the tests. Without npm the tests that need them are skipped.
$(NODE_MODULES): %/node_modules: %/package-lock.json
	@if command -v npm >/dev/null; then cd $* && npm ci --silent --ignore-scripts --no-audit --no-fund; fi
	@mkdir -p $@ && touch $@
