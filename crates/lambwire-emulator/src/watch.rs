//! Files that are watched, so that a program is started again when it has changed.

use std::collections::BTreeSet;
use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::task::spawn_blocking;
use tokio::time::sleep;

use crate::files::identity;
use crate::limits;

/// Names that are not looked at, beside those that begin with a dot: what is written by builds, and by Python itself.
const PASSED_OVER: [&str; 3] = ["node_modules", "target", "__pycache__"];

/// Calls `changed` whenever something in one of these has changed, and stays as it is then; of what is `passed_over` by then,
/// nothing counts. Goes on for ever.
pub async fn watch(paths: Vec<PathBuf>, passed_over: fn() -> BTreeSet<PathBuf>, changed: impl Fn()) {
    let paths = Arc::new(paths);
    let look = || {
        let paths = Arc::clone(&paths);
        spawn_blocking(move || state(&paths, passed_over()))
    };
    let Ok(first) = look().await else { return };
    if first.files >= limits::WATCHED_FILES {
        log::warn!("the first {} files are watched, and no more", limits::WATCHED_FILES);
    }
    let (mut known, mut last) = (first.sum, first.sum);
    loop {
        sleep(limits::WATCH_INTERVAL).await;
        let Ok(State { sum, .. }) = look().await else { return };
        if sum != known && sum == last {
            known = sum;
            changed();
        }
        last = sum;
    }
}

/// What all files are like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct State {
    /// Differs if one of them does.
    sum: u64,
    files: usize,
}

fn state(paths: &[PathBuf], passed_over: BTreeSet<PathBuf>) -> State {
    // What this process prints in a file there is no change of the program.
    let passed_over = ["/dev/stdout", "/dev/stderr"].map(PathBuf::from).into_iter().chain(passed_over);
    let passed_over: Vec<_> = passed_over.flat_map(fs::metadata).map(|own| identity(&own)).collect();
    let mut state = State::default();
    let mut rest: Vec<PathBuf> = paths.to_vec();
    while let Some(path) = rest.pop() {
        let Ok(metadata) = fs::metadata(&path) else { continue };
        if metadata.is_dir() {
            let entries = fs::read_dir(&path).into_iter().flatten().flatten();
            rest.extend(entries.map(|entry| entry.path()).filter(|path| !is_passed_over(path)));
        } else if !passed_over.contains(&identity(&metadata)) && state.files < limits::WATCHED_FILES {
            state.files += 1;
            let mut hasher = DefaultHasher::new();
            (path, identity(&metadata), metadata.len(), metadata.mtime(), metadata.mtime_nsec()).hash(&mut hasher);
            state.sum = state.sum.wrapping_add(hasher.finish());
        }
    }
    state
}

/// Whether this is no part of a program, or a link, which may lead in circles.
fn is_passed_over(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    let is_link = path.is_symlink() && path.is_dir();
    is_link || name.as_encoded_bytes().starts_with(b".") || PASSED_OVER.iter().any(|passed_over| name == *passed_over)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files;
    use crate::fleet::dead_letter::DeadLetters;

    #[test]
    fn events_that_are_kept_are_no_change() {
        let directory = std::env::temp_dir().join(format!("lambwire-watch-letters-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let now = || state(std::slice::from_ref(&directory), files::kept());
        let _letters = DeadLetters::open(directory.join("letters.jsonl"), None).unwrap();
        assert_eq!(now(), State::default());
        // By whatever name.
        fs::hard_link(directory.join("letters.jsonl"), directory.join("linked.jsonl")).unwrap();
        assert_eq!(now(), State::default());
        fs::write(directory.join("app.py"), "1").unwrap();
        assert_eq!(now().files, 1);
        fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn what_changes_is_seen_and_what_is_built_is_not() {
        let directory = std::env::temp_dir().join(format!("lambwire-watch-{}", std::process::id()));
        fs::create_dir_all(directory.join("a/node_modules")).unwrap();
        let now = || state(std::slice::from_ref(&directory), BTreeSet::new());
        let empty = now();
        assert_eq!(empty, State::default());
        fs::write(directory.join("a/app.py"), "1").unwrap();
        let one = now();
        assert_eq!(one.files, 1);
        for passed_over in ["a/node_modules/x", "a/.swp"] {
            fs::write(directory.join(passed_over), "1").unwrap();
        }
        std::os::unix::fs::symlink("..", directory.join("a/circle")).unwrap();
        assert_eq!(now(), one);
        fs::write(directory.join("a/app.py"), "12").unwrap();
        let two = now();
        assert_ne!(two.sum, one.sum);
        fs::remove_file(directory.join("a/app.py")).unwrap();
        assert_eq!(now(), empty);
        fs::remove_dir_all(&directory).unwrap();
    }
}
