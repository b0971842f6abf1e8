//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Conformance kit for the AWS Lambda Runtime API.
///
/// The exit status is 0 if every requirement of severity "must" holds, 1 if one does not, 2 if the kit was used wrongly.
#[derive(Parser)]
#[command(version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) what: What,
}

#[derive(Subcommand)]
pub(crate) enum What {
    /// Plays the Runtime API to a runtime, which is started anew for each requirement
    Runtime(Runtime),
    /// Plays a runtime and a caller to a server, which is started anew for each requirement if it is a program
    Server(Server),
    /// Stands between a runtime and the API in AWS_LAMBDA_RUNTIME_API, and writes down each exchange
    Record(Record),
    /// Plays recorded exchanges to a runtime again, and says what differs
    Replay(Replay),
    /// Is the runtime that a server starts
    #[command(hide = true)]
    Agent {
        /// Where the kit listens
        kit: SocketAddr,
    },
}

#[derive(Args)]
pub(crate) struct Runtime {
    #[command(flatten)]
    pub(crate) options: Options,
    /// _HANDLER of the program
    #[arg(long, default_value = "echo.handler")]
    pub(crate) handler: String,
    /// The runtime with a function that keeps the kit's contract
    #[arg(last = true, required_unless_present = "list", value_name = "PROGRAM")]
    pub(crate) program: Vec<String>,
}

#[derive(Args)]
pub(crate) struct Server {
    #[command(flatten)]
    pub(crate) options: Options,
    /// Where callers are heard
    #[arg(default_value = "http://127.0.0.1:{port}")]
    pub(crate) url: String,
    /// Where the Runtime API is, if the server does not tell the runtime that it starts
    #[arg(long, value_name = "URL")]
    pub(crate) api: Option<String>,
    /// The function's name, as callers say it
    #[arg(long, default_value = "function")]
    pub(crate) function: String,
    /// The server. {port} and {api-port} stand for free ports, {bootstrap} for the runtime that it is to start, and
    /// {timeout} for the seconds that a function may take
    #[arg(last = true, value_name = "PROGRAM")]
    pub(crate) program: Vec<String>,
}

#[derive(Args)]
pub(crate) struct Record {
    /// Where the exchanges go, a line of JSON each. Credentials and tokens are masked
    #[arg(long, default_value = "exchanges.jsonl", value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// Masks every event and every answer too
    #[arg(long)]
    pub(crate) mask_payloads: bool,
    /// The runtime
    #[arg(last = true, required = true, value_name = "PROGRAM")]
    pub(crate) program: Vec<String>,
}

#[derive(Args)]
pub(crate) struct Replay {
    /// What was recorded
    pub(crate) file: PathBuf,
    /// _HANDLER of the program
    #[arg(long, default_value = "echo.handler")]
    pub(crate) handler: String,
    /// Seconds that the program may do nothing where something is expected of it
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub(crate) timeout: u64,
    /// The runtime
    #[arg(last = true, required = true, value_name = "PROGRAM")]
    pub(crate) program: Vec<String>,
}

#[derive(Args)]
pub(crate) struct Options {
    /// Says what is required, and tries nothing
    #[arg(long)]
    pub(crate) list: bool,
    /// Tries these alone: numbers such as 2-3, or suites such as 2
    #[arg(long, value_delimiter = ',', value_name = "NUMBERS")]
    pub(crate) only: Vec<String>,
    /// Tries one, and shows the bytes of both sides beside what was expected
    #[arg(long, value_name = "NUMBER")]
    pub(crate) explain: Option<String>,
    /// Tries only suites in which the kit keeps to the protocol
    #[arg(long)]
    pub(crate) valid: bool,
    /// What the program can do that cannot be found out by asking
    #[arg(long, value_delimiter = ',')]
    pub(crate) with: Vec<With>,
    /// Prints the outcomes as JSON instead of a table
    #[arg(long)]
    pub(crate) json: bool,
    /// Writes the outcomes as JUnit's XML
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
    /// Writes every message of both sides, as lines of JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,
    /// Seconds that the program may do nothing where something is expected of it
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub(crate) timeout: u64,
    /// What the outcomes are called
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum With {
    Concurrency,
    Restore,
    ResponseStream,
    Extensions,
}
