#!/usr/bin/env bash
# Builds the example images on bases made of Debian's packages, and asks each with curl on a published port.
set -euo pipefail
cd "$(dirname "$0")/.."

TARGET=x86_64-unknown-linux-musl
# What scripts need that start an interpreter, and `RUN`.
SHELL_TOOLS="dash coreutils sed grep"
# What each base is made of; to that of TypeScript comes Bun, of which npm has the program. That of `sh` has musl, and a busybox that is linked to nothing.
declare -A BASES=(
    [php]=php-cli [perl]=perl [python]=python3 [node]=nodejs [ruby]=ruby [go-native]="dash libc-bin"
    [sh]="busybox-static musl" [workers/elixir]="elixir $SHELL_TOOLS" [workers/guile]="guile-3.0 $SHELL_TOOLS"
    [workers/r]="bash r-base-core r-cran-jsonlite $SHELL_TOOLS" [workers/tcl]="tcl $SHELL_TOOLS" [workers/typescript]="libc6 libgcc-s1"
)

# As in scripts/more-languages.sh.
BUN=1.4.5

main() {
    scripts/install.sh podman node curl python3 unzip postgresql go-native
    work=$(mktemp -d)
    trap 'as_root rm -rf "$work"' EXIT
    configure
    programs
    bases
    as_root python3 scripts/test_images.py "$work/programs" "$(scripts/rie.sh)"
}

# Debian's podman would take crun, systemd and the journal, which a machine such as CI's does not have, and raise limits
# beyond what root may in some sandboxes. Those here are Lambda's.
configure() {
    cat >"$work/containers.conf" <<'TOML'
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
TOML
    export CONTAINERS_CONF=$work/containers.conf
}

# What the images contain, as `just static` builds it, and the emulator, which is mounted into them.
programs() {
    local environment target=${CARGO_TARGET_DIR:-target}
    environment=$(scripts/musl.sh)
    env "$environment" cargo build -q --profile bootstrap --target $TARGET -p bootstrap -p hello
    # The standard library of musl.sh knows no other way to panic.
    env "$environment" CARGO_PROFILE_DEV_PANIC=abort cargo build -q --target $TARGET -p lambwire-emulator
    mkdir "$work/programs"
    cp "$target/$TARGET/bootstrap"/{bootstrap,hello} "$target/$TARGET/debug/lambwire-emulator" "$work/programs/"
    cp -r examples/go-native "$work/go-native"
    "$work/go-native/build.sh"
    cp -r "$work/go-native"/{lambda,client} "$work/programs/"
}

# Bases are kept, since nothing of the project is in them.
bases() {
    local name image root=$work/root is_updated=
    for name in "${!BASES[@]}"; do
        image=localhost/lambwire-base/$name
        as_root podman image exists "$image" && continue
        [ -n "$is_updated" ] || as_root apt-get -qq update >&2
        is_updated=yes
        # shellcheck disable=SC2086
        as_root scripts/debian-root.sh "$root" ${BASES[$name]}
        # What scripts of the packages would do: one of several versions has the plain name.
        [ ! -x "$root/usr/bin/guile-3.0" ] || as_root ln -sf guile-3.0 "$root/usr/bin/guile"
        [ ! -d "$root/usr/lib/R" ] || finish_r "$root"
        [ "$name" != workers/typescript ] || as_root install -D "$(scripts/npm.sh bun "bun@$BUN")/node_modules/bun/bin/bun.exe" "$root/usr/bin/bun"
        [ ! -x "$root/bin/busybox" ] || as_root chroot "$root" /bin/busybox --install -s /bin
        as_root tar -C "$root" -c . | as_root podman import -q - "$image" >/dev/null
        as_root rm -rf "$root"
    done
}

# The same for R, which has its settings, and its libraries of algebra, from such scripts.
finish_r() {
    as_root ln -sf blas/libblas.so.3 lapack/liblapack.so.3 "$1/usr/lib/x86_64-linux-gnu/"
    as_root cp "$1/usr/lib/R/etc/Renviron.ucf" "$1/etc/R/Renviron"
}

# A limit on memory, and a network for containers, take root on most machines.
as_root() {
    local root=()
    [ "$(id -u)" -eq 0 ] || root=(sudo --preserve-env=CONTAINERS_CONF)
    "${root[@]}" "$@"
}

main "$@"
