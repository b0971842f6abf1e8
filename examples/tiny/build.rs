//! Links the program without libc and its start files.

fn main() {
    println!("cargo:rerun-if-changed=tiny.ld");
    for arg in [
        "-nostartfiles",
        "-nostdlib",
        // The program begins in its own `_start`, and nobody was there before to relocate it.
        "-no-pie",
        "-Wl,--no-dynamic-linker",
        // A page saved between sections is a page that is read in when the program starts.
        "-Wl,-z,noseparate-code",
        "-Wl,--build-id=none",
        "-Wl,--no-eh-frame-hdr",
        concat!("-Wl,-T,", env!("CARGO_MANIFEST_DIR"), "/tiny.ld"),
    ] {
        println!("cargo:rustc-link-arg-bins={arg}");
    }
}
