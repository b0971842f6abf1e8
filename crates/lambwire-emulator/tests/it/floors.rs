//! No import within `fault/` points up: each module uses those below it.

use std::fs;
use std::path::Path;

/// The modules, from the ground up.
const FLOORS: [&str; 6] = ["script", "record", "shared", "conversation", "server", "mod"];

#[test]
fn no_import_of_the_fault_server_points_up() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/fault");
    let mut seen = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let floor = |module: &str| FLOORS.iter().position(|floor| *floor == module).expect("each module has a floor");
        let module = path.file_stem().unwrap().to_string_lossy().into_owned();
        for line in fs::read_to_string(&path).unwrap().lines() {
            let Some((_, rest)) = line.split_once("super::").filter(|_| line.starts_with("use ")) else { continue };
            let used = rest.split("::").next().unwrap();
            assert!(floor(used) < floor(&module), "{module} imports {used}, which stands above it: {line}");
            seen += 1;
        }
    }
    assert!(seen >= 5, "{seen} imports");
}
