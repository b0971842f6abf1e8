//! `lambwire-conformance`: see `--help`, and `docs/conformance.md`.

use std::fs;
use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use lambwire_conformance::exchange::{self, Masks};
use lambwire_conformance::outcome::Outcome;
use lambwire_conformance::record::{self, Recording};
use lambwire_conformance::requirement::{Need, Requirement, Suite, runtime_suites, server_suites};
use lambwire_conformance::{replay, report};
use lambwire_conformance::{runtime, server};

mod cli;

use cli::{Cli, Options, Record, Replay, Runtime, Server, What, With};

/// Bytes of a message that are kept for --explain.
const KEEP: usize = 64 * 1024;

fn main() -> ExitCode {
    let tried = match Cli::parse().what {
        What::Runtime(runtime) => try_runtime(&runtime),
        What::Server(server) => try_server(&server),
        What::Record(args) => {
            return match record(&args) {
                Ok(status) => ExitCode::from(status),
                Err(error) => usage(&error),
            };
        }
        What::Replay(args) => replay(&args),
        What::Agent { kit } => return server::agent(kit).map_or(ExitCode::FAILURE, ExitCode::from),
    };
    match tried {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => usage(&error),
    }
}

fn usage(error: &str) -> ExitCode {
    eprintln!("lambwire-conformance: {error}");
    ExitCode::from(2)
}

/// The status is the program's.
fn record(args: &Record) -> Result<u8, String> {
    let api = std::env::var("AWS_LAMBDA_RUNTIME_API").map_err(|_| "AWS_LAMBDA_RUNTIME_API is not set")?;
    let masks = Masks { payloads: args.mask_payloads };
    record::record(Recording { program: args.program.clone(), api, output: args.output.clone(), masks })
}

fn replay(args: &Replay) -> Result<bool, String> {
    let file = args.file.display();
    let text = fs::read_to_string(&args.file).map_err(|error| format!("{file} cannot be read: {error}"))?;
    let exchanges = exchange::read(&text).map_err(|error| format!("{file}: {error}"))?;
    if exchanges.is_empty() {
        return Err(format!("{file} has no exchange in it"));
    }
    let settings = runtime::Settings {
        program: args.program.clone(),
        handler: args.handler.clone(),
        timeout: Duration::from_secs(args.timeout),
        keep: KEEP,
    };
    let differences = replay::replay(&settings, &exchanges)?;
    for replay::Difference { exchange, request, what } in &differences {
        print(&format!("{exchange} {request}\n      {what}\n"))?;
    }
    let (exchanges, found) = (counted(exchanges.len(), "exchange"), counted(differences.len(), "difference"));
    print(&format!("{exchanges}, {found}\n"))?;
    Ok(differences.is_empty())
}

fn counted(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

fn try_runtime(args: &Runtime) -> Result<bool, String> {
    let suites = runtime_suites()?;
    if args.options.list {
        return print(&report::list(&suites)).map(|()| true);
    }
    let settings = runtime::Settings {
        program: args.program.clone(),
        handler: args.handler.clone(),
        timeout: Duration::from_secs(args.options.timeout),
        keep: args.options.keep(),
    };
    let chosen = args.options.chosen(&suites)?;
    let has = match runtime::probe(&settings, &args.options.needs())? {
        Ok(has) => has,
        Err(verdict) => {
            let program = args.program.join(" ");
            eprintln!(
                "lambwire-conformance: {program} does not answer an event: {}: {}\n\
                 --explain 1-1 shows what it writes; one that runs handlers needs --handler",
                verdict.word(),
                verdict.what()
            );
            return Ok(false);
        }
    };
    let try_one = |suite: &_, requirement: &_| runtime::run(&settings, suite, requirement, &has);
    args.options.run(&args.program.join(" "), &chosen, try_one)
}

fn try_server(args: &Server) -> Result<bool, String> {
    let suites = server_suites()?;
    if args.options.list {
        return print(&report::list(&suites)).map(|()| true);
    }
    if args.program.is_empty() && args.url.contains('{') {
        return Err("neither the address of a server nor a program that is one; see --help".into());
    }
    let settings = server::Settings {
        program: args.program.clone(),
        url: args.url.clone(),
        // A server that runs already has nobody to tell.
        api: args.api.clone().or_else(|| args.program.is_empty().then(|| args.url.clone())),
        function: args.function.clone(),
        timeout: Duration::from_secs(args.options.timeout),
        keep: args.options.keep(),
    };
    let mut has = args.options.needs();
    if !has.contains(&Need::Concurrency) {
        has.push(Need::OneAtATime);
    }
    if settings.api.is_none() {
        has.push(Need::Starts);
    }
    let chosen = args.options.chosen(&suites)?;
    let subject = if args.program.is_empty() { args.url.clone() } else { args.program.join(" ") };
    args.options.run(&subject, &chosen, |suite, requirement| server::run(&settings, suite, requirement, &has))
}

type Chosen<'s, S> = Vec<(&'s Suite<S>, &'s Requirement<S>)>;

impl Options {
    fn keep(&self) -> usize {
        if self.record.is_some() { usize::MAX } else { KEEP }
    }

    fn needs(&self) -> Vec<Need> {
        let need = |with: &With| match with {
            With::Concurrency => Need::Concurrency,
            With::Restore => Need::Restore,
            With::ResponseStream => Need::ResponseStream,
            With::Extensions => Need::Extensions,
        };
        self.with.iter().map(need).collect()
    }

    fn chosen<'s, S>(&self, suites: &'s [Suite<S>]) -> Result<Chosen<'s, S>, String> {
        let only: Vec<&String> = self.explain.iter().chain(&self.only).collect();
        let all = suites.iter().flat_map(|suite| suite.requirements.iter().map(move |one| (suite, one)));
        let known = |name: &str| all.clone().any(|(suite, one)| one.number == name || suite.number.to_string() == name);
        if let Some(unknown) = only.iter().find(|name| !known(name)) {
            return Err(format!("no requirement and no suite is {unknown}; --list says what there is"));
        }
        let is_chosen = |(suite, one): &(&Suite<S>, &Requirement<S>)| {
            let named = only.iter().any(|name| one.number == **name || suite.number.to_string() == **name);
            (suite.valid || !self.valid) && (only.is_empty() || named)
        };
        Ok(all.filter(is_chosen).collect())
    }

    fn run<S>(
        &self,
        subject: &str,
        chosen: &Chosen<'_, S>,
        mut try_one: impl FnMut(&Suite<S>, &Requirement<S>) -> Result<Outcome, String>,
    ) -> Result<bool, String> {
        let subject = self.name.as_deref().unwrap_or(subject);
        let terminal = std::io::stderr().is_terminal();
        let mut outcomes = Vec::new();
        for (count, (suite, requirement)) in chosen.iter().enumerate() {
            if terminal {
                let Requirement { number, title, .. } = requirement;
                eprint!("\r\x1b[K{}/{} {number} {title}", count + 1, chosen.len());
            }
            let outcome = try_one(suite, requirement)?;
            if self.explain.is_some() {
                print(&report::explain(requirement, &outcome))?;
            }
            outcomes.push(outcome);
        }
        if terminal {
            eprint!("\r\x1b[K");
        }
        if let Some(path) = &self.junit {
            let xml = report::junit(subject, &outcomes).map_err(|error| format!("JUnit: {error}"))?;
            write(path, &xml)?;
        }
        if let Some(path) = &self.record {
            write(path, report::record(&outcomes).as_bytes())?;
        }
        if self.json {
            print(&format!("{:#}\n", report::json(subject, &outcomes)))?;
        } else if self.explain.is_none() {
            print(&report::table(&outcomes))?;
        }
        Ok(report::all_musts_hold(&outcomes))
    }
}

fn write(path: &PathBuf, bytes: &[u8]) -> Result<(), String> {
    fs::write(path, bytes).map_err(|error| format!("{} cannot be written: {error}", path.display()))
}

fn print(text: &str) -> Result<(), String> {
    std::io::stdout().write_all(text.as_bytes()).map_err(|error| format!("standard output: {error}"))
}
