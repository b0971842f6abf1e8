//! Many callers of functions that answer, fail and die; `just storm` has ten thousand of them, and worse.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::child;
use crate::library::AMPLE;
use crate::wire::{Answered, Wire, post_bytes};

const INVOKE: &str = "/2015-03-31/functions/function/invocations";
const CALLERS: usize = 8;
const EACH: usize = 25;

/// An event, and whether an answer to it is right.
fn event(number: usize) -> (String, fn(&Answered, &str) -> bool) {
    let failed: fn(&Answered, &str) -> bool =
        |answered, _| answered.header("X-Amz-Function-Error") == Some("Unhandled");
    match number % 10 {
        1 => ("\"exit 3\"".to_owned(), |answered, _| answered.text().contains("exit status 3")),
        2 => ("\"kill\"".to_owned(), |answered, _| answered.text().contains("signal: killed")),
        3 => ("\"fail {}\"".to_owned(), failed),
        4 => ("\"partial\"".to_owned(), failed),
        _ => (format!("\"event {number}\""), |answered, event| answered.text() == event),
    }
}

/// The states of the children that a process has.
fn children(pid: u32) -> Vec<String> {
    let of = |pid: &str| fs::read_to_string(format!("/proc/{pid}/stat"));
    let listed = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let stats = listed.split(' ').filter_map(|pid| of(pid).ok());
    stats.filter_map(|stat| Some(stat.rsplit_once(") ")?.1.get(..1)?.to_owned())).collect()
}

fn descriptors(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

fn call_all(address: &str) {
    thread::scope(|scope| {
        for caller in 0..CALLERS {
            scope.spawn(move || {
                let mut wire = Wire::connect(address.parse().unwrap());
                for turn in 0..EACH {
                    let (event, is_right) = event(caller * EACH + turn);
                    let answered = wire.exchange(post_bytes(INVOKE, &[], event.as_bytes()));
                    assert_eq!(answered.status, 200);
                    assert!(is_right(&answered, &event), "{event}: {}", answered.text());
                }
            });
        }
    });
}

#[test]
fn every_caller_has_the_right_outcome_and_nothing_is_left() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lambwire-emulator"));
    command.args(["--listen", "127.0.0.1:0", "--environments", "4", "--timeout", "300", "--"]);
    command.arg(std::env::current_exe().unwrap()).args(child::arguments());
    let (key, value) = child::variable();
    let mut emulator = command.env(key, value).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(emulator.stdout.take().unwrap()).lines().map_while(Result::ok);
    let ready = lines.next().unwrap();
    let ready: serde_json::Value = serde_json::from_str(ready.strip_prefix("ready ").unwrap()).unwrap();
    let drained = thread::spawn(move || lines.count());
    let address = ready["listen"].as_str().unwrap();
    let pid = emulator.id();

    call_all(address);
    // What a connection or a process takes that has just ended is given back when that is seen.
    let is_true_in_time = |holds: &dyn Fn() -> bool| {
        let since = Instant::now();
        while !holds() && since.elapsed() < AMPLE {
            thread::sleep(Duration::from_millis(10));
        }
        holds()
    };
    let are_waited_for = || !children(pid).iter().any(|state| state == "Z");
    assert!(is_true_in_time(&are_waited_for), "{:?}", children(pid));
    let before = descriptors(pid);
    call_all(address);
    assert!(is_true_in_time(&are_waited_for), "{:?}", children(pid));
    // Each environment has as many at most as it had, and callers have gone.
    let room = 4 * 4;
    let are_closed = || descriptors(pid) <= before + room;
    assert!(is_true_in_time(&are_closed), "{before} descriptors, then {}", descriptors(pid));

    rustix::process::kill_process(rustix::process::Pid::from_child(&emulator), rustix::process::Signal::TERM).unwrap();
    assert_eq!(emulator.wait().unwrap().code(), Some(143));
    drained.join().unwrap();
}
