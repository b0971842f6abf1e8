//! Packs the workers, which the program carries in itself: without lines that are comments or docstrings and without
//! indentation, where the language does not care, and deflated.

#![expect(clippy::unwrap_used, reason = "a build that cannot go on ends")]

use std::env;
use std::fs::{self, File};
use std::path::Path;

use zopfli::{Format, Options};

/// What each is called, the files that it consists of, and what lines that are comments begin with. The text is that of all
/// files, but in Python.
const WORKERS: [(&str, &[&str], &str); 7] = [
    ("php", &["php/worker.php"], "//"),
    ("perl", &["perl/worker.pl"], "#"),
    (PYTHON, &["python/context.py", "python/logs.py", "python/tasks.py", "python/values.py", "python/worker.py"], "#"),
    ("node", &["node/worker.cjs"], "//"),
    ("ruby", &["ruby/worker.rb"], "#"),
    ("lua", &["lua/json.lua", "lua/worker.lua"], "--"),
    ("sh", &["sh/worker.sh"], "#"),
];

/// Its files but the last are texts to that, `PARTS` by their names: to compile them takes time, and few handlers need them.
const PYTHON: &str = "python";

/// What a line begins and ends with in Python that says what a function or a class is for. It may be all that there is of
/// that, so that something has to stand in its place.
const DOCSTRING: &str = "\"\"\"";

/// Where the space before a line counts, or may be part of a text.
const INDENTED: [&str; 2] = [PYTHON, "sh"];

fn main() {
    let to = env::var_os("OUT_DIR").unwrap();
    println!("cargo:rerun-if-changed=workers");
    for (name, files, comment) in WORKERS {
        let texts = files.iter().map(|file| {
            let path = Path::new("workers").join(file);
            let text = fs::read_to_string(&path).unwrap();
            let text = without_comments(&text, comment, INDENTED.contains(&name));
            let part = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (part, text)
        });
        let text = if name == PYTHON { with_parts(texts.collect()) } else { texts.map(|(_, text)| text).collect() };
        let packed = File::create(Path::new(&to).join(name)).unwrap();
        zopfli::compress(Options::default(), Format::Deflate, text.as_bytes(), packed).unwrap();
    }
}

/// Without a line more than the files have. The first line of the last is a comment, whose place is free.
fn with_parts(mut texts: Vec<(String, String)>) -> String {
    let (_, last) = texts.pop().unwrap();
    assert!(last.starts_with('\n') && texts.iter().all(|(_, text)| !text.contains("'''")));
    let parts: String = texts.iter().map(|(part, text)| format!("'{part}': r'''{text}''',")).collect();
    format!("PARTS = {{{parts}}}{last}")
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
