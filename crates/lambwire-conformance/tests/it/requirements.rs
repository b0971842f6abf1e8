use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use lambwire_conformance::play::Turn;
use lambwire_conformance::requirement::{Suite, parse, runtime_suites, server_suites};

/// Requirements of runtimes that there are at least.
const RUNTIME: usize = 150;
/// Requirements of servers that there are at least.
const SERVER: usize = 80;

fn root(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// The number, the title and the source of each.
fn all() -> Vec<(String, String, String)> {
    fn of<S>(suites: Vec<Suite<S>>) -> impl Iterator<Item = (String, String, String)> {
        suites.into_iter().flat_map(|suite| suite.requirements).map(|one| (one.number, one.title, one.source))
    }
    of(runtime_suites().unwrap()).chain(of(server_suites().unwrap())).collect()
}

#[test]
fn there_are_as_many_as_are_promised() {
    fn count<S>(suites: &[Suite<S>]) -> usize {
        suites.iter().map(|suite| suite.requirements.len()).sum()
    }
    let counts = [count(&runtime_suites().unwrap()), count(&server_suites().unwrap())];
    assert!(counts[0] >= RUNTIME && counts[1] >= SERVER, "{counts:?}");
}

#[test]
fn every_file_is_part_of_the_program() {
    let files = fs::read_dir(root("conformance")).unwrap().map(|entry| entry.unwrap().file_name());
    let files = files.filter(|name| name.to_string_lossy().ends_with(".toml")).count();
    assert_eq!(files, runtime_suites().unwrap().len() + server_suites().unwrap().len());
}

#[test]
fn numbers_are_given_once() {
    let numbers: Vec<_> = all().into_iter().map(|(number, ..)| number).collect();
    assert_eq!(numbers.iter().collect::<BTreeSet<_>>().len(), numbers.len());
}

#[test]
fn titles_are_given_once() {
    let titles: Vec<_> = all().into_iter().map(|(_, title, _)| title).collect();
    let mut seen = BTreeSet::new();
    let twice: Vec<_> = titles.iter().filter(|title| !seen.insert(title.as_str())).collect();
    assert!(twice.is_empty(), "{twice:?}");
}

#[test]
fn captures_that_are_named_are_there() {
    for (number, _, source) in all() {
        let Some((_, names)) = source.split_once("capture ") else { continue };
        let name = names.split([',', ';', ':', ' ']).next().unwrap();
        let kept = fs::read_dir(root("crates/lambwire/tests/captures"))
            .unwrap()
            .any(|entry| entry.unwrap().file_name().to_string_lossy().starts_with(&format!("{name}.")));
        assert!(kept, "{number}: {name}");
    }
}

const WELL: &str = r#"
number = 1
title = "t"
about = "a"
valid = true
[[requirement]]
number = "1-1"
title = "t"
text = "x"
source = "s"
severity = "must"
play = [{ expect = "next" }]
"#;

#[track_caller]
fn check_refused(from: &str, to: &str, expected: &str) {
    let text = WELL.replacen(from, to, 1);
    assert_ne!(text, WELL);
    let error = parse::<Turn>("file.toml", &text).unwrap_err();
    assert!(error.contains(expected), "{error}");
}

#[test]
fn a_requirement_that_is_not_well_formed_is_refused() {
    assert!(parse::<Turn>("file.toml", WELL).is_ok());
    check_refused("source = \"s\"\n", "", "source");
    check_refused("source = \"s\"", "source = \" \"", "1-1: has no title, text or source");
    check_refused("source", "sauce", "sauce");
    check_refused("expect", "expects", "expects");
    check_refused("\"next\"", "\"nxt\"", "nxt");
    check_refused("\"must\"", "\"shall\"", "shall");
    check_refused("\"1-1\"", "\"2-1\"", "2-1: is no number of suite 1");
    check_refused("[{ expect = \"next\" }]", "[]", "1-1: has no play");
    let again = WELL.split_once("[[requirement]]").unwrap().1;
    check_refused("[[requirement]]", &format!("[[requirement]]{again}[[requirement]]"), "1-1: is there twice");
}
