# Updraft's chores. `make` alone lists them.

SHELL := /bin/bash
.DEFAULT_GOAL := help

# What may be kept from one clone to the next, because it costs minutes to make: compiled crates and runtime packs.
UPDRAFT_CACHE ?= $(HOME)/.cache/updraft
CARGO_TARGET_DIR ?= $(UPDRAFT_CACHE)/target
UPDRAFT_RUNTIMES_DIR ?= $(UPDRAFT_CACHE)/runtimes
export UPDRAFT_CACHE CARGO_TARGET_DIR UPDRAFT_RUNTIMES_DIR

# The clients of .cache/venv first; a Node.js or a Rust that `make setup` had to install, last.
export PATH := $(CURDIR)/.cache/venv/bin:$(PATH):$(UPDRAFT_CACHE)/node/bin:$(HOME)/.cargo/bin

PYTHON := $(CURDIR)/.cache/venv/bin/python
RELEASE := $(CARGO_TARGET_DIR)/release/updraft

.PHONY: help setup build packs demo test test-sdks test-cgroup-v2 bench torture clean

help:
	@echo 'Updraft: the serverless cloud you run yourself.'
	@echo
	@echo '  make demo            everything needed, a build, a server, four functions, invoked; some minutes the first'
	@echo '                       time, about one after that; leaves nothing running'
	@echo '  make test            all tests, with the real AWS CLI, boto3 and AWS SDK for JavaScript'
	@echo
	@echo '  make setup           installs what is missing on a Debian-like machine (as root or with sudo)'
	@echo '  make build           the release binary: $(RELEASE)'
	@echo '  make packs           what functions find without bringing it: boto3, the AWS SDK for JavaScript, a Java boot jar'
	@echo '  make test-sdks       the heavier clients: Java SDK v2, aws-sdk-go-v2, aws-sdk-rust'
	@echo '  make test-cgroup-v2  the control-group tests on a kernel with cgroup v2 only, in a virtual machine'
	@echo '  make bench           measures, beside baselines of the same run'
	@echo '  make torture         the long crash tests, thousands of kill -9, and the hostile functions over and over'
	@echo '                       (UPDRAFT_TORTURE_SECONDS: how long each, 1800 by default)'
	@echo '  make clean           what builds and tests left in this clone; compiled crates and packs stay in the cache'
	@echo
	@echo '  Kept between clones: $(UPDRAFT_CACHE)'
	@echo '  Start it yourself:   make build packs && $(RELEASE) serve --runtimes-dir $(UPDRAFT_RUNTIMES_DIR)'

setup:
	@scripts/setup.sh

build: setup
	@echo 'build: updraft, release'
	cargo build --release --locked -p updraft

# Quick when the packs are current.
packs: build
	@echo 'packs: into $(UPDRAFT_RUNTIMES_DIR)'
	$(RELEASE) runtimes install

demo: build
	@$(PYTHON) demo/demo.py --updraft $(RELEASE) --runtimes-dir $(UPDRAFT_RUNTIMES_DIR)

test: setup
	@scripts/test.sh

test-sdks: setup
	@scripts/test.sh sdks

test-cgroup-v2: setup
	tests/cgroup-v2/run.sh

bench: packs
	@scripts/bench.sh

torture: setup
	STORE_CRASH_RUNS=3000 cargo test --release -p store --test it -- --nocapture crash
	cargo build --release --locked -p updraft && $(RELEASE) runtimes install
	UPDRAFT_BIN=$(RELEASE) UPDRAFT_TORTURE_SECONDS=$${UPDRAFT_TORTURE_SECONDS:-1800} $(PYTHON) -m pytest tests/test_crash.py -q -s -k event
	end=$$((SECONDS + $${UPDRAFT_TORTURE_SECONDS:-1800})); while [ $$SECONDS -lt $$end ]; do \
	    UPDRAFT_BIN=$(RELEASE) $(PYTHON) -m pytest tests -q -m hostile || exit 1; done

clean:
	rm -rf .cache examples/*/build examples/*/target
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
