# Every target brings what it needs (scripts/setup.sh), skips what is there, and says what it does.
.DEFAULT_GOAL := help
.PHONY: help setup install demo test coverage faults attacks nova mysql rules lock siege fuzz bench docs wheel images lint format clean

ARGS ?=
PREFIX ?= /opt/musterd
EXTRAS ?=
export PYTHON

help:  ## list these commands
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' Makefile | expand -t 16

setup:  ## bring everything: .venv, pinned packages, servers for the tests
	@scripts/setup.sh test
	@echo "setup: all there; go on with make demo, make test or make lint"

install:  ## put musterd into /opt/musterd, or e.g. PREFIX=/srv/musterd; for MariaDB EXTRAS=mysql
	@scripts/setup.sh install $(PREFIX) $(EXTRAS)
	@echo "install: there is $(PREFIX)/bin/musterd"

demo:  ## watch a small fleet fail and recover, e.g. ARGS='--members 500', or ARGS=--nova
	@scripts/setup.sh $(if $(findstring --nova,$(ARGS)),nova,demo)
	@.venv/bin/musterd demo $(ARGS)

test:  ## run all tests on real servers, and measure; or some, e.g. ARGS='-k memcached'
	@scripts/setup.sh test
	$(if $(strip $(ARGS)),,MEASURE=build/coverage.json) .venv/bin/pytest -n 4 --dist worksteal $(ARGS)

coverage:  ## run all tests and say what no test takes, daemons included, twice as slow
	@scripts/setup.sh test
	rm -rf build/coverage
	mkdir -p build/coverage
	.venv/bin/coverage run -m pytest -n 4 -o time_limit=120 $(ARGS)
	.venv/bin/coverage combine -q
	.venv/bin/coverage report

faults:  ## break all there is to break, for an hour, and write docs/faults.md; or ARGS=--locked
	@scripts/setup.sh faults
	rm -rf build/faults
	mkdir -p build/faults
	FAULTS_RESULTS="$(CURDIR)/build/faults" .venv/bin/pytest -n 4 tests/faults tests/attacks --faults full $(ARGS)
	.venv/bin/python -m tests.faults.report build/faults docs

attacks:  ## do what one hostile or clumsy neighbour can do, five minutes; or ARGS=--locked
	@scripts/setup.sh test
	.venv/bin/pytest -n 3 tests/attacks --faults full $(ARGS)

nova:  ## have Nova 34 itself ask musterd, and report in a cell that is watched; twenty minutes
	@scripts/setup.sh nova
	.venv/bin/pytest -n 2 --dist loadfile tests/nova --nova $(ARGS)

mysql:  ## run on a MySQL what tests run on MariaDB, and break it; fifteen minutes, or e.g. ARGS='-k tls'
	@scripts/setup.sh mysql
	.venv/bin/pytest -n 2 tests/mysql tests/contract tests/service tests/system tests/faults --mysql $(ARGS)

rules:  ## try the alerts of deploy/prometheus with promtool, and tell an Alertmanager
	@scripts/setup.sh rules
	.venv/bin/pytest -n 2 tests/rules --rules $(ARGS)

lock:  ## do what docs/lock-it.md says, on four hosts made of namespaces; eight minutes, as root
	@scripts/setup.sh test
	.venv/bin/python -m tests.lock

siege:  ## all of that at once against 20,000 members, ten minutes, e.g. ARGS='--minutes 2'
	@scripts/setup.sh test
	.venv/bin/python -m tests.attacks.siege $(ARGS)

fuzz:  ## arbitrary bytes for all that reads, ten minutes each, e.g. ARGS='--seconds 60 holders'
	@scripts/setup.sh fuzz
	.venv/bin/python -m tests.fuzz $(ARGS)
	.venv/bin/python -m tests.fuzz.api
	.venv/bin/pytest -n 4 tests/unit tests/sim tests/service tests/fuzz --hypothesis-profile thorough

bench:  ## measure everything, ten minutes, and write docs/benchmarks.md; ARGS=--quick takes one
	@scripts/setup.sh bench
	@.venv/bin/python -m benchmarks.every $(ARGS)

docs:  ## build these pages as a site, into build/site; a link that leads nowhere is an error
	@scripts/setup.sh docs
	@scripts/docs.sh

wheel:  ## build dist/: a wheel, with an SBOM in it, and a source archive
	@scripts/setup.sh lint
	rm -rf dist
	HATCH_BUILD_HOOK_ENABLE_CUSTOM=true .venv/bin/python -m hatchling build

images:  ## build container images with podman or buildah, e.g. ARGS='--build-arg BASE=my-python'
	@scripts/images.sh $(ARGS)

lint:  ## check style, types and the arrows between packages
	@scripts/setup.sh lint
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/pyright
	.venv/bin/lint-imports

format:  ## put the code into its style
	@scripts/setup.sh lint
	.venv/bin/ruff check --fix-only .
	.venv/bin/ruff format .

clean:  ## remove what set-up and the tools made here
	rm -rf .venv build dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -prune -exec rm -rf {} +
