# Every target makes what it needs first; PYTHON picks the interpreter that makes .venv.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: run dev test lint format schema screenshots bench clean

run: .venv/service
	@exec $(BIN)/python -m zapauth.serve --demo

dev: .venv/service
	@exec $(BIN)/python -m zapauth.serve --demo --reload

test: .venv/tools tests/browser/node_modules
	@exec $(BIN)/python -m pytest $(TEST_ARGS)

lint: .venv/tools
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: .venv/tools
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

screenshots: .venv/tools
	@exec $(BIN)/python -m tests.browser.screenshots

# BENCH_ARGS="--only read,logout --json FILE" is done sooner; docs/performance.md.
bench: .venv/bench
	@exec $(BIN)/python -m bench $(BENCH_ARGS)

schema: .venv/service
	$(BIN)/python manage.py spectacular --validate --fail-on-warn --file docs/openapi.yaml

clean:
	rm -rf .venv tests/browser/node_modules

.venv/service: requirements.txt constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "ZapAuth needs Python 3.11 or newer; pick one with: make PYTHON=python3.12 …")'
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	@echo "Installing requirements.txt into .venv …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -r requirements.txt
	@touch $@

.venv/tools: requirements-dev.txt .venv/service
	@echo "Installing requirements-dev.txt into .venv …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -r requirements-dev.txt
	@touch $@

.venv/bench: bench/requirements.txt .venv/tools
	@echo "Installing bench/requirements.txt into .venv …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -r bench/requirements.txt
	@touch $@

# The browser test's client. Without npm that test is skipped, and says so.
tests/browser/node_modules: tests/browser/package-lock.json
	@if command -v npm >/dev/null; then cd tests/browser && npm ci --silent --ignore-scripts --no-audit --no-fund; fi
	@mkdir -p $@ && touch $@
