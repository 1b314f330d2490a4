# `make` alone prints this help.
.DEFAULT_GOAL := help
export PATH := $(CURDIR)/script/bin:$(PATH)
# The tests wait for blocks more than they compute: one more at a time than two cores have.
export RUST_TEST_THREADS ?= 3

help: ## Show what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 14

setup: node_modules/.package-lock.json ## Install the pinned Solidity toolchain

node_modules/.package-lock.json: package.json package-lock.json
	npm ci --no-audit --no-fund
	@touch $@

# What the demo's market takes from out/ and no script compiles.
MARKET = contracts/SwapSplitter.sol contracts/swap tests/contracts/mocks/StableSwapPool.sol tests/contracts/mocks/FixedGuard.sol

demo: setup ## A thousand withdrawals on a local chain, the keeper killed midway; DEMO_HEADLESS=1 ends by itself, FORK_URL forks a chain
	@cargo build --quiet -p spillway-keeper
	@forge build --quiet $(MARKET)
	@cargo run --quiet -p spillway-e2e --bin demo

mainnet: setup ## Uniswap and Balancer where mainnet has them, from a file, on PORT=8545: something for FORK_URL without a network
	@forge build --quiet $(MARKET) tests/contracts/mocks/Tokens.sol
	@cargo run --quiet -p spillway-e2e --bin mainnet-file

test: setup ## Contracts, keeper, and end to end on a real anvil
	@$(MAKE) --no-print-directory -j2 build-contracts build-keeper
	forge test
	cargo test --workspace
	@echo "Left out: the web page, generated API calls, DuckDB, a collector of traces, Prometheus and the referees of splits and marks (make test-all), the long random runs (make test-long), mutants (make mutation), Slither (make lint)."

# Solidity's compiler keeps one core busy, so both are built side by side.
build-contracts: setup
	forge fmt --check
	forge build
	FOUNDRY_PROFILE=margin forge build contracts/margin --sizes
	node script/layout.mjs
	node tests/vectors/margin/generate.mjs

build-keeper:
	cargo test --workspace --no-run

CHROMIUM = $(or $(SPILLWAY_CHROMIUM),/usr/bin/chromium)

test-all: test test-page ## The same, the web page in Chromium, calls generated from the API's description, questions to DuckDB, splits against scipy, marks against QuantLib, traces to a collector, figures to Prometheus: Python 3.11, EXAMPLES=100 per operation
	@$(or $(PYTHON),python3) -m venv cache/schemathesis
	@cache/schemathesis/bin/pip install --quiet --requirement script/api/requirements.txt
	SPILLWAY_SCHEMATHESIS=$(CURDIR)/cache/schemathesis/bin/st SPILLWAY_API_EXAMPLES=$(or $(EXAMPLES),100) \
		cargo test --workspace --test api_properties -- --ignored --nocapture
	@$(or $(PYTHON),python3) -m venv cache/duckdb
	@cache/duckdb/bin/pip install --quiet --requirement script/analytics/requirements.txt
	SPILLWAY_DUCKDB=$(CURDIR)/cache/duckdb/bin/python cargo test --workspace --test analytics -- --ignored
	@$(or $(PYTHON),python3) -m venv cache/referee
	@cache/referee/bin/pip install --quiet --requirement script/router/requirements.txt
	SPILLWAY_ROUTER_PYTHON=$(CURDIR)/cache/referee/bin/python cargo test --workspace --test referee -- --ignored --nocapture
	@$(or $(PYTHON),python3) -m venv cache/quantlib
	@cache/quantlib/bin/pip install --quiet --requirement script/margin/requirements.txt
	SPILLWAY_REFEREES=$(CURDIR)/cache/quantlib/bin/python cargo test --workspace --test referees -- --ignored --nocapture
	@$(or $(PYTHON),python3) -m venv cache/rotel
	@cache/rotel/bin/pip install --quiet --requirement script/traces/requirements.txt
	SPILLWAY_ROTEL=$$(cache/rotel/bin/python -c 'import os, rotel; print(os.path.dirname(rotel.__file__))')/rotel-agent \
		cargo test --workspace --test traces -- --ignored
	@test -x /usr/bin/prometheus || { apt-get update -q && apt-get install -qy --no-install-recommends prometheus; }
	@$(or $(PYTHON),python3) -m venv cache/grafana
	@cache/grafana/bin/pip install --quiet --requirement script/ops/requirements.txt
	SPILLWAY_GRAFANA_PYTHON=$(CURDIR)/cache/grafana/bin/python cargo test --workspace --test observability -- --ignored

test-page: setup ## The web page in a real Chromium (Debian's, installed if it is not there); screenshots in target/e2e/screenshots
	@test -x $(CHROMIUM) || { apt-get update -q && apt-get install -qy --no-install-recommends chromium fonts-noto-cjk; }
	SPILLWAY_CHROMIUM=$(CHROMIUM) cargo test --workspace --test page -- --ignored --nocapture --test-threads 1

test-long: setup ## Millions of random calls on the contracts, hundreds of kills of the keeper, 200 seeds of chaos, ten million prices
	SPILLWAY_ORACLE_CASES=10000000 SPILLWAY_ORACLE_SEED=$$(date +%s) cargo test --release -p oracle-guard --test differential -- --nocapture
	FOUNDRY_PROFILE=long forge test --fuzz-seed $$(date +%s)
	forge build --quiet
	SPILLWAY_ORACLE_EVM_CASES=200000 SPILLWAY_ORACLE_SEED=$$(date +%s) cargo test --release -p oracle-guard --test evm --test evm_config -- --nocapture
	SPILLWAY_KILLS=500 cargo test -p spillway-e2e --test exactly_once killed_at_random_instants
	SPILLWAY_CHAOS_SEEDS=$(or $(SEEDS),200) cargo test -p spillway-e2e --test chaos -- --nocapture

mutation: setup ## Whether the tests notice changes in what pays, bounds and upgrades: an hour or more; MUTANTS=260 takes a sample
	@node script/mutation.mjs --sample $(or $(MUTANTS),0)

coverage: setup ## What of contracts/ the tests reach, line by line
	@node script/coverage.mjs

bench: bench-gas bench-margin bench-keeper bench-oracle bench-route bench-books ## All figures, as lines and as JSON in target/e2e/bench

bench-gas: setup ## Gas per payout, beside the floor and single transfers
	@forge build --quiet
	@cargo run --quiet --release -p spillway-e2e --bin bench-gas

bench-margin: setup ## Gas of every verb of a margin pool with 1, 5 and 20 positions, the error of marks, accounts re-checked per second
	@FOUNDRY_PROFILE=margin forge test --isolate --mt 'test_gas_of_every_verb|test_values_are_those_of_the_reference' -vv | grep -oE '(margin_gas|black_scholes)_[a-z0-9_]+:? .*'
	@cargo test --quiet -p margin --test vectors -- --nocapture | grep -oE 'black_scholes_[a-z0-9_]+ .*'
	@cargo run --quiet --release -p margin --example bench-margin

bench-keeper: setup ## Payouts per second
	@cargo build --quiet --release -p spillway-keeper
	@cargo run --quiet --release -p spillway-e2e --bin bench-keeper

bench-oracle: setup ## Nanoseconds and gas of a verdict, vectors, incidents, differential fuzz
	@forge build --quiet
	@cargo run --quiet --release -p spillway-e2e --bin bench-oracle

bench-route: setup ## Microseconds of a split over 10 to 1,000 pools, its gap to the optimum, quotes against the protocols' bytecode, gas beside their routers
	@forge build --quiet
	@forge test --isolate --match-contract SwapGasTest -vv | grep -oE 'gas_(split|routers|leg)_[a-z0-9_]+ [0-9]+ gas'
	@cargo bench --quiet -p router --bench route

bench-books: setup ## Full reconciliation of a million payouts, audit and export: about 10 minutes; SPILLWAY_BENCH_PAYOUTS=100000 is shorter
	@cargo build --quiet --release -p spillway-keeper
	@cargo run --quiet --release -p spillway-e2e --bin bench-books

lint: setup ## Formatting, clippy, forge lint and Slither, all as errors
	forge fmt --check
	forge build
	@node script/lint/slither.mjs
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings

slither: setup ## Slither alone: contracts/ against script/lint/slither-triage.json
	@node script/lint/slither.mjs

fmt: setup ## Format everything
	forge fmt
	cargo fmt --all

clean: ## Remove what was built
	rm -rf target out out-margin cache node_modules

.PHONY: help setup demo test build-contracts build-keeper test-page test-long mutation coverage bench bench-gas bench-margin bench-keeper bench-oracle bench-route lint slither fmt clean bench-books test-all mainnet
