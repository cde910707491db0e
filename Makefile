# make setup   install what the build needs besides Rust
# make demo    three nodes and a worker fleet; the leader is killed half-way
# make up      three members on this machine, and Prometheus where it is installed; make down ends them
# make test    every test
# make check   format, lints, documentation, dependencies
# make jepsen  an hour of every workload under every fault, checked; JEPSEN_FLAGS="--minutes 5 --members 5"
# make canaries     known bugs are put into the server, and the tests must find each
# make failpoints a member is made to fail at one place after the other, beside clients that write
# make bench   Quorate beside etcd and Redis, every row that has a goal; BENCH_FLAGS="--etcd /path/to/etcd"
# make grow    throughput and memory by keys, members, values and clients, with plots; GROW_FLAGS=--quick
# make stages  where the processor time and the bytes of a put go, by process and thread
# make micro   how long fixed pieces of work take, by criterion; MICRO_FLAGS=resolve chooses
# make check-cost   instructions of fixed pieces of work against bench/costs.json; COST_FLAGS=--update writes them

# Outside the working tree: the compiled RocksDB survives a fresh clone.
export CARGO_TARGET_DIR ?= $(HOME)/.cache/quorate/target

# Always the whole workspace. Cargo unites the features of the packages it is asked to build; another selection unites
# others, and RocksDB, which takes a quarter of an hour on two cores, would be compiled once more for each.
BUILD := cargo build --workspace --all-targets
QUORATE := $(CARGO_TARGET_DIR)/debug/quorate

DEMO_FLAGS ?=
BENCH_FLAGS ?=
GROW_FLAGS ?=
COST_FLAGS ?=
MICRO_FLAGS ?=
# Later flags of the same name win.
JEPSEN_FLAGS ?=

CANARY_FLAGS ?=
FAILPOINT_FLAGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup build demo up down test check jepsen broken canaries failpoints bench grow stages micro check-cost

help:
	@sed -n 's/^# make /make /p' $(firstword $(MAKEFILE_LIST))

setup:
	@sh deploy/local/setup.sh

build: setup
	$(BUILD)

demo: build
	$(QUORATE) demo $(DEMO_FLAGS)

up: build
	@QUORATE_BIN=$(QUORATE) deploy/local/up.sh

down:
	@deploy/local/down.sh

# The binary first: the scenarios start it as a process.
test: build
	@if cargo nextest --version >/dev/null 2>&1; then \
		set -x; cargo nextest run --workspace && cargo test --workspace --doc; \
	else \
		echo "cargo-nextest is not installed: using cargo test"; \
		set -x; cargo test --workspace; \
	fi

check: setup
	cargo fmt --all -- --check
	cargo clippy --workspace --all-targets -- -D warnings
	@# Libraries only: the binary and the SDK are both called quorate, and their pages would overwrite each other.
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --lib
	@if cargo deny --version >/dev/null 2>&1; then \
		set -x; cargo deny check; \
	else \
		echo "cargo-deny is not installed: licences and advisories of the dependencies were not checked"; \
	fi

jepsen: build
	$(CARGO_TARGET_DIR)/debug/quorate-tests run --workloads all --faults all --minutes 60 --faults-min 5 $(JEPSEN_FLAGS)

# A server with known bugs and failpoints, beside the real one. The same packages, and with the examples the same
# dependencies for tests, so that RocksDB stays as it was built; and last the real server again, in whose place it stood.
broken: build
	cargo build --workspace --bins --examples --features quorate-node/canaries,quorate-node/failpoints
	cp $(QUORATE) $(QUORATE)-broken
	$(BUILD)

canaries: broken
	$(CARGO_TARGET_DIR)/debug/quorate-tests canaries $(CANARY_FLAGS)

failpoints: broken
	$(CARGO_TARGET_DIR)/debug/quorate-tests failpoints $(FAILPOINT_FLAGS)

bench: build
	bench/compare --goals --results bench/results $(BENCH_FLAGS)

grow: build
	bench/grow $(GROW_FLAGS)

stages: build
	bench/stages

# In the profile of everything else: that of `cargo bench` would compile RocksDB once more.
micro: setup
	cargo bench --workspace --profile dev --bench pieces -- $(MICRO_FLAGS)

# Exit code 2, without a verdict, where valgrind is missing or the build is another than the one that was counted.
check-cost: build
	bench/check-cost $(COST_FLAGS)
