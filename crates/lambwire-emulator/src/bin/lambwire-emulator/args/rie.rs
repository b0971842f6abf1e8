//! The command line of AWS's Runtime Interface Emulator.

use std::env;
use std::error::Error;
use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;

use clap::Parser;
use lambwire_emulator::{Console, Emulator, Running};

use super::started;
use super::values::{Timeout, read_variable, timeout, variable};

/// Where RIE looks for a program if none is named, in either of its modes.
const BOOTSTRAPS: [&str; 3] = ["/var/task/bootstrap", "/opt/bootstrap", "/var/runtime/bootstrap"];
const MANAGED_BOOTSTRAPS: [&str; 4] =
    ["./bootstrap", "/var/runtime/bootstrap", "/var/task/bootstrap", "/opt/bootstrap"];

/// Says that RIE is in its mode for managed instances, and how many invocations there are at a time.
const MAX_CONCURRENCY: &str = "AWS_LAMBDA_MAX_CONCURRENCY";

/// In place of AWS's Runtime Interface Emulator: its command line, port, statuses and bodies.
#[derive(Debug, Parser)]
#[command(name = "aws-lambda-rie", version)]
pub(crate) struct RieArgs {
    /// What to log: trace, debug, info, warning, error, fatal or panic
    #[arg(long, default_value = "info")]
    log_level: String,

    /// Where to serve the Runtime API
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9001")]
    runtime_api_address: String,

    /// Where to listen for callers
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:8080")]
    runtime_interface_emulator_address: String,

    /// Taken, and of no effect: RIE's own restores nothing, either
    #[arg(long)]
    enable_init_caching: bool,

    /// The program with its arguments; otherwise /var/task/bootstrap, /opt/bootstrap or /var/runtime/bootstrap
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "PROGRAM")]
    program: Vec<OsString>,
}

impl RieArgs {
    /// RIE's options, if the program is called by its name, or by ours with `--compat rie` first.
    pub(crate) fn of_process() -> Option<Self> {
        let arguments: Vec<OsString> = env::args_os().collect();
        Self::of(&arguments).map(Self::parse_from)
    }

    fn of(arguments: &[OsString]) -> Option<Vec<OsString>> {
        let (name, rest) = arguments.split_first()?;
        let is_called =
            Path::new(name).file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"aws-lambda-rie"));
        if is_called {
            return Some(arguments.to_vec());
        }
        let rest = match rest {
            [option, rest @ ..] if option == "--compat=rie" => rest,
            [option, value, rest @ ..] if option == "--compat" && value == "rie" => rest,
            _ => return None,
        };
        Some([std::slice::from_ref(name), rest].concat())
    }

    /// What the logger is to let through, in its own words.
    pub(crate) fn log_level(&self) -> &str {
        match &*self.log_level {
            "warning" => "warn",
            "fatal" | "panic" => "error",
            level => level,
        }
    }

    /// Starts what is asked for.
    pub(crate) fn start(&self) -> Result<Running, Box<dyn Error>> {
        let runtime_api = address(&self.runtime_api_address)?;
        let listen = address(&self.runtime_interface_emulator_address)?;
        let chosen =
            [(Some(listen), "--runtime-interface-emulator-address"), (Some(runtime_api), "--runtime-api-address")];
        started(self.emulator()?.runtime_api(runtime_api).listen(listen), &chosen)
    }

    fn emulator(&self) -> Result<Emulator, Box<dyn Error>> {
        // As with RIE, a number that cannot be read is 1.
        let concurrency = env::var(MAX_CONCURRENCY).ok().map(|text| text.parse().unwrap_or(1));
        let places = if concurrency.is_some() { &MANAGED_BOOTSTRAPS[..] } else { &BOOTSTRAPS };
        let found = places.iter().find(|path| Path::new(path).is_file());
        let mut command = match self.program.split_first() {
            Some((program, arguments)) => {
                let mut command = Command::new(program);
                command.args(arguments);
                command
            }
            // Nobody has named one: callers learn that there is none.
            None => Command::new(found.unwrap_or(&BOOTSTRAPS[2])),
        };
        if self.program.is_empty() && Path::new("/var/task").is_dir() {
            command.current_dir("/var/task");
        }
        let mut emulator = Emulator::new(command).as_rie().console(Console::Stdout).own_process();
        if let Some(handler) = variable("AWS_LAMBDA_FUNCTION_HANDLER") {
            emulator = emulator.handler(handler);
        }
        if let Some(name) = variable("AWS_LAMBDA_FUNCTION_NAME") {
            emulator = emulator.name(name);
        }
        if let Some(version) = variable("AWS_LAMBDA_FUNCTION_VERSION") {
            emulator = emulator.version(version);
        }
        let memory =
            read_variable("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", |text| text.parse().map_err(|_| "no number".into()))?;
        if let Some(memory) = memory {
            emulator = emulator.memory_mb(memory);
        }
        match read_variable("AWS_LAMBDA_FUNCTION_TIMEOUT", timeout)? {
            Some(Timeout::After(timeout)) => emulator = emulator.timeout(timeout),
            Some(Timeout::Off) => emulator = emulator.without_timeout(),
            None => {}
        }
        if let Some(concurrency) = concurrency {
            emulator = emulator.concurrency(concurrency);
        }
        if Path::new("/opt/extensions").is_dir() {
            emulator = emulator.extensions("/opt/extensions")?;
        }
        Ok(emulator)
    }
}

/// An address as Go takes it: `localhost`, or no host for all addresses.
fn address(text: &str) -> Result<SocketAddr, String> {
    let (host, port) = text.rsplit_once(':').ok_or_else(|| format!("{text} is no address with a port"))?;
    let host = match host {
        "" => Ipv4Addr::UNSPECIFIED.to_string(),
        "localhost" => Ipv4Addr::LOCALHOST.to_string(),
        host => host.to_owned(),
    };
    format!("{host}:{port}").parse().map_err(|_| format!("{text} is no address"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Option<RieArgs> {
        let arguments: Vec<OsString> = line.split(' ').map(Into::into).collect();
        RieArgs::of(&arguments).map(|arguments| RieArgs::try_parse_from(arguments).unwrap())
    }

    #[test]
    fn the_command_lines_of_base_images_and_of_sam_are_taken() {
        for (line, program) in [
            ("/usr/local/bin/aws-lambda-rie /var/runtime/bootstrap", "/var/runtime/bootstrap"),
            (
                "/usr/local/bin/aws-lambda-rie /usr/bin/python3 -m awslambdaric app.handler",
                "/usr/bin/python3 -m awslambdaric app.handler",
            ),
            ("/var/rapid/aws-lambda-rie-x86_64 --log-level error /var/runtime/bootstrap", "/var/runtime/bootstrap"),
            (
                "/var/rapid/aws-lambda-rie --log-level error /var/lang/bin/node --inspect index.js",
                "/var/lang/bin/node --inspect index.js",
            ),
            ("aws-lambda-rie", ""),
            ("lambwire-emulator --compat rie --log-level=debug ./x -v", "./x -v"),
            ("lambwire-emulator --compat=rie ./x", "./x"),
        ] {
            let args = parsed(line).unwrap();
            let words: Vec<_> = args.program.iter().map(|word| word.to_str().unwrap()).collect();
            assert_eq!(words.join(" "), program, "{line}");
        }
        assert!(parsed("lambwire-emulator -- ./x --compat rie").is_none());
        assert_eq!(parsed("aws-lambda-rie --log-level warning x").unwrap().log_level(), "warn");
    }

    #[test]
    fn addresses_are_read_as_go_reads_them() {
        for (text, expected) in
            [(":9000", "0.0.0.0:9000"), ("localhost:1", "127.0.0.1:1"), ("0.0.0.0:8080", "0.0.0.0:8080")]
        {
            assert_eq!(address(text), Ok(expected.parse().unwrap()));
        }
        for odd in ["", "8080", "host:1", "1.2.3.4:x"] {
            assert!(address(odd).is_err(), "{odd}");
        }
    }
}
