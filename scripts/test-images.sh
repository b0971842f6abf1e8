#!/usr/bin/env bash
# Builds the example images on bases made of Debian's packages, and asks each with curl on a published port.
set -euo pipefail
cd "$(dirname "$0")/.."

TARGET=x86_64-unknown-linux-musl
# What each base is made of. That of `sh` has musl, and a busybox that is linked to nothing.
declare -A BASES=(
    [php]=php-cli [perl]=perl [python]=python3 [node]=nodejs [ruby]=ruby [go-native]="dash libc-bin"
    [sh]="busybox-static musl"
)

main() {
    scripts/install.sh podman curl python3 unzip postgresql go-native
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
        [ ! -x "$root/bin/busybox" ] || as_root chroot "$root" /bin/busybox --install -s /bin
        as_root tar -C "$root" -c . | as_root podman import -q - "$image" >/dev/null
        as_root rm -rf "$root"
    done
}

# A limit on memory, and a network for containers, take root on most machines.
as_root() {
    local root=()
    [ "$(id -u)" -eq 0 ] || root=(sudo --preserve-env=CONTAINERS_CONF)
    "${root[@]}" "$@"
}

main "$@"
