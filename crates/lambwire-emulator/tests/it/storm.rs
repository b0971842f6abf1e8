//! Many callers of functions that answer, fail and die; `just storm` has ten thousand of them, and worse.

use std::fs;
use std::io::BufRead;
use std::process::Stdio;
use std::thread;

use rustix::process::Signal;

use crate::patience::wait_until;
use crate::started::{Served, emulator};
use crate::wire::{Answered, INVOKE, Wire, post_bytes};

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
    let mut command = emulator(&["--listen", "127.0.0.1:0", "--environments", "4", "--timeout", "300"]);
    let Served { mut process, ready, stdout } = Served::new(command.stderr(Stdio::null()));
    let drained = thread::spawn(move || stdout.lines().map_while(Result::ok).count());
    let address = ready["listen"].as_str().unwrap();
    let pid = process.id();

    call_all(address);
    // What a connection or a process takes that has just ended is given back when that is seen.
    let are_waited_for = || !children(pid).iter().any(|state| state == "Z");
    wait_until("the end of all children", are_waited_for);
    let before = descriptors(pid);
    call_all(address);
    wait_until("the end of all children", are_waited_for);
    // Each environment has as many at most as it had, and callers have gone.
    let room = 4 * 4;
    wait_until("the end of all connections", || descriptors(pid) <= before + room);

    process.signal(Signal::TERM);
    assert_eq!(process.end().code(), Some(143));
    drained.join().unwrap();
}
