//! What runtimes and extensions of AWS's Runtime Interface Emulator hear, one invocation at a time: its captures, replayed.

use std::thread;
use std::time::Duration;

use lambwire::limits::PAYLOAD_BYTES;
use lambwire_emulator::{Emulator, Running};

use crate::child;
use crate::patience::AMPLE;
use crate::peer::Peer;
use crate::rie::capture;
use crate::rie_replay::{Puppets, about, compare, id, of, request, start, wire, with};
use crate::wire::{Answered, INVOKE, Wire, post};

const TRACE: &str = "X-Amzn-Trace-Id: Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";

fn guest() -> Running {
    start(Emulator::without_program().as_rie().timeout(AMPLE))
}

#[test]
fn what_is_asked_for_at_any_time_is_answered_as_by_rie() {
    let emulator = guest();
    for name in [
        "legacy-21-unknown-path-404",
        "legacy-22-wrong-method-405",
        "legacy-24-restore-next-404",
        "legacy-25-restore-error-404",
        "legacy-27-logs-stub",
        "legacy-28-credentials-404",
        "legacy-30-extension-next-no-id-403",
        "legacy-31-extension-next-bad-id-403",
        "legacy-35-no-host-400",
        "legacy-36-http10-ping",
        "legacy-37-garbage-400",
        "legacy-38-connection-close",
        "legacy-39-head-ping-405",
        "legacy-54-response-before-next-unknown-id",
        "legacy-57-extension-register-noname-403",
        "legacy-58-extension-register-badjson-403",
        "legacy-92-credentials-bad-404",
        "ext-l-next-unknown-id",
        "ext-l-register-get-405",
        "ext-l-register-unknown-event",
        "ext-l-register-wrong-name",
        "meta-03-post-405",
    ] {
        compare(name, &wire(&emulator).exchange(request(name)));
    }
    for (name, bytes) in [
        ("legacy-40-header-1MiB", 1 << 20),
        ("legacy-41-header-near-limit", (1 << 20) + 4000),
        ("legacy-42-header-over-431", (1 << 20) + 8192),
    ] {
        let mut head = String::from("GET /2018-06-01/ping HTTP/1.1\r\nHost: x\r\nX-Big: ");
        head += &"a".repeat(bytes - head.len());
        compare(name, &wire(&emulator).exchange(head + "\r\n\r\n"));
    }
}

#[test]
fn a_runtime_hears_what_rie_says() {
    let emulator = guest();
    let address = emulator.listens().unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            Wire::connect(address).exchange(request("front-01-invoke-success"));
            let events: [&[u8]; 13] = [b"{\"n\":2}"; 13];
            for event in events.into_iter().chain([&b""[..], &[b'x'; 2049], &[b'x'; 4098], b"{}"]) {
                post(address, INVOKE, &[], event);
            }
        });
        let mut runtime = wire(&emulator);
        let first = runtime.exchange(request("legacy-01-next-first"));
        compare("legacy-01-next-first", &first);
        let mut other = wire(&emulator);
        for name in [
            "legacy-33-extension-register-late-403",
            "legacy-09-init-error-while-running-403",
            "legacy-08-unknown-id-error-400",
            "legacy-02-response-202",
            "legacy-03-response-twice-403",
        ] {
            compare(name, &other.exchange(request(name)));
        }
        let failed = about(&request("legacy-08-unknown-id-error-400"), request_id(&first));
        compare("legacy-04-error-after-response-403", &other.exchange(failed));
        let second = next(&mut runtime);
        compare("legacy-05-next-second-same-connection", &second);
        compare("legacy-10-next-again-while-running", &next(&mut other));
        compare("legacy-06-old-request-id-400", &other.exchange(request("legacy-06-old-request-id-400")));
        answer(&mut runtime, "legacy-11-error-202", &second);
        for name in [
            "legacy-70-stream-ok-202",
            "legacy-71-stream-midstream-error-trailers-202",
            "legacy-80-error-no-type-header",
            "legacy-81-error-cause-content-type",
            "legacy-83-error-empty-body",
            "legacy-84-error-plain-body",
        ] {
            let given = next(&mut runtime);
            answer(&mut runtime, name, &given);
        }
        let given = next(&mut runtime);
        let welcome = runtime.exchange(about(&request("legacy-43-expect-100"), request_id(&given)));
        assert_eq!(welcome.status, 100);
        compare("legacy-43-expect-100", &runtime.read());
        let given = next(&mut runtime);
        runtime.write(about(
            &String::from_utf8(capture("legacy-61-oversize-response-413.req.head.bin")).unwrap(),
            request_id(&given),
        ));
        runtime.write(vec![b'x'; usize::try_from(PAYLOAD_BYTES).unwrap() + 1]);
        compare("legacy-61-oversize-response-413", &runtime.read());
        for _ in 0..4 {
            let given = next(&mut runtime);
            answer(&mut runtime, "legacy-02-response-202", &given);
        }
        for name in
            ["legacy-12-next-event-0-bytes", "legacy-12-next-event-2049-bytes", "legacy-12-next-event-4098-bytes"]
        {
            let given = next(&mut runtime);
            compare(name, &given);
            answer(&mut runtime, "legacy-02-response-202", &given);
        }
        let given = next(&mut runtime);
        answer(&mut runtime, "legacy-72-bad-response-mode-400", &given);
        runtime.write(request("legacy-05-next-second-same-connection"));
    });
}

fn next(runtime: &mut Wire) -> Answered {
    runtime.exchange(request("legacy-05-next-second-same-connection"))
}

fn request_id(given: &Answered) -> &str {
    given.header("Lambda-Runtime-Aws-Request-Id").unwrap()
}

#[track_caller]
fn answer(runtime: &mut Wire, name: &str, given: &Answered) {
    compare(name, &runtime.exchange(about(&request(name), request_id(given))));
}

#[test]
fn a_runtime_that_cannot_start_hears_what_rie_says() {
    for names in [
        &["legacy-50-initerr-always-init-error-202", "legacy-51-initerr-always-init-error-twice-403"][..],
        &["legacy-50-initerr-exit-init-error-202", "legacy-51-initerr-exit-init-error-twice-403"],
        &[
            "legacy-50-initerr-next-init-error-202",
            "legacy-51-initerr-next-init-error-twice-403",
            "legacy-52-initerr-next-next-after-init-error-403",
        ],
    ] {
        // Nothing is left for a guest after that.
        let emulator = start(Emulator::new(child::shell("sleep 1000")).as_rie().timeout(AMPLE));
        let mut runtime = wire(&emulator);
        for name in names {
            // They differ in nothing but the program's end.
            compare(name, &runtime.exchange(request(&name.replace("initerr-exit", "initerr-always"))));
        }
    }
}

#[test]
fn an_extension_in_the_runtime_hears_what_rie_says() {
    let emulator = guest();
    let address = emulator.listens().unwrap();
    let mut extension = wire(&emulator);
    let registered = extension.exchange(request("legacy-55-extension-register-internal"));
    compare("legacy-55-extension-register-internal", &registered);
    let own = id(&registered);
    for name in ["ext-l-register-no-events", "ext-l-init-error-no-type", "ext-l-telemetry-stub"] {
        let asked = request(name);
        let asked = if asked.contains("Identifier") { of(&asked, &own) } else { asked };
        compare(name, &extension.exchange(asked));
    }
    thread::scope(|scope| {
        scope.spawn(|| post(address, INVOKE, &[], b"{}"));
        let mut runtime = Peer::connect(emulator.runtime_api());
        extension.write(of(&request("legacy-60-extension-next-invoke"), &own));
        let given = runtime.next();
        compare("legacy-60-extension-next-invoke", &extension.read());
        runtime.respond(&given.id, b"");
        runtime.ask_next();
        extension.write(of(&request("legacy-60-extension-next-invoke"), &own));
    });
}

#[test]
fn a_function_learns_where_it_runs_as_from_rie() {
    let emulator = start(Emulator::new(child::runtime()).as_rie());
    let variable = |name: &str| {
        let event = format!("variable {name}");
        post(emulator.listens().unwrap(), INVOKE, &[], event.as_bytes()).text().to_owned()
    };
    let token = format!("Bearer {}", variable("AWS_LAMBDA_METADATA_TOKEN"));
    let mut wire = Wire::connect(variable("AWS_LAMBDA_RUNTIME_API").parse().unwrap());
    compare("meta-01-ok", &wire.exchange(with(&request("meta-01-ok"), "Authorization", &token)));
}

/// An extension that has registered, and what it says.
struct Extension {
    wire: Wire,
    id: String,
}

impl Extension {
    fn register(emulator: &Running, name: &str) -> (Self, Answered) {
        let mut wire = wire(emulator);
        let registered = wire.exchange(request(name));
        (Self { wire, id: id(&registered) }, registered)
    }

    fn say(&mut self, name: &str) {
        self.wire.write(of(&request(name), &self.id));
    }
}

#[test]
fn an_extension_hears_of_an_invocation_and_fails_as_with_rie() {
    let puppets = Puppets::new(&["one.sh"]);
    let emulator = puppets.start(Emulator::without_program().as_rie().timeout(AMPLE));
    let address = emulator.listens().unwrap();
    thread::scope(|scope| {
        let id = "X-Amzn-RequestId: 11111111-2222-3333-4444-555555555555";
        scope.spawn(move || post(address, INVOKE, &[id, TRACE], b"{}"));
        puppets.started(1);
        let (mut extension, _) = Extension::register(&emulator, "ext-l-register-twice");
        let twice = extension.wire.exchange(request("ext-l-register-twice"));
        compare("ext-l-register-twice", &twice);
        extension.say("ext-l-next-invoke-tracing");
        let mut runtime = Peer::connect(emulator.runtime_api());
        let given = runtime.next();
        compare("ext-l-next-invoke-tracing", &extension.wire.read());
        for name in ["ext-l-exit-error", "ext-l-next-after-exit-error"] {
            extension.say(name);
            compare(name, &extension.wire.read());
        }
        runtime.respond(&given.id, b"");
        runtime.ask_next();
    });
}

#[test]
fn an_extension_hears_of_a_time_out_as_from_rie() {
    let puppets = Puppets::new(&["probe-ext"]);
    let emulator = Emulator::without_program().as_rie().timeout(Duration::from_secs(1)).init_timeout(AMPLE);
    let emulator = puppets.start(emulator);
    let address = emulator.listens().unwrap();
    thread::scope(|scope| {
        let asked = capture("ext-timeout-front.req.bin");
        let caller = scope.spawn(move || Wire::connect(address).exchange(asked));
        puppets.started(1);
        let (mut extension, registered) = Extension::register(&emulator, "ext-timeout-01-register");
        compare("ext-timeout-01-register", &registered);
        extension.say("ext-timeout-21-next");
        let mut runtime = Peer::connect(emulator.runtime_api());
        runtime.next();
        compare("ext-timeout-21-next", &extension.wire.read());
        extension.say("ext-l-next-shutdown-timeout");
        compare("ext-timeout-front", &caller.join().unwrap());
        compare("ext-l-next-shutdown-timeout", &extension.wire.read());
    });
}

#[test]
fn an_extension_hears_of_the_end_as_from_rie() {
    for (program, event, name) in [
        (child::runtime(), &b"exit 1"[..], "ext-l-next-shutdown-crash"),
        (child::init_error(), b"{}", "ext-l-next-shutdown-init-error"),
    ] {
        let puppets = Puppets::new(&["one.sh"]);
        let emulator = puppets.start(Emulator::new(program).as_rie().timeout(AMPLE));
        let address = emulator.listens().unwrap();
        thread::scope(|scope| {
            scope.spawn(move || post(address, INVOKE, &[], event));
            puppets.started(1);
            let (mut extension, _) = Extension::register(&emulator, "ext-l-register-twice");
            extension.say(name);
            let mut heard = extension.wire.read();
            if heard.text().contains("INVOKE") {
                extension.say(name);
                heard = extension.wire.read();
            }
            compare(name, &heard);
        });
    }
    let puppets = Puppets::new(&["probe-ext"]);
    let emulator = puppets.start(Emulator::without_program().as_rie().timeout(AMPLE));
    let address = emulator.listens().unwrap();
    thread::scope(|scope| {
        let caller = scope.spawn(move || post(address, INVOKE, &[], b"{}"));
        puppets.started(1);
        let (mut extension, _) = Extension::register(&emulator, "ext-timeout-01-register");
        extension.say("ext-std-21-next");
        let mut runtime = Peer::connect(emulator.runtime_api());
        let given = runtime.next();
        compare("ext-std-21-next", &extension.wire.read());
        runtime.respond(&given.id, b"");
        runtime.ask_next();
        extension.say("ext-std-22-next");
        caller.join().unwrap();
        scope.spawn(move || drop(emulator));
        compare("ext-std-22-next", &extension.wire.read());
    });
}

#[test]
fn an_extension_that_cannot_start_is_heard_as_by_rie() {
    let puppets = Puppets::new(&["probe-ext"]);
    let emulator = puppets.start(Emulator::without_program().as_rie().timeout(AMPLE));
    let address = emulator.listens().unwrap();
    thread::scope(|scope| {
        scope.spawn(move || post(address, INVOKE, &[], b"{}"));
        puppets.started(1);
        let (mut extension, _) = Extension::register(&emulator, "ext-timeout-01-register");
        extension.say("ext-initerror-02-init-error");
        compare("ext-initerror-02-init-error", &extension.wire.read());
    });
}
