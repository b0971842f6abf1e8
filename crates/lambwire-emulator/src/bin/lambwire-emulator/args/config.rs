//! A file that describes functions: each key of a table `functions.NAME` is an option of the command line.

use std::ffi::OsString;
use std::fmt::Display;
use std::fs::File;
use std::path::Path;

use clap::Parser;
use clap::error::{ContextKind, ContextValue};
use lambwire_emulator::{limits, read_text};
use toml::de::DeTable;
use toml::{Table, Value};

use super::function::FunctionArgs;

#[derive(Debug, Parser)]
#[command(name = "lambwire-emulator", no_binary_name = true)]
struct OfOne {
    #[command(flatten)]
    function: FunctionArgs,
}

/// Options whose values are paths: those of the file's directory.
const PATHS: [&str; 5] = ["dead-letter", "directory", "env-file", "extensions", "watch"];

const NO_LIST: &str = r#"command is no list of words, such as ["./bootstrap", "app.handler"]"#;

/// The functions of a file, by name.
pub(super) fn functions(path: &Path) -> Result<Vec<FunctionArgs>, String> {
    let text = File::open(path).and_then(|file| read_text(file, limits::CONFIG_BYTES));
    let text = text.map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    let directory = path.parent().unwrap_or(Path::new(""));
    read(&text, directory).map_err(|error| format!("{}: {error}", path.display()))
}

/// An error about a function of the file, with its name.
pub(super) fn of_function(path: &Path, function: &FunctionArgs, error: &dyn Display) -> String {
    format!("{}: functions.{}: {error}", path.display(), function.name.as_deref().unwrap_or_default())
}

fn read(text: &str, directory: &Path) -> Result<Vec<FunctionArgs>, String> {
    let table: Table = text.parse().map_err(|error: toml::de::Error| error.to_string())?;
    if let Some(key) = table.keys().find(|key| *key != "functions") {
        return Err(format!("{}{key} is no table functions.NAME", line(text, [&**key])));
    }
    let functions = table.get("functions").and_then(Value::as_table).filter(|functions| !functions.is_empty());
    let functions = functions.ok_or("there is no table functions.NAME")?;
    functions.iter().map(|(name, value)| one(text, name, value, directory)).collect()
}

fn one(file: &str, name: &str, value: &Value, directory: &Path) -> Result<FunctionArgs, String> {
    let at = |key: Option<&str>, error: String| {
        let line = line(file, ["functions", name].into_iter().chain(key));
        format!("{line}functions.{name}: {error}")
    };
    let wrong = |error: String| at(None, error);
    let table = value.as_table().ok_or_else(|| wrong("no table".to_owned()))?;
    let mut options: Vec<OsString> = vec![format!("--name={name}").into()];
    if !table.contains_key("directory") && !directory.as_os_str().is_empty() {
        options.push("--directory".into());
        options.push(directory.into());
    }
    for (key, value) in table.iter().filter(|(key, _)| *key != "command") {
        // What is behind it would be taken for the value.
        if key.contains('=') {
            return Err(at(Some(key), format!("unexpected key {key} found")));
        }
        let own = options_of(key, value).map_err(|error| at(Some(key), format!("{key} {error}")))?;
        options.extend(own.into_iter().map(|option| match option {
            (value, true) if PATHS.contains(&&**key) => {
                let mut option = OsString::from(format!("--{key}="));
                option.push(directory.join(value));
                option
            }
            (value, true) => format!("--{key}={value}").into(),
            (_, false) => format!("--{key}").into(),
        }));
    }
    if let Some(command) = table.get("command") {
        let words = command.as_array().and_then(|words| words.iter().map(Value::as_str).collect::<Option<Vec<_>>>());
        let words = words.filter(|words| !words.is_empty());
        options.push("--".into());
        let words = words.ok_or_else(|| at(Some("command"), NO_LIST.to_owned()))?;
        options.extend(words.into_iter().map(Into::into));
    }
    let parsed = OfOne::try_parse_from(options).map_err(|error| at(key_of(&error), of_keys(&error)))?;
    Ok(parsed.function)
}

/// On which line the last of these keys stands, each in the table of the one before, as an error begins with it.
fn line<'k>(file: &str, keys: impl IntoIterator<Item = &'k str>) -> String {
    let find = || {
        let document = DeTable::parse(file).ok()?;
        let (mut table, mut start) = (Some(document.get_ref()), 0);
        for key in keys {
            let (found, value) = table?.iter().find(|(found, _)| found.get_ref() == key)?;
            (table, start) = (value.get_ref().as_table(), found.span().start);
        }
        Some(file.get(..start)?.matches('\n').count() + 1)
    };
    find().map(|line| format!("line {line}: ")).unwrap_or_default()
}

/// The key whose option is wrong, if it is one alone.
fn key_of(error: &clap::Error) -> Option<&str> {
    let Some(ContextValue::String(option)) = error.get(ContextKind::InvalidArg) else { return None };
    option.strip_prefix("--")?.split([' ', '=', '[']).next()
}

/// What clap says of options, such as `'--timeout <SECONDS>'`, said of keys.
fn of_keys(error: &clap::Error) -> String {
    let text = error.to_string();
    let what = text.strip_prefix("error: ").and_then(|what| what.split("\n\n").next()).unwrap_or(&text);
    let mut words: Vec<String> = Vec::new();
    for word in what.split_whitespace() {
        let key = word.trim_start_matches('\'').strip_prefix("--");
        match words.last_mut() {
            Some(last) if word.starts_with(['<', '[']) => last.extend(word.chars().filter(|end| *end == ':')),
            _ => words.push(key.map_or_else(|| word.replace("argument", "key"), |key| key.replace('\'', ""))),
        }
    }
    if let Some(ContextValue::String(similar)) = error.get(ContextKind::SuggestedArg) {
        words.push(format!("(similar to {})", similar.trim_start_matches('-')));
    }
    words.join(" ")
}

/// What a key becomes: options with values, or one without.
fn options_of(key: &str, value: &Value) -> Result<Vec<(String, bool)>, String> {
    match value {
        Value::Boolean(true) => Ok(vec![(String::new(), false)]),
        Value::Boolean(false) => Ok(Vec::new()),
        Value::Array(values) => {
            let all: Result<Vec<_>, _> = values.iter().map(|value| options_of(key, value)).collect();
            Ok(all?.concat())
        }
        Value::Table(table) if key == "env" => {
            let pair = |(name, value): (&String, &Value)| match name.contains('=') {
                true => Err(format!("has the name {name}, and no name of a variable has an equals sign")),
                false => Ok((format!("{name}={}", text(value)?), true)),
            };
            table.iter().map(pair).collect()
        }
        Value::Table(table) => Ok(vec![(serde_json::to_string(table).map_err(|error| error.to_string())?, true)]),
        value => Ok(vec![(text(value)?, true)]),
    }
}

fn text(value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Integer(number) => Ok(number.to_string()),
        Value::Float(number) => Ok(number.to_string()),
        Value::Boolean(value) => Ok(value.to_string()),
        value => Err(format!("is a {}, and no text or number", value.type_str())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_is_an_option() {
        let text = r#"
            [functions.orders]
            command = ["./bootstrap", "app.handler"]
            timeout = 2.5
            memory = 256
            snap-start = true
            freeze = false
            watch = ["src", "/lib"]
            env = { A = "b c", N = 1 }
            url = "127.0.0.1:0"
            url-cors = { AllowOrigins = ["*"] }
            [functions.mail]
            timeout = "off"
        "#;
        let functions = read(text, Path::new("dir")).unwrap();
        let names: Vec<_> = functions.iter().map(|function| function.name.as_deref().unwrap()).collect();
        assert_eq!(names, ["mail", "orders"]);
        assert_eq!(functions[1].program, ["./bootstrap", "app.handler"]);
        let shown = format!("{:?}", functions[1]);
        for part in [
            "After(2.5s)",
            "Some(256)",
            "snap_start: true",
            "freeze: None",
            r#"["dir/src", "/lib"]"#,
            r#"("A", "b c")"#,
            r#"("N", "1")"#,
            r#"{\"AllowOrigins\":[\"*\"]}"#,
            r#"directory: Some("dir")"#,
        ] {
            assert!(shown.contains(part), "{part} in {shown}");
        }
        assert!(format!("{:?}", functions[0]).contains("timeout: Some(Off)"));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        for (text, parts) in [
            ("", &["there is no table functions.NAME"][..]),
            ("\nx = 1", &["line 2: x is no table"]),
            ("[functions.a", &["line 1"]),
            ("[functions]\na = 1", &["line 2: functions.a: no table"]),
            (
                "[functions.a]\n\ntimeout = 0",
                &["line 3: functions.a: invalid value '0' for timeout: not a number of seconds above 0 and up to 5400"],
            ),
            ("[functions.a]\nbogus = 1", &["line 2: functions.a: unexpected key bogus found"]),
            ("[functions.a]\ntimout = 3", &["line 2: functions.a: unexpected key timout found (similar to timeout)"]),
            ("[functions.a]\nstart = \"soon\"", &["line 2: functions.a: invalid value 'soon' for start"]),
            (
                "[functions.b]\n[functions.a]\nconcurrency = 2\nsnap-start = true",
                &["line 3: functions.a: the key concurrency cannot be used with snap-start"],
            ),
            (
                "[functions.a]\nsnap-start = \"yes\"",
                &["line 2: functions.a: unexpected value 'yes' for snap-start found"],
            ),
            (
                "[functions.a]\nmemory = [128, 256]",
                &["line 2: functions.a: the key memory cannot be used multiple times"],
            ),
            ("[functions.a]\ntimeout = true", &["line 2: functions.a: a value is required for timeout"]),
            ("[functions.a]\nurl-streaming = true", &["line 1: functions.a: ", " url"]),
            (
                "[functions.a]\ncommand = \"x\"",
                &[r#"line 2: functions.a: command is no list of words, such as ["./bootstrap", "app.handler"]"#],
            ),
            ("[functions.a]\n\"memory=5\" = true", &["functions.a: unexpected key memory=5 found"]),
            ("[functions.a]\nenv = { \"A=B\" = \"c\" }", &["line 2: functions.a: env has the name A=B, and no name"]),
            ("[functions.a]\nhandler = 1979-05-27", &["line 2: functions.a: handler is a datetime"]),
        ] {
            let error = read(text, Path::new("")).unwrap_err();
            for part in parts {
                assert!(error.contains(part), "{part:?} in {error}");
            }
            assert!(!error.contains("--") && !error.contains('<'), "{error}");
        }
    }
}
