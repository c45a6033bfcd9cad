SHELL := /bin/bash
PYTHON ?= python3
SEEDS ?= 42,7,101,202
FORMAT ?= csv
# Sizes for bench, for example 35k,350k,3.5M,10M; empty times every rule of certify.
SCALES ?=
# Parts of torture; empty makes all.
PARTS ?=
BIN := .venv/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check
# A process a core; tests of one file share its fixtures.
PYTEST := $(BIN)/pytest -n auto --dist loadfile
# The locked libraries, then this package: it puts the console script segment1b into .venv.
install-locked = $(PIP) --require-hashes -r $< && $(PIP) --no-deps --no-build-isolation --editable .

.PHONY: certify help test test-all test-slurm test-s3 torture check bench scale export docs lock sbom clean install own-inputs s3

certify: .venv/runtime.stamp ## certify the release: SEEDS=42,7,101,202
	$(BIN)/snakemake certify --config seeds=[$(SEEDS)]

help: ## say what there is: targets of make and Snakemake, commands
	@grep -hE '^[a-z0-9-]+:.*## ' Makefile | sed -E 's/^([a-z0-9-]+):.*## /  make \1: /'
	@if [ -x $(BIN)/segment1b ]; then \
		echo; $(BIN)/snakemake --list-target-rules 2>/dev/null | sed 's/^/  snakemake /'; \
		echo; $(BIN)/segment1b --help; \
	else echo; echo "After make install, this lists the targets of Snakemake and the commands too."; fi

test: .venv/dev.stamp ## test every state, gate, refusal and what a change reruns: some four minutes
	$(PYTEST)

test-all: test ## run the long tests too: searches, ladder, locks, dossier, own inputs
	$(PYTEST) -m slow

# Starts munge, slurmctld and slurmd on this machine; needs root and Debian's slurm-wlm.
test-slurm: .venv/dev.stamp ## certify the small world on a Slurm that it starts itself
	$(BIN)/pytest -m cluster

# Certifies the small world in a bucket of an S3 server that it starts itself.
test-s3: .venv/s3-test.stamp ## certify the small world in object storage that it starts itself
	$(BIN)/pytest -m cluster tests/cluster/test_s3.py

# Kills, tampering, full disks, set-back clocks, races, fuzzing, environments: every item as a figure
# in docs/reliability.md. Some two and a half hours on two cores; TORTURE_SHARE=0.1 for a tenth of it, which
# goes to build/torture alone; PARTS="kill tamper" renews some of its parts. The disk tests and the one
# without network need root, the clock a C compiler, the environments a package index.
torture: .venv/dev.stamp ## kill, tamper, fill disks, race, fuzz: the figures of docs/reliability.md
	$(BIN)/python -m tests.torture $(PARTS)

# Bill of materials (CycloneDX) and licences of libraries and data, in build/supply-chain.
sbom: .venv/runtime.stamp ## list materials and licences in build/supply-chain
	$(BIN)/python -m scripts.docs.supply_chain build/supply-chain

check: .venv/dev.stamp ## check format, lint and types
	$(BIN)/ruff format --check scripts tests
	$(BIN)/ruff check scripts tests
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/mypy
	# Input functions stand beside their rules; that is the one advice of the linter not taken.
	! $(BIN)/snakemake --lint 2>&1 | grep -E '^    \* ' | grep -v 'Mixed rules and functions'

bench: .venv/runtime.stamp ## time every rule of certify; SCALES=35k,350k times every state at these sizes
	$(BIN)/segment1b bench $(if $(SCALES),--scales $(SCALES),--seeds $(SEEDS))

scale: .venv/runtime.stamp ## time groups of countries on a larger world
	$(BIN)/python -m scripts.benchmarks.groups

export: .venv/dev.stamp ## write the sites of the candidate as FORMAT=csv, geojson or gpkg
	$(BIN)/snakemake export --config format=$(FORMAT) seeds=[$(SEEDS)]

docs: .venv/dev.stamp ## build the documentation in site/
	NO_MKDOCS_2_WARNING=true $(BIN)/mkdocs build --strict --quiet

install: .venv/runtime.stamp ## set up .venv with the workflow and its commands

# The libraries that read a population raster and country polygons of your own.
own-inputs: .venv/own-inputs.stamp ## add the libraries that read your own rasters and polygons

# The library that keeps runs in object storage.
s3: .venv/s3.stamp ## add the library that keeps runs in object storage

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
		|| { echo "Python 3.11 to 3.13 is needed: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv .venv

.venv/runtime.stamp: envs/runtime.lock.txt pyproject.toml | .venv/bin/python
	$(install-locked)
	touch $@

.venv/own-inputs.stamp: envs/own-inputs.lock.txt pyproject.toml | .venv/bin/python
	$(install-locked)
	touch $@ .venv/runtime.stamp

.venv/s3.stamp: envs/s3.lock.txt pyproject.toml | .venv/bin/python
	$(install-locked)
	touch $@ .venv/runtime.stamp

.venv/s3-test.stamp: envs/s3-test.lock.txt pyproject.toml | .venv/bin/python
	$(install-locked)
	touch $@ .venv/runtime.stamp .venv/own-inputs.stamp .venv/dev.stamp .venv/s3.stamp

.venv/dev.stamp: envs/dev.lock.txt pyproject.toml | .venv/bin/python
	$(install-locked)
	touch $@ .venv/runtime.stamp .venv/own-inputs.stamp

# Needs uv (pip install uv).
lock: ## resolve envs/*.in into lock files; needs uv
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header \
		--no-emit-index-url -o envs/runtime.lock.txt envs/runtime.in
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header \
		--no-emit-index-url -c envs/runtime.lock.txt -o envs/own-inputs.lock.txt envs/own-inputs.in
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header \
		--no-emit-index-url -c envs/own-inputs.lock.txt -o envs/dev.lock.txt envs/dev.in
	cp envs/runtime.lock.txt envs/s3.lock.txt
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header \
		--no-emit-index-url -o envs/s3.lock.txt envs/s3.in
	cp envs/dev.lock.txt envs/s3-test.lock.txt
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header \
		--no-emit-index-url -c envs/s3.lock.txt -o envs/s3-test.lock.txt envs/s3-test.in

clean: ## delete logs, benchmarks, worlds of tests, compiled loops and Snakemake's caches; its records stay
	rm -rf .snakemake/log .snakemake/scripts .snakemake/source-cache .snakemake/iocache build/worlds \
		scripts/__pycache__/kernels-* runs/fix-data-engine/logs runs/fix-data-engine/benchmarks
