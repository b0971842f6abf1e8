//! What a function has in its configuration, and what its program finds of it in its environment.

use std::env;
use std::ffi::{OsStr, OsString};
use std::net::SocketAddr;
use std::path::{self, Path};
use std::process::Command;

use crate::diagnosis;
use crate::variables::Variables;

/// The configuration of a function.
#[derive(Clone, Debug)]
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) handler: Option<String>,
    pub(crate) memory_mb: u32,
    pub(crate) task_root: Option<String>,
    pub(crate) runtime_dir: Option<String>,
    pub(crate) version: String,
    /// What it has to show to learn where it runs.
    pub(crate) metadata_token: String,
    /// How many invocations its process takes at a time, on managed instances.
    pub(crate) concurrency: Option<usize>,
    /// Whether its process may be frozen in a snapshot when it has started.
    pub(crate) is_snap_start: bool,
    /// Whether its process may write its log in frames.
    pub(crate) has_frames: bool,
    /// Whether lines for people are JSON.
    pub(crate) has_json_log: bool,
    /// Where it finds Lambda, if that is here.
    pub(crate) lambda: Option<SocketAddr>,
    /// Whether its process finds what it finds under AWS's emulator.
    pub(crate) is_rie: bool,
    pub(crate) variables: Variables,
}

/// A variable that somebody has to set for a runtime, or to remove if there is no value.
pub(crate) struct Export {
    pub(crate) name: String,
    pub(crate) value: Option<String>,
}

/// Where a program finds what it is to run. AWS's emulator, too, lets what it inherits go before the last argument.
const HANDLER: &str = "_HANDLER";

/// Says in which form a process writes its log.
const LOG_FORMAT: &str = "AWS_LAMBDA_LOG_FORMAT";

/// Says how many invocations a process may be given at a time.
const MAX_CONCURRENCY: &str = "AWS_LAMBDA_MAX_CONCURRENCY";

/// Where a function's code is on Lambda.
const TASK_ROOT: &str = "/var/task";

impl Function {
    /// Sets its variables, and what AWS sets (AWS, "Defined runtime environment variables"), as far as it means something
    /// here.
    pub(crate) fn set_environment(&self, command: &mut Command, runtime_api: SocketAddr) -> Result<(), String> {
        self.variables.set(command)?;
        let handler = self.handler(command);
        command
            .env(lambwire::ENV_RUNTIME_API, runtime_api.to_string())
            .env(HANDLER, handler)
            .env("AWS_LAMBDA_FUNCTION_NAME", &self.name)
            .env("AWS_LAMBDA_FUNCTION_VERSION", &self.version)
            .env("AWS_LAMBDA_METADATA_API", runtime_api.to_string())
            .env("AWS_LAMBDA_METADATA_TOKEN", &self.metadata_token)
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", self.memory_mb.to_string());
        if !self.is_snap_start {
            command
                .env("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{}", self.name))
                .env("AWS_LAMBDA_LOG_STREAM_NAME", "$LATEST");
        }
        match self.concurrency {
            Some(concurrency) => command
                .env("AWS_LAMBDA_INITIALIZATION_TYPE", "lambda-managed-instances")
                .env(MAX_CONCURRENCY, concurrency.to_string()),
            // Only managed instances take several invocations at a time.
            None => command
                .env("AWS_LAMBDA_INITIALIZATION_TYPE", if self.is_snap_start { "snap-start" } else { "on-demand" })
                .env_remove(MAX_CONCURRENCY),
        };
        if let Some(lambda) = self.lambda {
            command.env("AWS_ENDPOINT_URL_LAMBDA", format!("http://{lambda}"));
            // SDKs send nothing without any.
            for key in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
                if variable(command, key).is_none_or(|value| value.is_empty()) {
                    command.env(key, "local");
                }
            }
        }
        if let Some(format) = self.log_format(command) {
            command.env(LOG_FORMAT, format);
        }
        if self.is_rie {
            command.env("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/Functions");
            if self.concurrency.is_none() {
                command.env_remove("AWS_LAMBDA_INITIALIZATION_TYPE");
            }
        }
        if let Some(directory) = &self.runtime_dir {
            command.env("LAMBDA_RUNTIME_DIR", directory);
        }
        if let Some(directory) = self.task_root(command) {
            command.env("LAMBDA_TASK_ROOT", directory);
        }
        let region = region(command);
        for key in REGIONS {
            if own(command, key).is_none() {
                command.env(key, &region);
            }
        }
        if variable(command, "TZ").is_none() {
            command.env("TZ", ":UTC");
        }
        Ok(())
    }

    /// In which form its program is to write its log, if that is said: what is set for the function counts before what is said
    /// of all lines.
    fn log_format(&self, command: &Command) -> Option<String> {
        let usual = || if self.has_json_log { Some("JSON".to_owned()) } else { None };
        own(command, LOG_FORMAT).or_else(usual).or_else(|| variable(command, LOG_FORMAT).and_then(text))
    }

    /// Whether its program is to write lines of JSON.
    pub(crate) fn has_json_lines(&self, command: &Command) -> bool {
        self.log_format(command).is_some_and(|format| format.eq_ignore_ascii_case("JSON"))
    }

    /// What somebody who starts a runtime for it has to export for that.
    pub(crate) fn exports(&self, runtime_api: SocketAddr) -> Result<Vec<Export>, String> {
        let mut command = Command::new("");
        self.set_environment(&mut command, runtime_api)?;
        let text = |text: &OsStr| text.to_string_lossy().into_owned();
        Ok(command.get_envs().map(|(name, value)| Export { name: text(name), value: value.map(text) }).collect())
    }

    /// The handler: as configured, as the program would inherit it, else its last argument, if that can be one. AWS's emulator
    /// takes it in any case.
    pub(crate) fn handler(&self, command: &Command) -> OsString {
        let configured = self.handler.as_ref().map(Into::into).or_else(|| variable(command, HANDLER));
        let arguments = || if self.is_rie { command.get_args().last() } else { operand(command) };
        configured.or_else(|| arguments().map(OsStr::to_owned)).unwrap_or_default()
    }

    /// Where the code is: as configured, as the program would inherit it, where Lambda has it, else where the program
    /// starts. AWS's clients for Node and Perl end if they do not know.
    fn task_root(&self, command: &Command) -> Option<OsString> {
        let configured = self.task_root.as_ref().map(OsString::from).or_else(|| variable(command, "LAMBDA_TASK_ROOT"));
        configured
            .or_else(|| Path::new(TASK_ROOT).is_dir().then(|| TASK_ROOT.into()))
            // The program, being there, would look for it from there.
            .or_else(|| command.get_current_dir().and_then(|path| path::absolute(path).ok()).map(Into::into))
            .or_else(|| env::current_dir().ok().map(Into::into))
    }
}

/// The last argument of a program, unless it is an option or the value of one, as in `bootstrap --workers 3`: it follows one, and has
/// not the form of a handler.
fn operand(command: &Command) -> Option<&OsStr> {
    let arguments: Vec<&OsStr> = command.get_args().collect();
    let (last, others) = arguments.split_last()?;
    let is_option = |word: &OsStr| word.as_encoded_bytes().starts_with(b"-");
    // What `--` alone has after it is none of its values.
    let may_have_value = |word: &OsStr| is_option(word) && word != "--" && !word.as_encoded_bytes().contains(&b'=');
    let may_be_value = others.last().is_some_and(|word| may_have_value(word));
    (!is_option(last) && (!may_be_value || diagnosis::is_handler(last))).then_some(*last)
}

/// What names the region of a function, before what counts if that does not.
const REGIONS: [&str; 2] = ["AWS_REGION", "AWS_DEFAULT_REGION"];

/// The region of a function whose environment names none.
const DEFAULT_REGION: &str = "us-east-1";

/// The region of a function whose program is this: as it is set for that, as it is in the environment, or else the usual one.
pub(crate) fn region(command: &Command) -> String {
    named_region(command).map_or_else(|| DEFAULT_REGION.to_owned(), |(_, region)| region)
}

/// The variable that names the region, with what it has.
pub(crate) fn named_region(command: &Command) -> Option<(&'static str, String)> {
    let own = REGIONS.into_iter().find_map(|key| Some((key, own(command, key)?)));
    own.or_else(|| REGIONS.into_iter().find_map(|key| Some((key, variable(command, key).and_then(text)?))))
}

/// The first Availability Zone of a region, in the form of its id: `use1-az1` in `us-east-1` (AWS RAM, "Availability Zone IDs").
pub(crate) fn zone_id(region: &str) -> String {
    let (area, rest) = region.split_once('-').unwrap_or((region, ""));
    let short = |part: &str| match part {
        "northeast" => "ne".to_owned(),
        "northwest" => "nw".to_owned(),
        "southeast" => "se".to_owned(),
        "southwest" => "sw".to_owned(),
        // North, south, east, west, central, the gov of us-gov-west-1, and the number.
        part => part.chars().take(1).collect(),
    };
    let rest: String = rest.split('-').map(short).collect();
    format!("{area}{rest}-az1")
}

/// What is set for `command` under `key`, if it is a text and not empty.
fn own(command: &Command, key: &str) -> Option<String> {
    let (_, value) = command.get_envs().find(|(name, _)| *name == key)?;
    text(value?.to_owned())
}

fn text(value: OsString) -> Option<String> {
    value.into_string().ok().filter(|text| !text.is_empty())
}

/// What `command` would find under `key`.
fn variable(command: &Command, key: &str) -> Option<OsString> {
    match command.get_envs().find(|(name, _)| *name == key) {
        Some((_, value)) => value.map(OsStr::to_owned),
        None => env::var_os(key),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function(handler: Option<&str>) -> Function {
        Function {
            name: "f".to_owned(),
            handler: handler.map(str::to_owned),
            memory_mb: 256,
            task_root: Some("/var/task".to_owned()),
            runtime_dir: None,
            version: "$LATEST".to_owned(),
            metadata_token: "t".to_owned(),
            concurrency: None,
            is_snap_start: false,
            has_frames: false,
            has_json_log: false,
            lambda: None,
            is_rie: false,
            variables: Variables::default(),
        }
    }

    fn set_for(command: &mut Command, handler: Option<&str>) -> impl Fn(&str) -> Option<String> {
        let function = function(handler);
        function.set_environment(command, ([127, 0, 0, 1], 9001).into()).unwrap();
        let set: Vec<(String, Option<String>)> = command
            .get_envs()
            .map(|(key, value)| {
                let text = |text: &OsStr| text.to_str().unwrap().to_owned();
                (text(key), value.map(text))
            })
            .collect();
        move |key| set.iter().find(|(name, _)| name == key).and_then(|(_, value)| value.clone())
    }

    #[test]
    fn a_zone_is_one_of_the_region() {
        for (region, expected) in [
            ("us-east-1", "use1-az1"),
            ("eu-west-1", "euw1-az1"),
            ("eu-central-1", "euc1-az1"),
            ("ap-southeast-2", "apse2-az1"),
            ("ap-northeast-1", "apne1-az1"),
            ("us-gov-west-1", "usgw1-az1"),
            ("odd", "odd-az1"),
        ] {
            assert_eq!(zone_id(region), expected);
        }
    }

    #[test]
    fn a_program_finds_what_lambda_sets() {
        let mut command = Command::new("./bootstrap");
        command.args(["-v", "app.handler"]).env("AWS_REGION", "eu-west-1");
        let set = set_for(&mut command, None);
        for (key, value) in [
            ("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9001"),
            ("_HANDLER", "app.handler"),
            ("AWS_LAMBDA_FUNCTION_NAME", "f"),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
            ("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/f"),
            ("AWS_LAMBDA_LOG_STREAM_NAME", "$LATEST"),
            ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
            ("AWS_REGION", "eu-west-1"),
            ("LAMBDA_TASK_ROOT", "/var/task"),
        ] {
            assert_eq!(set(key).as_deref(), Some(value), "{key}");
        }
        assert_eq!(set("LAMBDA_RUNTIME_DIR"), None);
    }

    #[test]
    fn the_handler_is_the_one_named_else_the_inherited_else_the_last_argument() {
        let command = || {
            let mut command = Command::new("./bootstrap");
            command.env_remove(HANDLER);
            command
        };
        let inheriting = || {
            let mut command = command();
            command.env(HANDLER, "c");
            command
        };
        assert_eq!(set_for(inheriting().arg("a"), Some("b"))(HANDLER).as_deref(), Some("b"));
        assert_eq!(set_for(inheriting().arg("a"), None)(HANDLER).as_deref(), Some("c"));
        assert_eq!(set_for(command().arg("a"), None)(HANDLER).as_deref(), Some("a"));
        assert_eq!(set_for(&mut command(), None)(HANDLER).as_deref(), Some(""));
    }

    #[test]
    fn an_option_and_what_may_be_its_value_are_no_handler() {
        for (line, expected) in [
            ("app.handler", "app.handler"),
            ("-m awslambdaric app.handler", "app.handler"),
            ("--workers 3 app.handler", "app.handler"),
            ("--workers=3 app.handler", "app.handler"),
            ("--verbose src/app.handler", "src/app.handler"),
            ("--interpreter /usr/bin/python3.11", ""),
            ("-- app.handler", "app.handler"),
            ("--workers 3", ""),
            ("--workers=3", ""),
            ("--verbose", ""),
            ("-x dev", ""),
            ("--", ""),
        ] {
            let mut command = Command::new("./bootstrap");
            command.env_remove(HANDLER).args(line.split(' '));
            assert_eq!(set_for(&mut command, None)(HANDLER).as_deref(), Some(expected), "{line}");
        }
    }

    #[test]
    fn the_form_of_the_log_that_is_set_for_the_function_counts() {
        let function = Function { has_json_log: true, ..function(None) };
        for (set, expected) in [(None, "JSON"), (Some(""), "JSON"), (Some("Text"), "Text"), (Some("JSON"), "JSON")] {
            let mut command = Command::new("./bootstrap");
            command.envs(set.map(|value| (LOG_FORMAT, value)));
            function.set_environment(&mut command, ([127, 0, 0, 1], 9001).into()).unwrap();
            assert_eq!(own(&command, LOG_FORMAT).as_deref(), Some(expected), "{set:?}");
        }
    }
}
