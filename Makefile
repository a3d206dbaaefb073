# Every target works on a fresh machine with Python 3.11, make and the package registries.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
UV_VERSION := 0.13.8
STAMP := $(VENV)/.installed

.PHONY: demo up test test-slow lint build bench lock clean clients

$(STAMP): requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "make: $(PYTHON) is not on PATH; set PYTHON=..." >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

# Clients that the tests drive as their users have them: a directory each, with dependencies that .venv has otherwise.
CLIENTS := $(patsubst tests/e2e/clients/%.txt,$(VENV)/clients/%/.installed,$(wildcard tests/e2e/clients/tdutils-*.txt tests/e2e/clients/singer-*.txt))

clients: $(CLIENTS)

$(VENV)/clients/%/.installed: tests/e2e/clients/%.txt | $(STAMP)
	@$(BIN)/uv pip sync --quiet --python $(BIN)/python --target $(@D) --require-hashes $<
	@touch $@

# What each layer installs: the lock file's own versions for the Lambda runtime. The runtime brings boto3 and what boto3
# needs (the list below, which pip would add as dependencies of ours); the other layers leave out what the core layer has.
IN_RUNTIME := boto3 botocore jmespath python-dateutil s3transfer six urllib3
LOCK_LAYER = $(BIN)/uv pip compile pyproject.toml --constraint requirements.lock --generate-hashes --no-header \
	--no-annotate --quiet --python-platform aarch64-manylinux_2_28 --python-version 3.13 --only-binary :all: \
	$(addprefix --no-emit-package ,$(IN_RUNTIME))

lock: $(STAMP)
	$(BIN)/uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --generate-hashes --no-header --quiet -o requirements.lock
	$(LOCK_LAYER) -o layers/core/requirements.txt
	$(LOCK_LAYER) --extra data $$(sed -n 's/^\([a-z0-9-]*\)==.*/--no-emit-package \1/p' layers/core/requirements.txt) -o layers/data/requirements.txt
	$(LOCK_LAYER) --extra events $$(sed -n 's/^\([a-z0-9-]*\)==.*/--no-emit-package \1/p' layers/core/requirements.txt) -o layers/events/requirements.txt
	$(LOCK_LAYER) --extra sql $$(sed -n 's/^\([a-z0-9-]*\)==.*/--no-emit-package \1/p' layers/core/requirements.txt) -o layers/sql/requirements.txt
	for client in tests/e2e/clients/*.in; do $(BIN)/uv pip compile $$client --excludes tests/e2e/clients/excludes.txt \
		--universal --python-version 3.11 --generate-hashes --no-header --quiet -o $${client%.in}.txt || exit; done

build: $(STAMP)
	SAM_CLI_TELEMETRY=0 $(BIN)/sam build

# The import linter reads the packages from where they lie.
PACKAGES := layers/core:layers/data:layers/events:layers/sql:functions

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	PYTHONPATH=$(PACKAGES) $(BIN)/lint-imports
	SAM_CLI_TELEMETRY=0 $(BIN)/sam validate --lint

# The runner's tests come last and by themselves: each of the two processes then has a service of its own running.
test: lint $(CLIENTS)
	$(BIN)/pytest -q -n 2 --dist loadfile -m "not slow" tests/unit tests/contract tests/integration tests/template
	$(BIN)/pytest -q -n 2 --dist loadfile -m "not slow" tests/e2e

# Walks every fault at every AWS call and measures what takes long; looks for counterexamples that nobody has tried yet.
test-slow: $(STAMP) $(CLIENTS)
	$(BIN)/pytest -q -m slow --hypothesis-profile=searching tests
	$(BIN)/pytest -q -n 2 -m "not slow" --hypothesis-profile=searching tests/unit tests/contract

# Some ten minutes: beside the bare libraries, loads by key, many small files beside few large ones, and one file of 5 GB.
bench: $(STAMP)
	$(BIN)/python -m tests.bench
	$(BIN)/python -m tests.bench.loads
	$(BIN)/python -m tests.bench.many
	$(BIN)/python -m tests.bench.large

clean:
	rm -rf $(VENV) .local .aws-sam .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

# Shows the whole service on real data, checks what comes out, and stops.
demo: $(STAMP)
	@$(BIN)/python -m local demo

up: $(STAMP)
	@exec $(BIN)/python -m local up
