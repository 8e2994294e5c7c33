# `make help` says what there is. Every target works from a clean clone.

# The one feature that tests need and people never get: named points at which a test may end the process.
TESTED := --locked --workspace --features crash-points

.DEFAULT_GOAL := help
# The official OpenAPI document stays outside the repository; crates/connectors/src/mistral/README.md says where it comes from.
SPEC ?= ../shared/mistral/openapi-public-doc.yaml

.PHONY: help demo test prove lint build bench check-contract document

# $(call need,program,how to install it): ends with one line if the program is missing.
need = @command -v $(1) >/dev/null 2>&1 || { echo "$(1) is missing: $(2)" >&2; exit 1; }

define needs
$(call need,cargo,install Rust from https://rustup.rs)
$(call need,cc,install a C compiler: apt install gcc or dnf install gcc or xcode-select --install)
endef

help: ## say what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## run the example against the built-in simulator: no network, no key
	$(needs)
	cargo build --release --locked --package app
	@cargo run --release --locked --quiet --package app -- demo

test: ## run all tests
	$(needs)
	@if cargo nextest --version >/dev/null 2>&1; then \
		set -x; cargo nextest run $(TESTED); \
	else \
		echo "cargo-nextest is missing (cargo install --locked cargo-nextest); cargo test runs the same tests" >&2; \
		set -x; cargo test $(TESTED); \
	fi

# What `make test` does on a sample, at its full size; each prints its figures.
SUITE ?= outage retention kill schemathesis

prove: ## run the long proofs one by one (about half an hour), or some of them: make prove SUITE=outage
	$(needs)
	@for suite in $(SUITE); do $(MAKE) --no-print-directory prove-$$suite || exit 1; done

prove-outage: export TRAMONTANE_OUTAGE_TASKS = 10000
prove-retention: export TRAMONTANE_RETENTION_TASKS = 1000000
prove-schemathesis: export TRAMONTANE_API_CASES = 50000
prove-kill: export TRAMONTANE_KILL_CYCLES = 500
prove-%:
	cargo test $(TESTED) --test $* -- --nocapture

lint: ## check the format, and let nothing through that clippy warns of
	$(needs)
	cargo fmt --all --check
	cargo clippy $(TESTED) --all-targets -- -D warnings

build: ## build the program: target/release/tramontane
	$(needs)
	cargo build --release --locked --package app

bench: ## measure, and print the table of docs/benchmarks.md (about twenty minutes)
	$(needs)
	$(call need,python3,install Python 3: apt install python3 or dnf install python3)
	cargo build --release --locked --package app
	cargo build --release --locked --package simulator --example load
	python3 benches/bench.py target/release/tramontane

check-contract: document target/contract-venv/ready ## let the official OpenAPI document (SPEC=FILE) judge requests of all operations, in a validator that is not ours
	$(needs)
	cargo xtask requests --out target/requests.jsonl
	target/contract-venv/bin/python -B contract/check.py "$(SPEC)" target/requests.jsonl

document:
	@test -f "$(SPEC)" || { echo "the official OpenAPI document is missing: $(SPEC); say where it is with SPEC=FILE" >&2; exit 1; }

target/contract-venv/ready: contract/requirements.txt
	$(call need,python3,install Python 3: apt install python3 or dnf install python3)
	python3 -m venv target/contract-venv
	target/contract-venv/bin/pip install --quiet --disable-pip-version-check -r $<
	@touch $@
