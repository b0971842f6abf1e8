//! Packs the workers, which the program carries in itself: without lines that are comments or docstrings and without
//! indentation, where the language does not care, and deflated.

#![expect(clippy::unwrap_used, reason = "a build that cannot go on ends")]

use std::env;
use std::fs::{self, File};
use std::path::Path;

use zopfli::{Format, Options};

/// What each is called, the files that it consists of, and what lines that are comments begin with.
const WORKERS: [(&str, &[&str], &str); 7] = [
    ("php", &["php/worker.php"], "//"),
    ("perl", &["perl/worker.pl"], "#"),
    ("python", &["python/worker.py"], "#"),
    ("node", &["node/worker.cjs"], "//"),
    ("ruby", &["ruby/worker.rb"], "#"),
    ("lua", &["lua/json.lua", "lua/worker.lua"], "--"),
    ("sh", &["sh/worker.sh"], "#"),
];

/// What a line begins and ends with in Python that says what a function or a class is for. It may be all that there is of
/// that, so that something has to stand in its place.
const DOCSTRING: &str = "\"\"\"";

/// Where the space before a line counts, or may be part of a text.
const INDENTED: [&str; 2] = ["python", "sh"];

fn main() {
    let to = env::var_os("OUT_DIR").unwrap();
    println!("cargo:rerun-if-changed=workers");
    for (name, files, comment) in WORKERS {
        let texts = files.iter().map(|file| fs::read_to_string(Path::new("workers").join(file)).unwrap());
        let text = without_comments(&texts.collect::<String>(), comment, INDENTED.contains(&name));
        let packed = File::create(Path::new(&to).join(name)).unwrap();
        zopfli::compress(Options::default(), Format::Deflate, text.as_bytes(), packed).unwrap();
    }
}

/// Lines keep their place, so that what an interpreter says of one can be looked up. Empty ones pack to nothing.
fn without_comments(text: &str, comment: &str, is_indented: bool) -> String {
    let kept = text.lines().map(|line| {
        let bare = line.trim_start();
        let (indentation, _) = line.split_at(line.len() - bare.len());
        if bare.starts_with(comment) {
            ["", ""]
        } else if bare.strip_prefix(DOCSTRING).is_some_and(|rest| rest.ends_with(DOCSTRING)) {
            [indentation, "0"]
        } else if is_indented {
            [indentation, bare]
        } else {
            ["", bare]
        }
    });
    kept.flat_map(|[indentation, rest]| [indentation, rest, "\n"]).collect()
}
