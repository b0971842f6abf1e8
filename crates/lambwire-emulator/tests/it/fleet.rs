//! Several environments of one function, and what their processes leave behind.

use std::io::BufRead;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::{fs, thread};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use lambwire_emulator::{Answer, Console, Emulator, Event, Running};
use rustix::process::Signal;

use crate::child;
use crate::patience::{AMPLE, wait_until};
use crate::started::{self, Served};
use crate::wire::{INVOKE, Wire, post, post_bytes};

fn emulator(command: Command) -> Emulator {
    Emulator::new(command).console(Console::Silent).timeout(AMPLE).init_timeout(AMPLE)
}

fn invoke(emulator: &Running, event: Event) -> Answer {
    emulator.invoke_blocking(event).unwrap()
}

fn text(answer: &Answer) -> String {
    String::from_utf8(answer.body.clone()).unwrap()
}

#[test]
fn callers_at_a_time_have_an_environment_each_up_to_the_limit() {
    let directory = std::env::temp_dir().join(format!("lambwire-fleet-{}", std::process::id()));
    fs::create_dir_all(&directory).unwrap();
    let emulator = emulator(child::runtime()).environments(2).start().unwrap();
    // Each says who it is, and answers when it may.
    let event = |name: &str| Event::new(format!("meet {}", directory.join(name).display()));
    let pids: Vec<String> = thread::scope(|scope| {
        let callers = ["a", "b"].map(|name| scope.spawn(|| text(&invoke(&emulator, event(name)))));
        wait_until("a call at a time", || ["a", "b"].iter().all(|name| directory.join(name).exists()));
        fs::write(directory.join("go"), "").unwrap();
        callers.into_iter().map(|caller| caller.join().unwrap()).collect()
    });
    assert_ne!(pids[0], pids[1]);
    // There are no more.
    for name in ["c", "d", "e"] {
        assert!(pids.contains(&text(&invoke(&emulator, event(name)))));
    }
    fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn who_waits_for_long_is_told_of_once() {
    let directory = std::env::temp_dir().join(format!("lambwire-wait-{}", std::process::id()));
    fs::create_dir_all(&directory).unwrap();
    let mut command = started::emulator(&["--listen", "127.0.0.1:0", "--timeout", "300"]);
    let mut emulator = Served::new(command.stderr(Stdio::piped()));
    let mut lines = emulator.process.stderr().lines().map_while(Result::ok);
    let address = emulator.address();
    let event = |name: &str| format!("\"meet {}\"", directory.join(name).display());
    let hint = "lambwire-emulator: 1 caller waits for the one environment, which is busy: --environments N";
    thread::scope(|scope| {
        scope.spawn(|| post(address, INVOKE, &[], event("a").as_bytes()));
        wait_until("the first call", || directory.join("a").exists());
        scope.spawn(|| post(address, INVOKE, &[], b"1"));
        assert!(lines.any(|line| line.starts_with(hint)));
        fs::write(directory.join("go"), "").unwrap();
    });
    drop(emulator);
    assert!(!lines.any(|line| line.starts_with(hint)));
    fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn a_tenant_has_an_environment_of_its_own() {
    for (environments, again) in [(2, true), (1, false)] {
        let emulator = emulator(child::runtime()).environments(environments).start().unwrap();
        let pid = |tenant: &str| text(&invoke(&emulator, Event::new("pid").tenant_id(tenant)));
        let blue = pid("blue");
        assert_eq!(pid("blue"), blue);
        let red = pid("red");
        assert_ne!(red, blue);
        // Where there is but one environment, it has been started anew.
        assert_eq!(pid("blue") == blue, again);
    }
}

#[test]
fn in_place_of_rie_all_tenants_have_the_one_environment() {
    let emulator = emulator(child::runtime()).as_rie().start().unwrap();
    let pid = |tenant: &str| text(&invoke(&emulator, Event::new("pid").tenant_id(tenant)));
    assert_eq!(pid("blue"), pid("red"));
}

#[test]
fn a_caller_may_have_the_end_of_the_log() {
    let emulator = emulator(child::runtime()).listen(SocketAddr::from(([127, 0, 0, 1], 0))).start().unwrap();
    let answer = invoke(&emulator, Event::new("print hello").log_tail());
    let log = String::from_utf8(answer.log_tail.unwrap()).unwrap();
    let lines: Vec<&str> = log.lines().collect();
    assert_eq!(lines[0], format!("START RequestId: {} Version: $LATEST", answer.request_id));
    assert!(lines.contains(&"hello"), "{log}");
    assert_eq!(lines[lines.len() - 2], format!("END RequestId: {}", answer.request_id));
    assert!(lines[lines.len() - 1].starts_with("REPORT RequestId: "), "{log}");
    assert_eq!(invoke(&emulator, Event::new("print hello")).log_tail, None);

    let answer = post(emulator.listens().unwrap(), INVOKE, &["X-Amz-Log-Type: Tail"], b"\"x\"");
    let log = BASE64_STANDARD.decode(answer.header("X-Amz-Log-Result").unwrap()).unwrap();
    assert!(log.starts_with(b"START RequestId: ") && log.ends_with(b"\n"));
}

#[test]
fn an_answered_caller_makes_room_though_the_runtime_does_not_ask_for_more() {
    let emulator = crate::library::quiet().start().unwrap();
    let mut peer = crate::peer::Peer::connect(emulator.runtime_api());
    thread::scope(|scope| {
        let caller = scope.spawn(|| invoke(&emulator, Event::new("1")));
        let given = peer.next();
        peer.respond(&given.id, b"one");
        assert_eq!(caller.join().unwrap().body, b"one");
    });
    smol::block_on(async {
        let mut waiting = Vec::new();
        for _ in 0..lambwire_emulator::limits::CALLERS {
            let mut caller = Box::pin(emulator.invoke(Event::new("{}")));
            assert_eq!(smol::future::poll_once(&mut caller).await, None);
            waiting.push(caller);
        }
    });
}

fn is_alive(pid: &str) -> bool {
    let status = fs::read_to_string(Path::new("/proc").join(pid).join("status"));
    status.is_ok_and(|status| !status.contains("State:\tZ"))
}

#[test]
fn what_has_a_session_of_its_own_goes_with_the_environment() {
    let path = std::env::temp_dir().join(format!("lambwire-session-{}", std::process::id()));
    // The one loses its parent at once, the other with the program.
    for script in ["(setsid sleep 1000 & echo $! >PATH); exit 3", "setsid sleep 1000 & echo $! >PATH; sleep 1000"] {
        let mut command = Command::new("sh");
        command.args(["-c", &script.replace("PATH", path.to_str().unwrap())]);
        let emulator = emulator(command).start().unwrap();
        let mut pid = String::new();
        wait_until("a process", || {
            pid = fs::read_to_string(&path).unwrap_or_default();
            pid.ends_with('\n')
        });
        drop(emulator);
        wait_until("its end", || !is_alive(pid.trim()));
        fs::remove_file(&path).unwrap();
    }
}

#[test]
fn nobody_has_to_read_what_the_program_prints() {
    let mut command = started::emulator(&["--listen", "127.0.0.1:0", "--timeout", "300"]);
    let mut emulator = Served::new(command.stderr(Stdio::null()));
    let mut wire = Wire::connect(emulator.address());
    // Much more than a pipe holds.
    let event = format!("\"print {}\"", "x".repeat(10_000));
    for _ in 0..50 {
        assert_eq!(wire.exchange(post_bytes(INVOKE, &[], event.as_bytes())).status, 200);
    }
    emulator.process.signal(Signal::TERM);
    assert_eq!(emulator.process.end().code(), Some(143));
}
