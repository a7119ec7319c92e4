# `make` lists the targets. Everything a target needs is installed first, without asking (scripts/setup).

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:
MAKEFLAGS += --no-print-directory

export PATH := $(PATH):$(HOME)/.cargo/bin

# Where LLVM 22 is, when not where Debian puts it: the only variable anyone needs to set. The bindings look for it under four
# names of their own, whose defaults are in .cargo/config.toml; with the defaults nothing is exported, so that make and a plain
# cargo share every build.
ifneq ($(ROUTEFUSE_LLVM),)
export ROUTEFUSE_LLVM
export MLIR_SYS_220_PREFIX := $(ROUTEFUSE_LLVM)
export LLVM_SYS_221_PREFIX := $(ROUTEFUSE_LLVM)
export TABLEGEN_220_PREFIX := $(ROUTEFUSE_LLVM)
export LIBCLANG_PATH := $(ROUTEFUSE_LLVM)/lib
endif

# What tests call. They read these at run time, skip what is not there, and count it. Each can be given.
export LLVM_OBJDUMP ?= $(or $(ROUTEFUSE_LLVM),/usr/lib/llvm-22)/bin/llvm-objdump
ifeq ($(and $(ROUTEFUSE_PTXAS),$(ROUTEFUSE_PYTHON)),)
PYTHON_ENV := .venv/ready
endif
export ROUTEFUSE_PYTHON ?= $(CURDIR)/.venv/bin/python
export ROUTEFUSE_PTXAS ?= $(CURDIR)/.venv/bin/ptxas
# For sm_70 and sm_72, which version 13 dropped.
export ROUTEFUSE_PTXAS_12 ?= $(CURDIR)/.venv/bin/ptxas-12
export ROUTEFUSE_NVDISASM ?= $(CURDIR)/.venv/bin/nvdisasm
export ROUTEFUSE_CUOBJDUMP ?= $(CURDIR)/.venv/bin/cuobjdump

LOCKED := $(if $(CI),--locked)

.PHONY: help
help: ## List the targets
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

.PHONY: setup
setup: ## Install what is missing (every other target does so by itself)
	@scripts/setup

.venv/ready: scripts/requirements.txt scripts/python-env | setup
	@scripts/python-env
	@touch $@

.PHONY: build
build: setup ## Build the routefuse program in release mode, with its manual pages and completions
	cargo build $(LOCKED) --release -p routefuse-cli
	@scripts/pages $(or $(CARGO_TARGET_DIR),target)/release/routefuse

.PHONY: demo
demo: setup ## Compile the five chains and a router, run them on the real routing trace, check every bit, print the table
	@cargo run $(LOCKED) --release -p routefuse-cli -- demo

.PHONY: emulator
emulator: setup
	@scripts/setup emulator

.PHONY: test
test: setup emulator $(PYTHON_ENV) ## Run every test (some of them: make test ARGS='-p routefuse-ir')
	@scripts/test $(ARGS)

.PHONY: test-exhaustive
test-exhaustive: setup ## Check the polynomial functions over all 2^32 inputs
	ROUTEFUSE_EXHAUSTIVE=1 cargo test $(LOCKED) --release -p routefuse-ir --test exhaustive -- --nocapture

.PHONY: fuzz
fuzz: setup ## Property tests with new numbers, then every fuzz target for a minute (longer: make fuzz DURATION=600)
	@scripts/fuzz $(or $(DURATION),60)

.PHONY: bench
bench: setup ## Run the benchmarks (one of them: make bench ARGS=cold)
	cargo bench $(LOCKED) -p routefuse-bench -- $(ARGS)

.PHONY: gpu-test
gpu-test: setup ## Run the GPU's suite on this machine's NVIDIA GPU (skipped without one; REQUIRE_GPU=1 makes that a failure)
	@scripts/gpu-pack
	@$(or $(CARGO_TARGET_DIR),target)/gpu/run test $(ARGS)
	@$(or $(CARGO_TARGET_DIR),target)/gpu/run foreign

.PHONY: gpu-sanitize
gpu-sanitize: setup ## The same kernels under compute-sanitizer
	@scripts/gpu-pack
	@$(or $(CARGO_TARGET_DIR),target)/gpu/run sanitize $(ARGS)

.PHONY: gpu-bench
gpu-bench: setup ## Compare with PyTorch, torch.compile and Triton on this machine's NVIDIA GPU: table, JSON, plots
	@scripts/gpu-pack
	@OUT=$(or $(CARGO_TARGET_DIR),target)/gpu-compare $(or $(CARGO_TARGET_DIR),target)/gpu/run bench $(ARGS)

.PHONY: gpu-all
gpu-all: setup ## Suite, sanitizers and benchmarks on this machine's NVIDIA GPU in ten minutes: a log of each part, and a table
	@scripts/gpu-pack
	@OUT=$(or $(CARGO_TARGET_DIR),target)/gpu-all $(or $(CARGO_TARGET_DIR),target)/gpu/run all $(ARGS)

.PHONY: gpu-pack
gpu-pack: setup ## One archive for a machine with an NVIDIA GPU and neither Rust nor LLVM: gpu/run all, gpu/run test, gpu/run bench
	@scripts/gpu-pack --archive

.PHONY: test-amd
test-amd: setup $(PYTHON_ENV) ## Execute every example and preset, in every variant, as code for every AMD target in the emulator (an hour)
	@ROUTEFUSE_AMD_ALL=1 REQUIRE_AMDEMU=1 cargo test $(LOCKED) -p routefuse-tests --test suite -- $(or $(ARGS),amd_everything hip::)

.PHONY: hip-test
hip-test: setup ## The GPU's suite on this machine's AMD GPU (skipped without one; REQUIRE_GPU=1 makes that a failure)
	@scripts/hip-pack
	@$(or $(CARGO_TARGET_DIR),target)/hip/run test $(ARGS)

.PHONY: hip-bench
hip-bench: setup ## Time every example and preset on this machine's AMD GPU: table, JSON
	@scripts/hip-pack
	@OUT=$(or $(CARGO_TARGET_DIR),target)/hip-bench $(or $(CARGO_TARGET_DIR),target)/hip/run bench $(ARGS)

.PHONY: hip-pack
hip-pack: setup ## One archive for a machine with an AMD GPU (ROUTEFUSE_HIP_TARGETS) and neither Rust nor LLVM: hip/run test, hip/run bench
	@scripts/hip-pack --archive

.PHONY: lint
lint: setup ## Check formatting, clippy, the documentation and, with cargo-deny, the dependencies: no warnings
	cargo fmt --all --check
	cargo clippy $(LOCKED) --workspace --all-targets -- -D warnings
	@# The fuzz targets are no part of the workspace.
	cargo fmt --manifest-path fuzz/Cargo.toml --check
	cargo clippy $(LOCKED) --manifest-path fuzz/Cargo.toml --target-dir target/fuzz-lint --all-targets -- -D warnings
	@# Nor are the adapters for candle and burn.
	cargo fmt --manifest-path crates/candle/Cargo.toml --all --check
	cargo clippy $(LOCKED) --manifest-path crates/candle/Cargo.toml --target-dir $(or $(CARGO_TARGET_DIR),target) --workspace --all-targets -- -D warnings
	scripts/candle-cuda clippy $(LOCKED) --lib --examples -- -D warnings
	@# Every combination of features that a user has a reason for.
	for features in "" signatures cuda hip graphs graphs,signatures,cuda,hip remote remote,cuda,hip,graphs compiler; do \
		echo "features: $$features"; \
		cargo clippy $(LOCKED) -p routefuse --no-default-features --features "$$features" --lib --examples -- -D warnings; \
	done
	for features in "" cuda hip remote; do \
		echo "features of the program: $$features"; \
		cargo clippy $(LOCKED) -p routefuse-cli --no-default-features --features "$$features" -- -D warnings; \
	done
	for features in abi3 abi3,compiler; do \
		echo "features of the Python module: $$features"; \
		cargo clippy $(LOCKED) -p routefuse-python --no-default-features --features "$$features" -- -D warnings; \
	done
	cargo clippy $(LOCKED) -p routefuse-c --no-default-features --all-targets -- -D warnings
	@# What runs code, on the other architecture of hosts. Its standard library may not be there: `rustup target add` brings it.
	@if [ -d "$$(rustc --print target-libdir --target aarch64-unknown-linux-gnu)" ] && command -v aarch64-linux-gnu-gcc >/dev/null; then set -x; \
		cargo clippy $(LOCKED) --target aarch64-unknown-linux-gnu -p routefuse --no-default-features --features cuda,hip,graphs,signatures,remote --lib -- -D warnings; \
	else echo "lint: no standard library or no gcc for aarch64-unknown-linux-gnu, so the loader is not checked for it"; fi
	RUSTDOCFLAGS="-D warnings" cargo doc $(LOCKED) --workspace --no-deps --lib
	RUSTDOCFLAGS="-D warnings" cargo doc $(LOCKED) --manifest-path crates/candle/Cargo.toml --target-dir $(or $(CARGO_TARGET_DIR),target) --workspace --no-deps --lib
	RUSTDOCFLAGS="-D warnings" cargo doc $(LOCKED) -p routefuse --no-deps --no-default-features --features cuda,hip,remote,svg
	@if cargo deny --version >/dev/null 2>&1; then cargo deny --offline check bans licenses sources; \
	else echo "lint: no cargo-deny; the tests check licences and versions (cargo install cargo-deny --locked looks closer)"; fi

.PHONY: book
book: ## Build the book of docs/ to target/book, with a search that works offline
	@cargo run $(LOCKED) --quiet -p routefuse-book

.PHONY: snapshots
snapshots: setup $(PYTHON_ENV) ## Write the snapshots anew, delete stale ones, and list what changed
	@scripts/snapshots

.PHONY: dist
dist: setup ## Build the stripped program; check its size and what it needs at run time
	@scripts/dist

.PHONY: c-library
c-library: setup ## Build libroutefuse for C and C++, with the compiler and without, to target/c, from where `make install` takes it
	@scripts/c-library $(or $(CARGO_TARGET_DIR),target)/c

.PHONY: install
install: ## Copy what `make build` and `make c-library` have built, with licences and examples: make install PREFIX=/usr/local DESTDIR=
	@PREFIX='$(PREFIX)' DESTDIR='$(DESTDIR)' C_LIBRARY='$(or $(C_LIBRARY),$(or $(CARGO_TARGET_DIR),target)/c)' scripts/install $(or $(PROGRAM),$(or $(CARGO_TARGET_DIR),target)/release/routefuse)

.PHONY: uninstall
uninstall: ## Take away what `make install` put there, with the same PREFIX and DESTDIR
	@PREFIX='$(PREFIX)' DESTDIR='$(DESTDIR)' scripts/install --uninstall

.PHONY: wheel
wheel: setup $(PYTHON_ENV) ## Build the wheels of the Python package, with the compiler and without; check what they need
	@scripts/wheel

.PHONY: engines
engines: setup ## Trace sglang's and vLLM's own functions, and compare each kernel with its function: a table (downloads 400 MB)
	@scripts/engines

.PHONY: clean
clean: ## Remove everything that was built
	rm -rf target .venv .venv-browser .venv-torch-* python/routefuse/*.so fuzz/target
