//! What documents say, held against the sources.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// What error types that users may see begin with.
const FAMILIES: [&str; 4] = ["Runtime.", "Function.", "Sandbox.", "Extension."];

/// Those that only tests and the conformance kit's own handlers have.
const OF_TESTS: [&str; 4] = ["Function.X", "Function.Asked", "Function.BadEvent", "Extension.X"];

#[test]
fn every_error_type_is_explained() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut types = BTreeSet::new();
    for place in ["crates", "examples/bootstrap/src", "examples/bootstrap/workers"] {
        collect(&top.join(place), &mut types);
    }
    let known = fs::read_to_string(top.join("docs/troubleshooting.md")).unwrap();
    let missing: Vec<_> = types.iter().filter(|name| !known.contains(&format!("`{name}`"))).collect();
    assert!(types.len() > 20 && missing.is_empty(), "not in docs/troubleshooting.md: {missing:?}");
}

/// Without it, publishing a version of an image with SnapStart may fail (AWS, "Runtime hooks for Lambda SnapStart").
const SNAP_START: &str = "LABEL com.amazonaws.lambda.feature.snapstart=\"Allow\"\n";

#[test]
fn every_dockerfile_allows_snap_start() {
    let mut files = Vec::new();
    find_dockerfiles(&Path::new(env!("CARGO_MANIFEST_DIR")).join(".."), &mut files);
    assert!(files.len() > 10, "{files:?}");
    for file in files {
        assert!(fs::read_to_string(&file).unwrap().contains(SNAP_START), "{}", file.display());
    }
}

fn find_dockerfiles(directory: &Path, files: &mut Vec<PathBuf>) {
    for path in fs::read_dir(directory).unwrap().flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            find_dockerfiles(&path, files);
        } else if path.file_name().is_some_and(|name| name.as_bytes().starts_with(b"Dockerfile")) {
            files.push(path);
        }
    }
}

/// The error types in all sources below a directory, but for those of tests.
fn collect(directory: &Path, types: &mut BTreeSet<String>) {
    for entry in fs::read_dir(directory).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            if !path.ends_with("tests") && !path.ends_with("examples") {
                collect(&path, types);
            }
            continue;
        }
        let Ok(text) = fs::read_to_string(&path) else { continue };
        let text = text.split("#[cfg(test)]").next().unwrap_or_default();
        for quoted in text.split(['"', '\'']) {
            let is_name = quoted.split_once('.').is_some_and(|(_, name)| {
                name.starts_with(|first: char| first.is_ascii_uppercase()) && name.chars().all(char::is_alphanumeric)
            });
            let is_type = is_name && FAMILIES.iter().any(|family| quoted.starts_with(family));
            if is_type && !OF_TESTS.contains(&quoted) {
                types.insert(quoted.to_owned());
            }
        }
    }
}
