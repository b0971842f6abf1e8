#!/usr/bin/env bash
# Installs what this machine lacks of the tools named as arguments: just deny fuzz coverage mdbook mutants semver-checks
# valgrind strace unzip curl zsh groff llvm-22 lld-22 libclang-rt-22-dev musl musl-debian musl-aarch64 podman postgresql go
# go-native, and interpreters: php perl python3 node ruby lua, luas (every version), shells, more-languages, php-curl, perl-json,
# plack; what npm builds aws-lambda-ric with; chromium with its driver; a busybox that is linked to nothing; and
# mingw-binutils, to check types for Windows.
set -euo pipefail
cd "$(dirname "$0")/.."

JUST=1.59.0
DENY=0.20.2
FUZZ=0.13.2
LLVM_COV=0.9.1
MDBOOK=0.5.4
MUTANTS=27.1.0
SEMVER_CHECKS=0.45.0
# What scripts/musl.sh builds a standard library from.
MUSL_DEBIAN=(gcc libc6-dev musl-tools rustc-web cargo-web rust-web-src)
# What it needs besides to link for another architecture, and what runs the result.
MUSL_AARCH64=(gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user-static)

main() {
    local packages=() tool
    for tool in "$@"; do
        case $tool in
        just) command -v just >/dev/null || install_just ;;
        deny) cargo_tool cargo-deny "$DENY" ;;
        fuzz) cargo_tool cargo-fuzz "$FUZZ" ;;
        coverage) cargo_tool cargo-llvm-cov "$LLVM_COV" ;;
        semver-checks) cargo_tool cargo-semver-checks "$SEMVER_CHECKS" ;;
        mdbook) cargo_tool mdbook "$MDBOOK" ;;
        mutants) cargo_tool cargo-mutants "$MUTANTS" ;;
        valgrind | strace | unzip | curl | zsh) command -v "$tool" >/dev/null || packages+=("$tool") ;;
        llvm-*) [ -x "/usr/lib/$tool/bin/llvm-cov" ] || packages+=("$tool") ;;
        libclang-rt-*-dev | lld-*) mapfile -t -O ${#packages[@]} packages < <(lacking "$tool") ;;
        podman) mapfile -t -O ${#packages[@]} packages < <(lacking podman runc containernetworking-plugins iptables) ;;
        postgresql) mapfile -t -O ${#packages[@]} packages < <(lacking postgresql) ;;
        go-native) mapfile -t -O ${#packages[@]} packages < <(lacking golang-go gcc libc6-dev libpq-dev) ;;
        groff) mapfile -t -O ${#packages[@]} packages < <(lacking groff-base) ;;
        mingw-binutils) mapfile -t -O ${#packages[@]} packages < <(lacking binutils-mingw-w64-x86-64) ;;
        busybox) mapfile -t -O ${#packages[@]} packages < <(lacking busybox-static) ;;
        chromium) mapfile -t -O ${#packages[@]} packages < <(lacking chromium chromium-driver) ;;
        aws-lambda-ric) mapfile -t -O ${#packages[@]} packages < <(lacking cmake g++ make autoconf automake libtool) ;;
        php-curl) php -r 'exit((int) !extension_loaded("curl"));' 2>/dev/null || packages+=(php-curl) ;;
        php) command -v php >/dev/null || packages+=(php-cli) ;;
        perl-json) mapfile -t -O ${#packages[@]} packages < <(lacking libjson-xs-perl libcpanel-json-xs-perl) ;;
        plack) mapfile -t -O ${#packages[@]} packages < <(lacking libplack-perl) ;;
        go) command -v go >/dev/null || packages+=(golang-go) ;;
        perl | python3 | ruby) command -v "$tool" >/dev/null || packages+=("$tool") ;;
        node) command -v node >/dev/null || packages+=(nodejs) ;;
        lua) command -v lua >/dev/null || packages+=(lua5.4) ;;
        luas) mapfile -t -O ${#packages[@]} packages < <(lacking lua5.1 lua5.3 lua5.4 luajit lua-posix) ;;
        more-languages)
            mapfile -t -O ${#packages[@]} packages < <(lacking tcl tclx8.4 guile-3.0 r-base-core r-cran-jsonlite elixir)
            command -v npm >/dev/null || packages+=(npm)
            ;;
        shells) mapfile -t -O ${#packages[@]} packages < <(lacking bash busybox-static dash ksh mksh yash zsh) ;;
        musl) scripts/musl.sh >/dev/null ;;
        musl-aarch64) mapfile -t -O ${#packages[@]} packages < <(lacking "${MUSL_AARCH64[@]}") ;;
        musl-debian) mapfile -t -O ${#packages[@]} packages < <(lacking "${MUSL_DEBIAN[@]}") ;;
        *) fail "nothing called '$tool' is known here" ;;
        esac
    done
    [ ${#packages[@]} -eq 0 ] || install_debian "${packages[@]}"
}

lacking() {
    local package
    for package in "$@"; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || echo "$package"
    done
}

install_debian() {
    command -v apt-get >/dev/null || fail "please install: $*"
    local root=()
    [ "$(id -u)" -eq 0 ] || root=(sudo)
    "${root[@]}" apt-get -q -o DPkg::Lock::Timeout=600 update >&2
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get -q -o DPkg::Lock::Timeout=600 install -y --no-install-recommends "$@" >&2
}

install_just() {
    python3 -m pip install -q "rust-just==$JUST" >&2
    hash -r
    command -v just >/dev/null || fail "pip has installed just, but not on PATH"
}

# Without the optimisations of their release profiles they build in a sixth of the time, and are quick enough.
cargo_tool() {
    PATH=.tools/bin:$PATH command -v "$1" >/dev/null && return
    CARGO_PROFILE_RELEASE_OPT_LEVEL=0 CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
        cargo install -q --locked --root .tools "$1@$2" >&2
}

fail() {
    echo "install.sh: $*" >&2
    exit 1
}

main "$@"
