# lagmon's own commands. `make` alone lists them; each makes what it needs first.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

# The services and the tests' workers start some hundred times: none of them compiles all anew.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help demo tools manifests test check bench soak docs up down format lock release audit clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): pyproject.toml requirements/dev.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; set PYTHON=")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

demo: $(READY)  ## the whole story on embedded Kafka and Postgres; KEEP=1 leaves it running
	$(BIN)/python -m demo $(if $(filter-out 0,$(KEEP)),--keep)

tools:  ## fetch helm, kustomize, kubeconform, actionlint (Go), Grafana's types (npm), for tests
	GOBIN=$(CURDIR)/.tools/bin go install helm.sh/helm/v3/cmd/helm@v3.22.0
	GOBIN=$(CURDIR)/.tools/bin go install sigs.k8s.io/kustomize/kustomize/v5@v5.7.1
	GOBIN=$(CURDIR)/.tools/bin go install github.com/yannh/kubeconform/cmd/kubeconform@v0.8.0
	GOBIN=$(CURDIR)/.tools/bin go install github.com/rhysd/actionlint/cmd/actionlint@v1.7.12
	mkdir -p .tools/grafana
	cp tests/deploy/grafana_types/package*.json .tools/grafana
	npm ci --prefix .tools/grafana --ignore-scripts --no-audit --no-fund
	ln -sf ../grafana/node_modules/.bin/tsc .tools/bin/tsc

manifests: $(READY)  ## write rules and version anew into deploy/kubernetes and deploy/helm
	$(BIN)/python deploy/manifests.py

test: $(READY)  ## every test, JOBS=3 files at once; what a machine lacks is skipped and named
	$(BIN)/pytest -n $(or $(JOBS),3) --dist loadfile --no-loadscope-reorder $(ARGS)

check: $(READY)  ## format, lint, types, import contracts
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(READY)  ## run benchmarks/$(NAME).py, for example NAME=propagation
	$(BIN)/python benchmarks/$(or $(NAME),$(error which one? make bench NAME=propagation)).py

soak: $(READY)  ## random faults on a whole stack for SECONDS=600, in the order of SEED=
	$(BIN)/python -m tests.faults.soak --seconds $(or $(SECONDS),600) $(if $(SEED),--seed $(SEED))

docs: $(READY)  ## build the site of docs/ into site/; a warning is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

up:  ## start the stack with docker compose and wait until it serves; PROFILE=full: with Grafana, Loki and exporters
	@docker compose version > /dev/null 2>&1 || { echo 'Docker with its compose plugin is needed; without Docker there is: make demo' >&2; exit 1; }
	sh deploy/secrets.sh
	docker compose $(if $(PROFILE),--profile $(PROFILE) )up --build --detach --wait

down:  ## stop the stack; its data stays
	docker compose --profile full down

format: $(READY)  ## let ruff rewrite what it can
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

lock: $(READY)  ## compile requirements/*.txt anew from pyproject.toml
	$(BIN)/uv pip compile pyproject.toml --all-extras $(LOCK) -o requirements/runtime.txt
	$(BIN)/uv pip compile pyproject.toml --all-extras --group dev $(LOCK) -c requirements/runtime.txt -o requirements/dev.txt
	$(BIN)/uv pip compile --group build $(LOCK) -c requirements/dev.txt -o requirements/build.txt
	$(BIN)/uv pip compile --group audit $(LOCK) -c requirements/dev.txt -o requirements/audit.txt

release: $(READY)  ## build dist/ from the commit: wheel, source, SBOM and sums, and check them
	rm -rf dist
	.ci/release dist

audit:  ## ask the advisory service about all that is locked for a service
	$(PYTHON) -m venv .tools/audit
	.tools/audit/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/audit.txt
	.tools/audit/bin/pip-audit --strict --require-hashes --disable-pip -r requirements/runtime.txt

LOCK = --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
        --no-emit-find-links --no-annotate --no-header --prerelease=if-necessary-or-explicit

clean:  ## remove the virtual environment and every cache
	rm -rf $(VENV) .tools .cache .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
