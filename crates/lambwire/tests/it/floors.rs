//! No import points up: each module uses those below it.

use std::fs;
use std::path::{Path, PathBuf};

/// The modules, from the ground up.
const FLOORS: [&str; 32] = [
    "limits",
    "excerpt",
    "error",
    "endpoint",
    "wire/scan",
    "wire/lines",
    "wire/headers",
    "wire/head",
    "wire/writer",
    "wire/base64",
    "wire/body",
    "wire/outgoing",
    "wire",
    "field",
    "json",
    "extension",
    "client_context",
    "context",
    "report",
    "stream",
    "message",
    "message/reply",
    "event",
    "api_error",
    "failure",
    "client",
    "server",
    "reader",
    "retry",
    "session",
    "session/reply",
    "turn",
];

fn floor(module: &str) -> usize {
    FLOORS.iter().position(|floor| *floor == module).unwrap_or_else(|| panic!("{module} stands on no floor"))
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { sources(&path, found) } else { found.push(path) }
    }
}

#[test]
fn no_import_points_up() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    sources(&folder, &mut paths);
    assert!(paths.len() > 20);
    for path in paths {
        let module = path.strip_prefix(&folder).unwrap().with_extension("").to_string_lossy().replace("/mod", "");
        if module == "lib" {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap();
        for line in code.lines() {
            let import = line.strip_prefix("use crate::").map(|rest| (rest, ""));
            let import = import.or(line.strip_prefix("use super::").map(|rest| (rest, "wire/")));
            let Some((rest, prefix)) = import else { continue };
            let names: Vec<&str> = rest.split([':', ';', '{', '}', ',', ' ']).filter(|name| !name.is_empty()).collect();
            let used = match names[..] {
                ["wire", inner, ..] => format!("wire/{inner}"),
                [name, ..] => format!("{prefix}{name}"),
                [] => continue,
            };
            assert!(floor(&used) < floor(&module), "{module} imports {used}, which stands above it: {line}");
        }
    }
}
