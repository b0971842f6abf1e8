//! `simulation [COUNT [FIRST]]` lets as many seeds play themselves out, and names the first of which anything does not
//! hold. `simulation --replay SEED` says line by line what happens with that one.

use std::env;
use std::error::Error;
use std::process::ExitCode;
use std::time::Instant;

/// Seeds, unless it is said.
const COUNT: u64 = 100_000;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let mut arguments: Vec<String> = env::args().skip(1).collect();
    let is_replay = arguments.first().is_some_and(|argument| argument == "--replay");
    if is_replay {
        arguments.remove(0);
    }
    let mut numbers = arguments.iter().map(|argument| argument.parse::<u64>());
    if is_replay {
        let seed = numbers.next().ok_or("no seed to replay")??;
        println!("{}", simulation::run(seed, true));
        return Ok(ExitCode::SUCCESS);
    }
    let count = numbers.next().unwrap_or(Ok(COUNT))?;
    let first = numbers.next().unwrap_or(Ok(0))?;
    let begun_at = Instant::now();
    Ok(match simulation::check(first..first + count) {
        Ok(stats) => {
            println!("{stats}\n{count} seeds hold, in {:.1} s", begun_at.elapsed().as_secs_f64());
            ExitCode::SUCCESS
        }
        Err(failure) => {
            println!("{failure}");
            ExitCode::FAILURE
        }
    })
}
