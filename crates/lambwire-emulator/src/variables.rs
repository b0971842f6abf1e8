//! Variables of a function: named one by one, and in files.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the processes of a function find in their environment, beside what Lambda sets.
#[derive(Clone, Debug, Default)]
pub(crate) struct Variables {
    named: Vec<(String, String)>,
    files: Vec<PathBuf>,
}

impl Variables {
    pub(crate) fn add(&mut self, name: String, value: String) {
        self.named.push((name, value));
    }

    pub(crate) fn add_file(&mut self, path: PathBuf) {
        self.files.push(path);
    }

    pub(crate) fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// Sets them: first those that files have by now, the last of a name counting.
    pub(crate) fn set(&self, command: &mut Command) -> Result<(), String> {
        for path in &self.files {
            command.envs(read(path)?);
        }
        command.envs(self.named.iter().map(|(name, value)| (name, value)));
        Ok(())
    }
}

/// The variables of a file, as Docker reads it: one a line, taken as it is from its first letter.
fn read(path: &Path) -> Result<Vec<(String, String)>, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    // Some editors of Windows begin with it.
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
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
            fs::write(&path, text).unwrap();
            let mut variables = Variables::default();
            variables.add("C".to_owned(), "named".to_owned());
            variables.add_file(path.clone());
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
        fs::remove_file(&path).unwrap();
        assert!(set_missing(&path).starts_with("cannot read "));
    }

    fn set_missing(path: &Path) -> String {
        read(path).unwrap_err()
    }
}
