# make images   everything: container images, a guest image that was booted, Glance
# make test     the test suite, with real servers, engines and emulated machines
# make lint     style, types, the shell scripts' syntax
# All install and start what is missing first (see scripts/setup).

# The configuration: the project's own, else the quick start.
CONFIG ?= $(firstword $(wildcard kollarm.yml) examples/quickstart.yml)
# What the quick start prepares; made on first use.
GUEST := .kollarm/guest-source
PYTEST_OPTIONS ?=
BENCH_OPTIONS ?=

PYTHON := .venv/bin/python
RUN := scripts/setup-exec

.PHONY: images test test-all test-cloud test-faults test-deploy test-deploy-arm bench test-unit lint format docs setup guest-image stop clean
.DEFAULT_GOAL := images

setup:
	@scripts/setup

ifeq ($(CONFIG),examples/quickstart.yml)
images: guest-image
endif

guest-image: setup
	@$(RUN) $(PYTHON) scripts/make-guest-image --output $(GUEST) >/dev/null

images: setup
	@$(RUN) .venv/bin/kollarm images --config $(CONFIG)

# Two at a time, by file: most of the time is waiting for emulated machines.
# What takes longest is left to the targets below.
test:
	@scripts/setup tests
	@$(RUN) $(PYTHON) -m pytest -n 2 --dist loadfile --durations 15 \
		-m "not full and not cloud and not faults and not deploy and not deploy_arm" $(PYTEST_OPTIONS)
	@# for scripts/release: which commit it was
	@[ -n "$(PYTEST_OPTIONS)$$(git status --porcelain 2>&1)" ] || \
		git rev-parse HEAD >.kollarm/tests-passed

# Every guest layout booted, every release rendered.
test-all:
	@scripts/setup tests browser
	@$(RUN) $(PYTHON) -m pytest -m "not cloud and not faults and not deploy and not deploy_arm" $(PYTEST_OPTIONS)

# A whole small cloud: an ARM guest's console seen through Nova.
test-cloud:
	@scripts/setup cloud browser
	@$(PYTHON) -c 'import selenium' 2>/dev/null || $(PYTHON) -m pip install -qq --no-input \
		--disable-pip-version-check --editable '.[cloud]' --constraint constraints.txt
	@$(RUN) $(PYTHON) -m pytest -m cloud $(PYTEST_OPTIONS)

# A cloud of our own images, really deployed on two hosts in containers (see tests/deploy/cloud.py).
test-deploy:
	@scripts/setup cloud
	@$(RUN) $(PYTHON) -m pytest -x -m deploy --durations 0 $(PYTEST_OPTIONS)

# The same with an emulated ARM machine as the compute host; takes hours.
test-deploy-arm:
	@scripts/setup cloud
	@$(RUN) $(PYTHON) -m pytest -x -m deploy_arm --durations 0 $(PYTEST_OPTIONS)

# Killed, cut off, full disks, wrong clocks: what is left behind, counted.
test-faults:
	@scripts/setup faults
	@$(RUN) $(PYTHON) -m pytest -m faults $(PYTEST_OPTIONS)

# The figures of docs/performance.md, as ratios within one run.
bench: setup
	@$(RUN) $(PYTHON) -m tests.bench $(BENCH_OPTIONS)

test-unit: setup
	@$(PYTHON) -m pytest tests/unit $(PYTEST_OPTIONS)

lint: setup
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m ruff format --check .
	@$(PYTHON) -m mypy
	@grep -ls '^#!/bin/sh' .ci/* scripts/* */data/* */*/data/* | xargs -n 1 sh -n

format: setup
	@$(PYTHON) -m ruff check --fix .
	@$(PYTHON) -m ruff format .

# The documentation as a site, in build/site.
docs: setup
	@scripts/docs-site

# The registry and the Glance that `make images` left running.
stop:
	@[ ! -x $(PYTHON) ] || $(PYTHON) -m kollarm stop .kollarm

# All that belongs to this checkout; ~/.cache/kollarm, which others share, stays.
clean: stop
	@[ ! -d .kollarm/dev-cloud ] || scripts/dev-cloud down --purge
	rm -rf .kollarm .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
