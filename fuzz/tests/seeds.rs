//! Every target holds over its seeds, and over every captured exchange.

use std::fs;
use std::path::{Path, PathBuf};

use lambwire_fuzz::{TARGETS, client, reader, server};

fn files(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file()).collect()
}

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn every_target_holds_over_its_seeds() {
    for (name, run) in TARGETS {
        let seeds = files(&here().join("seeds").join(name));
        assert!(!seeds.is_empty(), "{name} has no seed");
        for seed in seeds {
            println!("{}", seed.display());
            run(&fs::read(&seed).unwrap());
        }
    }
}

#[test]
fn every_target_is_a_program() {
    let mut programs: Vec<_> = files(&here().join("fuzz_targets"))
        .iter()
        .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    programs.sort();
    assert_eq!(programs, TARGETS.map(|(name, _)| name));
}

#[test]
fn every_capture_has_one_reading() {
    for capture in files(&here().join("../crates/lambwire/tests/captures")) {
        println!("{}", capture.display());
        let bytes = fs::read(&capture).unwrap();
        for choice in 0..5 {
            let input = [&[choice], &bytes[..]].concat();
            client::run(&input);
            server::run(&input);
            for role in 0..2 {
                reader::run(&[&[role, 20], &input[..]].concat());
            }
        }
    }
}
