export PATH := justfile_directory() / ".tools/bin:" + env("PATH")
# Elsewhere than on Linux, the members that are for any Unix.
members := if os() == "linux" { "--workspace" } else { "" }

# Everything that has to hold before a change is merged
check: fmt clippy scripts test doc nostd panic-free static bootstrap bootstrap-min deny unsafe rie workers languages counts fuzz-seeds simulate conformance-quick docs-test

# What a change has to pass anywhere: nothing but Rust is needed
quick: fmt
    cargo clippy {{members}} --all-targets -- -D warnings
    cargo test {{members}}
    RUSTDOCFLAGS="-D warnings" cargo doc {{members}} --no-deps

# What takes longer, or builds much of other people's
nightly: image page clients durable compare storm cargo-lambda simulate-bugs images events libraries more-languages soak-languages platforms book manuals publishable msrv wheel actionlint conformance conformance-bugs conformance-go conformance-proxy

# Is every file formatted? (`cargo fmt` formats them)
fmt:
    cargo fmt --all --check

# Lints, where a warning is an error
clippy:
    cargo clippy --workspace --all-targets -- -D warnings
    LAMBWIRE_PACKED={{justfile()}} cargo clippy --quiet -p tiny --features packed -- -D warnings
    cargo clippy --quiet -p lambwire-emulator --no-default-features -- -D warnings

# Every test that needs nothing but cargo
test:
    cargo test --workspace
    cargo test --quiet -p lambwire-mio --no-default-features --lib

# Every name that a script in Python takes from another is there
scripts:
    scripts/install.sh python3
    python3 scripts/imports.py

# The documentation builds, and its links lead somewhere
doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

# Every link, shell block and block of code of the documents is tried, or says why not
docs-test:
    scripts/install.sh php perl python3 node ruby lua go curl
    cargo build -q -p bootstrap -p hello -p lambwire -p lambwire-mio -p lambwire-emulator -p lambwire-conformance
    python3 scripts/docs_test.py "${CARGO_TARGET_DIR:-target}/debug"

# The documents as a book, in target/book
book:
    scripts/install.sh mdbook
    mdbook build docs
    python3 scripts/book_links.py check target/book

# lambwire and what it depends on need no std
nostd:
    scripts/nostd.sh

# Nothing of lambwire that a runtime's end links can panic
panic-free:
    scripts/panic-free.sh

# A function for an image is static, small enough, and starts in an empty root
static:
    scripts/static.sh hello:146000

# The bootstrap for x86_64 and aarch64, the latter run by qemu
bootstrap:
    scripts/bootstrap.sh 320000

# The smallest bootstrap and hello, plain and packed: std built along, panics without a word, and no names of hosts
bootstrap-min:
    scripts/bootstrap-min.sh

# How large the programs are
size: static bootstrap bootstrap-min nostd

# Licences, duplicates and sources of the dependencies
deny:
    scripts/install.sh deny
    cargo deny check bans licenses sources

# What the tests of lambwire reach of it, in lines and branches
coverage:
    scripts/coverage.sh

# Which small changes of lambwire's framing and turn-taking no test notices; it takes hours
mutants *options:
    scripts/mutants.sh {{options}}

# No unsafe code outside of its homes
unsafe:
    scripts/unsafe.sh

# What a package is built from, as CycloneDX
sbom package="lambwire":
    python3 scripts/sbom.py {{package}}

# Our runtimes and our emulator hold every must of the conformance kit
conformance-quick:
    scripts/conformance-quick.sh

# Packages as they would be published: what is in them, and that they do for a stranger
publishable:
    scripts/publishable.sh

# The published crates build with the oldest Rust that they state
msrv:
    scripts/msrv.sh

# Types for macOS, WebAssembly, a Cortex-M and Windows, and tests with musl: types, x86_64, aarch64
platforms *what:
    scripts/platforms.sh {{what}}

# The workflows are what GitHub takes
actionlint:
    scripts/actionlint.sh

# The wheel with both static programs, tried in a fresh environment
wheel:
    scripts/build-wheel.sh

# Manual pages and completions of the programs, in target/manuals
manuals:
    scripts/manuals.sh

# The terminal session that README.md shows
session:
    scripts/install.sh python3 curl
    cargo build -q -p bootstrap -p lambwire-emulator
    python3 scripts/terminal_session.py "${CARGO_TARGET_DIR:-target}/debug" docs/session.svg

# What a release consists of on Linux
dist:
    scripts/dist.sh

# A version: changelog, versions, tag; nothing is pushed
release version:
    scripts/release.sh {{version}}

# The conformance kit finds each of the bugs that are planted in a copy of the runtime in shell
conformance-bugs:
    cargo build -q -p lambwire-conformance
    python3 scripts/conformance_bugs.py "${CARGO_TARGET_DIR:-target}/debug/lambwire-conformance"

# The runtime in Go of docs/ten-minutes.md holds every must of the conformance kit
conformance-go:
    scripts/conformance-go.sh

# Runtimes do behind examples/proxy what they do without it
conformance-proxy:
    scripts/install.sh python3
    cargo build -q -p lambwire-conformance -p proxy -p hello -p bootstrap --bins
    cargo build -q -p lambwire-conformance --examples
    cargo build -q --manifest-path conformance/peers/Cargo.toml --target-dir "${CARGO_TARGET_DIR:-target}/peers"
    python3 scripts/conformance_proxy.py "${CARGO_TARGET_DIR:-target}/peers/debug"

# The conformance kit on every runtime and server that there is; the results go into docs/conformance.md
conformance:
    scripts/conformance.sh

# The runtimes against AWS's own emulator
rie:
    scripts/test-rie.sh

# Handlers in every language, well and ill, on AWS's emulator and on ours
languages:
    scripts/test-languages.sh

# The worker of each language by itself, over two pipes
workers:
    scripts/install.sh php perl perl-json python3 node ruby luas shells strace
    python3 scripts/test_workers.py
    python3 scripts/test_worker_lives.py
    python3 scripts/test_worker_signals.py
    python3 scripts/test_worker_errors.py
    python3 scripts/test_worker_rows.py
    python3 scripts/test_worker_python.py
    python3 scripts/test_worker_node.py
    python3 scripts/test_worker_ruby.py
    python3 scripts/test_worker_lua.py
    python3 scripts/test_worker_sh.py
    python3 scripts/test_worker_php.py
    python3 scripts/test_worker_perl.py

# Libraries that handlers are written with, unchanged, under the bootstrap and under AWS's clients
libraries: libraries-node libraries-python libraries-perl

# Libraries that make handlers in JavaScript, unchanged, beside AWS's client
libraries-node:
    scripts/test-libraries-node.sh

# Handlers that are written with libraries of Python, under the bootstrap and under AWS's own client
libraries-python:
    scripts/test-libraries-python.sh

# PSGI applications on Plack
libraries-perl:
    scripts/test-libraries-perl.sh

# Events that others have published come back from a handler in each language, value for value
events:
    scripts/test-events.sh

# Languages that a file makes known: the workers of examples/workers
more-languages:
    scripts/more-languages.sh

# AWS's runtime clients and SDKs, unchanged, on the emulator
clients:
    scripts/test-clients.sh

# A durable function, run by AWS's local runner against the emulator
durable:
    scripts/test-durable.sh

# What the emulator bears: functions that crash, hang and leave children, silent callers, large events and streams
storm count="10000":
    scripts/storm.sh {{count}}

# What our emulator, AWS's and cargo-lambda's answer to the same, as docs/emulator.md has it
compare:
    scripts/compare-emulators.sh

# The emulator's page in a browser
page:
    scripts/test-page.sh

# The image that others take the bootstrap from, as an OCI layout in target/
image:
    scripts/oci-image.sh

# The images of the examples, built and confined, each asked with curl
images:
    scripts/test-images.sh

# The runtimes against `cargo lambda watch`
cargo-lambda:
    scripts/test-cargo-lambda.sh

# The fuzz targets build, and hold over their seeds, and three over every captured exchange
fuzz-seeds:
    cargo fmt --manifest-path fuzz/Cargo.toml --check
    cargo test --quiet --manifest-path fuzz/Cargo.toml

# Fuzz one target for so many seconds, from its seeds and what earlier runs have found
fuzz target seconds:
    scripts/fuzz.sh {{target}} {{seconds}}

# Instructions and system calls, counted: the same numbers at every run
counts:
    scripts/counts.sh

# What a start and an invocation cost, beside a C program and lambda_runtime; of subjects whose names have such a part, or of all
bench *parts: counts
    scripts/bench.sh {{parts}}

# What a start and an invocation of handlers cost, beside AWS's clients for Python and Node and loops in PHP and Perl
bench-languages *languages:
    scripts/bench-languages.sh {{languages}}

# What an invocation costs a caller of our emulator, of AWS's and of cargo-lambda's
bench-emulators:
    scripts/bench-emulators.sh

# What a proxy adds to an invocation: ours, one from crates.io, and one in C that passes bytes on
bench-proxy *options:
    scripts/bench-proxy.sh {{options}}

# How long a test of a handler takes, beside one with an emulator that is started for it
bench-testing:
    cargo build -q --release -p lambwire-emulator -p hello --bins
    cargo run -q --release -p lambwire-testing --example bench -- "${CARGO_TARGET_DIR:-target}/release/lambwire-emulator" "${CARGO_TARGET_DIR:-target}/release/hello"

# What unpacking costs the smallest bootstrap when it starts
bench-packed: bootstrap-min
    python3 scripts/bench_packed.py target/min/x86_64-unknown-linux-musl/bootstrap/bootstrap target/min/packed/bootstrap

# How soon an emulator answers its first event: as built, as pip has installed it, and AWS's
bench-start:
    scripts/bench-start.sh

# Do the benches run? A few invocations of each subject
bench-once:
    scripts/bench.sh --once >/dev/null
    scripts/bench-languages.sh --once >/dev/null
    scripts/bench-emulators.sh --once >/dev/null
    scripts/bench-proxy.sh --once >/dev/null

# Both ends in memory, under a scheduler that does all the harm it can: so many seeds, from the first on
simulate count="100000" first="0":
    cargo run --release -p simulation -- {{count}} {{first}}

# The simulation finds each of the bugs that are planted in a copy of lambwire
simulate-bugs:
    scripts/simulate-bugs.sh

# Many invocations, eight at a time: each is answered once, and memory stays flat; and ten million simulated runs
soak count="100000" seed="1": (simulate "10000000")
    cargo run --release -p lambwire-emulator --example soak -- {{count}} {{seed}}

# Handlers in every language with faults at random: each caller its own answer, and nothing is left
soak-languages count="100000" seed="1":
    scripts/install.sh php perl python3 node ruby lua
    cargo build -q --release -p bootstrap -p lambwire-emulator
    python3 scripts/soak_languages.py "${CARGO_TARGET_DIR:-target}/release/lambwire-emulator" "${CARGO_TARGET_DIR:-target}/release/bootstrap" {{count}} {{seed}}

# Install whatever this machine lacks for all of the above
tools:
    scripts/install.sh just deny valgrind strace unzip musl musl-aarch64 php php-curl perl python3 node ruby lua
    scripts/rie.sh
    scripts/cargo-lambda.sh
