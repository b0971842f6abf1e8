//! `bench [EMULATOR FUNCTION]`: how long a test of a handler takes, in memory and with a whole runtime; and, with the paths of
//! two programs, how long one with an emulator takes that is started for it.

use std::error::Error;
use std::fs;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use lambwire_mio::Runtime;
use lambwire_testing::{Api, Invocation};

/// Tests, of which the median is said.
const TESTS: usize = 100;

fn main() -> Result<(), Box<dyn Error>> {
    let in_memory = || {
        let invocation = Invocation::new("\"hello\"")?;
        check(&invocation.call(|event, _| Ok(lambwire_mio::Response::from(event.to_ascii_uppercase())))?.text())
    };
    println!("a handler in memory: {:?}", median(in_memory)?);
    let whole = || {
        let api = Api::start()?;
        let address = api.address();
        let runtime = thread::spawn(move || {
            Runtime::connect(&address).map(|mut one| one.serve(|event, _| Ok(event.to_ascii_uppercase().into())))
        });
        check(&api.invoke("\"hello\"").answered()?.text())?;
        drop(api);
        runtime.join().map_err(|_| "the runtime panicked")?.map(drop).map_err(Into::into)
    };
    println!("a whole runtime: {:?}", median(whole)?);
    let mut arguments = std::env::args_os().skip(1);
    if let (Some(emulator), Some(function)) = (arguments.next(), arguments.next()) {
        let event = std::env::temp_dir().join(format!("bench-event-{}.json", std::process::id()));
        fs::write(&event, "{}")?;
        let started = || {
            let output = Command::new(&emulator).arg("--event").arg(&event).arg("--").arg(&function).output()?;
            if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into()) }
        };
        println!("an emulator that is started: {:?}", median(started)?);
        fs::remove_file(&event)?;
    }
    Ok(())
}

fn check(answer: &str) -> Result<(), Box<dyn Error>> {
    if answer == "\"HELLO\"" { Ok(()) } else { Err(format!("a wrong answer: {answer}").into()) }
}

fn median(test: impl Fn() -> Result<(), Box<dyn Error>>) -> Result<Duration, Box<dyn Error>> {
    let mut times = Vec::new();
    for _ in 0..TESTS {
        let start = Instant::now();
        test()?;
        times.push(start.elapsed());
    }
    times.sort();
    Ok(times.get(TESTS / 2).copied().unwrap_or_default())
}
