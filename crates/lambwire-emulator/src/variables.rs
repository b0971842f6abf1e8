//! Variables of a function: named one by one, and in files.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use crate::files::{open_at_once, read_text};
use crate::limits;

type Pairs = Vec<(String, String)>;

/// What the processes of a function find in their environment, beside what Lambda sets.
#[derive(Clone, Debug, Default)]
pub(crate) struct Variables {
    named: Pairs,
    files: Vec<Source>,
    /// What a pipe had is kept for all emulators of this process: they are those of one command line, started anew.
    are_pipes_shared: bool,
}

/// What pipes had that are shared, by their paths.
static SHARED: Mutex<BTreeMap<PathBuf, Pairs>> = Mutex::new(BTreeMap::new());

/// A file of variables.
#[derive(Clone, Debug)]
struct Source {
    path: PathBuf,
    /// What a pipe had, or something else that can be read only once.
    kept: Option<Pairs>,
}

impl Variables {
    pub(crate) fn add(&mut self, name: String, value: String) {
        self.named.push((name, value));
    }

    pub(crate) fn add_file(&mut self, path: PathBuf) {
        self.files.push(Source { path, kept: None });
    }

    pub(crate) fn share_pipes(&mut self) {
        self.are_pipes_shared = true;
    }

    /// The files that are read whenever a program is started.
    pub(crate) fn files(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().filter(|file| file.kept.is_none()).map(|file| &*file.path)
    }

    /// Reads what is no file, such as a pipe, and waits for what comes of it: that can be read only once.
    pub(crate) fn prepare(&mut self) -> Result<(), String> {
        for file in &mut self.files {
            let kind = match file.path.metadata() {
                Ok(metadata) if !metadata.is_file() => metadata.file_type(),
                _ => continue,
            };
            let shared = || SHARED.lock().unwrap_or_else(PoisonError::into_inner);
            if self.are_pipes_shared
                && let Some(pairs) = shared().get(&file.path)
            {
                file.kept = Some(pairs.clone());
                continue;
            }
            let pairs = file.pairs(File::open(&file.path))?;
            if pairs.is_empty() && kind.is_fifo() {
                log::warn!("{} has no variables: a pipe can be read only once", file.path.display());
            }
            if self.are_pipes_shared {
                shared().insert(file.path.clone(), pairs.clone());
            }
            file.kept = Some(pairs);
        }
        Ok(())
    }

    /// Sets them: first those that files have by now, the last of a name counting.
    pub(crate) fn set(&self, command: &mut Command) -> Result<(), String> {
        for file in &self.files {
            match &file.kept {
                Some(pairs) => command.envs(pairs.iter().map(|(name, value)| (name, value))),
                None => command.envs(file.read()?),
            };
        }
        command.envs(self.named.iter().map(|(name, value)| (name, value)));
        Ok(())
    }
}

impl Source {
    /// The variables that the file has by now. Nobody is waited for.
    fn read(&self) -> Result<Pairs, String> {
        let file = open_at_once(OpenOptions::new().read(true), &self.path);
        self.pairs(file.and_then(|file| {
            let is_file = file.metadata()?.is_file();
            if is_file { Ok(file) } else { Err(io::Error::other("it is no file any more")) }
        }))
    }

    fn pairs(&self, file: io::Result<File>) -> Result<Pairs, String> {
        let text = file.and_then(|file| read_text(file, limits::VARIABLES_BYTES));
        pairs(&self.path, &text.map_err(|error| format!("cannot read {}: {error}", self.path.display()))?)
    }
}

/// The variables of a text, as Docker reads it: one a line, taken as it is from its first letter.
fn pairs(path: &Path, text: &str) -> Result<Pairs, String> {
    // Some editors of Windows begin with it.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let lines = text.lines().map(str::trim_start).enumerate();
    let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|(number, line)| {
            let place = || format!("line {} of {}", number + 1, path.display());
            pair(line).map_err(|error| format!("{} is {line:?}, {error}", place()))
        })
        .collect()
}

/// A variable, `NAME=VALUE`, taken as it is.
///
/// # Errors
///
/// It is none.
#[doc(hidden)]
pub fn pair(text: &str) -> Result<(String, String), String> {
    let pair =
        text.split_once('=').filter(|(name, value)| !name.is_empty() && !name.contains('\0') && !value.contains('\0'));
    let (name, value) = pair.ok_or("not NAME=VALUE")?;
    if name.contains(char::is_whitespace) {
        return Err("its name has white space".to_owned());
    }
    Ok((name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_has_a_name_and_its_value_is_taken_as_it_is() {
        assert_eq!(pair("A=b=\"c\" "), Ok(("A".to_owned(), "b=\"c\" ".to_owned())));
        assert_eq!(pair("A="), Ok(("A".to_owned(), String::new())));
        for odd in ["", "A", "=b", "A=\0", "export A=b", "A =b", " A=b", "A\t=b", "A\n=b"] {
            assert!(pair(odd).is_err(), "{odd:?}");
        }
    }

    #[test]
    fn the_last_of_a_name_counts_and_what_is_wrong_is_named_with_its_line() {
        let path = std::env::temp_dir().join(format!("lambwire-variables-{}", std::process::id()));
        let set = |text: &str| {
            std::fs::write(&path, text).unwrap();
            let mut variables = Variables::default();
            variables.add("C".to_owned(), "named".to_owned());
            variables.add_file(path.clone());
            variables.prepare().unwrap();
            let mut command = Command::new("");
            variables.set(&mut command).map(|()| {
                let values = command.get_envs().map(|(name, value)| (name.to_owned(), value.unwrap().to_owned()));
                values.map(|(name, value)| format!("{}={}", name.display(), value.display())).collect::<Vec<_>>()
            })
        };
        assert_eq!(
            set("\u{feff}A=1\r\n# none\n \n  # none\n  B= 2\nA=3 \t\nC=file\n"),
            Ok(["A=3 \t", "B= 2", "C=named"].map(String::from).into())
        );
        let line = format!("line 2 of {} is \"export B=1\", its name has white space", path.display());
        assert_eq!(set("A=1\n  export B=1\n"), Err(line));
        assert_eq!(set("A=1\nB"), Err(format!("line 2 of {} is \"B\", not NAME=VALUE", path.display())));
        std::fs::remove_file(&path).unwrap();
        assert!(Source { path, kept: None }.read().unwrap_err().starts_with("cannot read "));
    }
}
