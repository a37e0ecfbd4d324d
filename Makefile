# Every command that a person or CI needs. `make help` lists them.
CARGO ?= cargo
# Build profile of `make run`: dev builds in minutes, release takes longer and runs faster.
PROFILE ?= dev
TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)
BIN_DIR := $(TARGET_DIR)/$(if $(filter dev,$(PROFILE)),debug,$(PROFILE))

.PHONY: help run build verify fix test test-unit test-e2e soak fuzz test-registries bench bench-peers bench-plugins bench-discovery clean h2spec

help: ## List the targets
	@grep -E '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

run: ## Build Weir and start control node, agent and demo back end in one process
	$(CARGO) build --locked --profile $(PROFILE) --bin weir
	exec $(BIN_DIR)/weir dev

build: ## Build the binary
	$(CARGO) build --locked --profile $(PROFILE) --bin weir

verify: ## Check format, lints, dependencies, licences and doc links; change nothing
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	scripts/cargo-deny.sh check bans licenses sources
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --workspace --no-deps --quiet

fix: ## Format, and apply what clippy can
	$(CARGO) fmt --all
	$(CARGO) clippy --workspace --all-targets --fix --allow-dirty --allow-staged

test: test-unit test-e2e ## Set up what the tests need, then run all of them

test-unit:
	$(CARGO) test --locked --workspace --exclude weir-tests --lib --bins --tests

# The end-to-end tests start the built binary. They run last, so that the last line is theirs.
test-e2e:
	scripts/test-deps.sh
	$(CARGO) build --locked --bin weir
	$(CARGO) test --locked -p weir-tests --lib --tests -- --test-threads 2

# Not part of `make test`: needs Go, a JDK and Maven, and the first run builds and fetches servers for minutes. CI runs it.
test-registries: ## Run the tests against real registries, Kafka, Zipkin, an OIDC provider and OPA
	scripts/test-deps.sh
	$(CARGO) build --locked --bin weir
	$(CARGO) test --locked -p weir-tests --test registries --test discovery --test openid_connect --test opa --test sinks -- --ignored --test-threads 1

# Not part of `make test`: needs Go, and the first run fetches modules.
h2spec: ## Run the conformance suite of HTTP/2 against the agent
	$(CARGO) build --locked --bin weir
	H2SPEC="$$(scripts/h2spec.sh)" $(CARGO) test --locked -p weir-tests --test h2_hostile -- --ignored h2spec --nocapture

# Measures, so nothing else should run meanwhile. Hours at full length: every soak test runs for WEIR_SOAK_SECONDS (600),
# every fuzz target for FUZZ_SECONDS (300).
soak: ## Run the long tests and the fuzz targets: see docs/reliability.md
	scripts/test-deps.sh
	scripts/soak.sh

fuzz: ## Run the fuzz targets, each for FUZZ_SECONDS
	scripts/fuzz.sh

bench: ## Measure: see bench/README.md
	$(CARGO) run --locked --release -p weir-bench

bench-peers: ## Measure whole requests beside nginx (and HAProxy, if installed): see bench/README.md
	scripts/test-deps.sh
	$(CARGO) build --locked --release --bin weir
	WEIR_BIN=$(TARGET_DIR)/release/weir $(CARGO) run --locked --release -p weir-bench --bin weir-bench-peers

bench-plugins: ## Measure what each plugin costs a request: see bench/README.md
	nice -n 10 $(CARGO) run --locked --release -p weir-bench --bin weir-bench-plugins

bench-discovery: ## Measure what following 1,000 services costs: see bench/README.md
	$(CARGO) build --locked --release --bin weir
	WEIR_BIN=$(TARGET_DIR)/release/weir $(CARGO) run --locked --release -p weir-bench --bin weir-bench-discovery

clean: ## Remove build output and the data of `make run`
	$(CARGO) clean
	rm -rf weir-data
