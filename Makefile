# What a person does with this repository. `make` alone lists it.

.DEFAULT_GOAL := help
# What is built in CI is what was committed.
LOCKED := $(if $(CI),--locked)
comma := ,
.PHONY: help setup cluster build test lint deny soak fuzz demo bench bench-helm bench-scale parity goldens clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install what is missing on this machine (Debian packages)
	@scripts/setup.sh

cluster: setup ## build the control plane for tests, once per machine (5 minutes), and print where it is
	@scripts/cluster.sh

build: setup ## build all programs
	cargo build $(LOCKED) --workspace --bins

test: setup ## run every test on a real control plane
	@scripts/test.sh

lint: setup ## check format and lints of Rust and Go
	cargo fmt --all --check
	cargo clippy $(LOCKED) --workspace --all-targets -- -D warnings
	for module in cluster helm; do (cd tests/$$module && test -z "$$(gofmt -l . | tee /dev/stderr)" && go vet .) || exit; done

deny: ## check licences, bans and unused dependencies (installs cargo-deny and cargo-machete when they are missing)
	@scripts/deny.sh

soak: setup ## hours of kills and random histories (KILLS=1000 SEQUENCES=500 SEED=4)
	@TIPHYS_KILLS="$(or $(KILLS),1000)" TIPHYS_SEQUENCES="$(or $(SEQUENCES),500)" TIPHYS_SEED="$(or $(SEED),4)" \
	  scripts/test.sh --package tiphys-tests --test faults -- --nocapture killed_anywhere a_random_history

fuzz: setup ## compare random templates, calls, values and texts of YAML with Go and Helm (CASES=100000 SEED=1)
	GOTEMPLATE_CASES="$(or $(CASES),100000)" GOTEMPLATE_SEED="$(or $(SEED),1)" \
	  HELM_CASES="$(or $(CASES),100000)" HELM_SEED="$(or $(SEED),1)" \
	  TIPHYS_FUZZ_CASES="$(or $(CASES),100000)" TIPHYS_FUZZ_SEED="$(or $(SEED),1)" \
	  cargo test $(LOCKED) --package gotemplate --package tiphys-helm --package tiphys-manifest \
	  --test peer --test functions_fuzz --test read_fuzz --test write_fuzz -- --nocapture

# The story needs kubectl: that of the control plane, or the person's own for a cluster that is there already.
demo: build ## tell the story of a deployment (KEEP=1 leaves all running, CLUSTER=current uses the current kubeconfig)
	@TIPHYS_CLUSTER_PROGRAMS="$(if $(CLUSTER),,$$(scripts/cluster.sh))" TIPHYS_PROGRAMS="$(CURDIR)/target/debug" \
	  target/debug/demo $(if $(KEEP),--keep) $(if $(CLUSTER),--cluster=$(CLUSTER))

bench: setup ## measure and print the table of figures (BENCH="--only push --runs 10" measures less; see BENCH=--help)
	cargo build $(LOCKED) --release --package tiphys-controller --package tiphys-tests --bins
	@TIPHYS_CLUSTER_PROGRAMS="$$(scripts/cluster.sh)" TIPHYS_PROGRAMS="$(CURDIR)/target/release" \
	  target/release/bench $(BENCH)

bench-scale: setup ## measure how everything grows with the number of Applications (SIZES=100,300,1000)
	cargo build $(LOCKED) --release --package tiphys-controller --package tiphys-tests --bins
	@TIPHYS_CLUSTER_PROGRAMS="$$(scripts/cluster.sh)" TIPHYS_PROGRAMS="$(CURDIR)/target/release" \
	  target/release/bench --scale $(or $(SIZES),100$(comma)300$(comma)1000)

parity: setup ## compare with the real Helm over our own charts, or CASES=file (PARITY="--runs 5 --json")
	cargo build $(LOCKED) --release --package tiphys-cli --package tiphys-tests --bin tiphys --bin parity
	@target/release/parity run --ours target/release/tiphys --helm "$$(scripts/helm-peer.sh)" $(PARITY) $(CASES)

bench-helm: setup ## measure beside the real Helm over our own charts, or CASES=file, and print a table
	cargo build $(LOCKED) --release --package tiphys-cli --package tiphys-tests --bin tiphys --bin parity
	@target/release/parity bench --ours target/release/tiphys --helm "$$(scripts/helm-peer.sh)" $(CASES)

goldens: setup ## make the goldens of our own charts with the real Helm
	cargo build $(LOCKED) --package tiphys-tests --bin parity
	@target/debug/parity goldens --helm "$$(scripts/helm-peer.sh)"

clean: ## remove what was built here (not the control plane, which other work trees share)
	cargo clean
