//! What runtimes and extensions of AWS's Runtime Interface Emulator hear in its mode for managed instances: its captures,
//! replayed.

use std::thread::{self, Scope, ScopedJoinHandle};
use std::time::Duration;

use lambwire::limits::PAYLOAD_BYTES;
use lambwire_emulator::{Emulator, Running};

use crate::child;
use crate::patience::AMPLE;
use crate::peer::Peer;
use crate::rie::capture;
use crate::rie_replay::{Puppets, about, compare, id, of, request, start, wire, with};
use crate::wire::{Answered, INVOKE, Wire, post};

fn emulator() -> Emulator {
    Emulator::without_program().as_rie().timeout(AMPLE).concurrency(1)
}

/// A runtime's connection, with the invocation that it has.
struct Runtime {
    wire: Wire,
    given: Answered,
}

impl Runtime {
    fn new(emulator: &Running) -> Self {
        let mut wire = wire(emulator);
        let given = wire.exchange(request("mi-01-next"));
        Self { wire, given }
    }

    fn next(&mut self) {
        self.given = self.wire.exchange(request("mi-01-next"));
    }

    fn id(&self) -> &str {
        self.given.header("Lambda-Runtime-Aws-Request-Id").unwrap()
    }

    /// Says this of the invocation, by its nonce but for a request that has none, or a wrong one.
    #[track_caller]
    fn say(&mut self, name: &str) {
        let said = about(&request(name), self.id());
        let keeps_its_own = name.contains("wrong") || !said.contains("Lambda-Runtime-Invocation-Id");
        let nonce = self.given.header("Lambda-Runtime-Invocation-Id").unwrap();
        let said = if keeps_its_own { said } else { with(&said, "Lambda-Runtime-Invocation-Id", nonce) };
        compare(name, &self.wire.exchange(said));
    }

    #[track_caller]
    fn say_too_much(&mut self, name: &str, what: &str) {
        let bytes = usize::try_from(PAYLOAD_BYTES).unwrap() + 1;
        let path = format!("/2018-06-01/runtime/invocation/{}/{what}", self.id());
        self.wire.write(format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {bytes}\r\n\r\n"));
        self.wire.write(vec![b'x'; bytes]);
        compare(name, &self.wire.read());
    }
}

#[test]
fn a_runtime_hears_what_rie_says() {
    let emulator = start(emulator());
    let address = emulator.listens().unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            Wire::connect(address).exchange(request("mifront-01-success"));
            for event in [&b"{\"h\":2}"[..], b"{}", b"{}", b"{}", b"{}"] {
                post(address, INVOKE, &[], event);
            }
        });
        let mut runtime = Runtime::new(&emulator);
        compare("mi-01-next", &runtime.given);
        compare("mi-15-init-error-after-ready", &wire(&emulator).exchange(request("mi-15-init-error-after-ready")));
        runtime.say("mi-02-response-202-with-invocation-id");
        runtime.say("mi-03-response-twice");
        runtime.next();
        compare("mi-04-next-no-optional-headers", &runtime.given);
        runtime.say("mi-06-response-wrong-invocation-id");
        runtime.say("mi-07-response-without-invocation-id");
        runtime.next();
        runtime.say("mi-09-bad-mode-400");
        runtime.next();
        runtime.say("mi-10-stream-ok");
        runtime.next();
        runtime.say_too_much("mi-12-oversize", "response");
        runtime.next();
        runtime.say_too_much("mi-13-oversize-error-413", "error");
        runtime.say("mi-07-response-without-invocation-id");
    });
}

#[test]
fn what_is_late_is_refused_as_by_rie() {
    for (name, front) in [
        ("mi-20-late-response-410", "mifront-31-timeout"),
        ("mi-22-late-response-no-invocation-id", "mifront-32-timeout"),
        ("mi-23-late-error-410", "mifront-32-timeout"),
    ] {
        let emulator = start(emulator().timeout(Duration::from_secs(1)).init_timeout(AMPLE));
        let address = emulator.listens().unwrap();
        thread::scope(|scope| {
            let asked = capture(&format!("{front}.req.bin"));
            let caller = scope.spawn(move || Wire::connect(address).exchange(asked));
            let mut runtime = Runtime::new(&emulator);
            compare(front, &caller.join().unwrap());
            runtime.say(name);
        });
    }
}

#[test]
fn a_runtime_that_cannot_start_is_refused_the_second_time_as_by_rie() {
    let emulator = Emulator::new(child::shell("sleep 1000")).as_rie().timeout(AMPLE).concurrency(1);
    let emulator = start(emulator);
    let mut runtime = wire(&emulator);
    assert_eq!(runtime.exchange(request("mi-31-init-error-twice")).status, 202);
    compare("mi-31-init-error-twice", &runtime.exchange(request("mi-31-init-error-twice")));
}

#[test]
fn extensions_register_as_with_rie() {
    let puppets = Puppets::new(&["one", "two"]);
    let emulator = puppets.start(emulator().handler("/var/task/bootstrap"));
    let mut one = wire(&emulator);
    for name in [
        "tel-logs-404",
        "ext-m-register-internal",
        "ext-m-register-invoke",
        "ext-m-register-ok",
        "ext-m-register-twice",
    ] {
        compare(name, &one.exchange(request(name)));
    }
    let mut two = wire(&emulator);
    let registered = id(&two.exchange(request("ext-m-register-late")));
    two.write(of(&request("ext-mi-21-next"), &registered));
    // The request for an event may be on its way.
    let late = loop {
        let late = one.exchange(request("ext-m-register-late"));
        if !late.text().contains("from Registered") {
            break late;
        }
    };
    compare("ext-m-register-late", &late);
}

/// An extension that has registered, and asked for an event.
fn extension(emulator: &Running, register: &str) -> (Wire, String) {
    let mut wire = wire(emulator);
    let own = id(&wire.exchange(request(register)));
    wire.write(of(&request("ext-mi-21-next"), &own));
    (wire, own)
}

/// A caller who asks as the one of this capture did.
fn call<'s>(scope: &'s Scope<'s, '_>, emulator: &Running, name: &str) -> ScopedJoinHandle<'s, Answered> {
    let (address, asked) = (emulator.listens().unwrap(), capture(&format!("{name}.req.bin")));
    scope.spawn(move || Wire::connect(address).exchange(asked))
}

/// The same, with an extension that has registered, and a runtime that has the invocation.
fn begun<'s>(
    scope: &'s Scope<'s, '_>,
    emulator: &Running,
    name: &str,
) -> (ScopedJoinHandle<'s, Answered>, (Wire, String)) {
    let caller = call(scope, emulator, name);
    let extension = extension(emulator, "ext-m-register-ok");
    Peer::connect(emulator.runtime_api()).next();
    (caller, extension)
}

#[test]
fn an_extension_hears_of_the_end_as_from_rie() {
    let puppets = Puppets::new(&["probe-ext"]);
    let emulator = puppets.start(emulator().handler("x"));
    let mut registering = wire(&emulator);
    let registered = registering.exchange(request("ext-mi-01-register"));
    compare("ext-mi-01-register", &registered);
    let own = id(&registered);
    let asked = of(&request("ext-mi-02-telemetry-subscribe-bad-schema"), &own);
    compare("ext-mi-02-telemetry-subscribe-bad-schema", &registering.exchange(asked));
    registering.write(of(&request("ext-mi-21-next"), &own));
    thread::scope(|scope| {
        let caller = call(scope, &emulator, "ext-mi-front");
        let mut runtime = Peer::connect(emulator.runtime_api());
        let given = runtime.next();
        runtime.respond_as(&given.id, Some("application/json"), &given.event);
        compare("ext-mi-front", &caller.join().unwrap());
        scope.spawn(move || drop(emulator));
        compare("ext-mi-21-next", &registering.read());
    });
}

#[test]
fn an_extension_that_fails_is_told_as_by_rie() {
    let puppets = Puppets::new(&["one"]);
    let emulator = puppets.start(emulator());
    thread::scope(|scope| {
        puppets.started(1);
        let (caller, (_extension, own)) = begun(scope, &emulator, "ext-m-front-extension-crash");
        compare("ext-m-exit-error", &wire(&emulator).exchange(of(&request("ext-m-exit-error"), &own)));
        puppets.end();
        // It has reported an error, and so its caller gets that.
        assert_eq!(caller.join().unwrap().header("Error-Type"), Some("Extension.Late"));
    });
}

#[test]
fn a_caller_hears_of_an_extension_as_from_rie() {
    let puppets = Puppets::new(&["one"]);
    let emulator = puppets.start(emulator());
    thread::scope(|scope| {
        puppets.started(1);
        let (caller, _first) = begun(scope, &emulator, "ext-m-front-extension-crash");
        puppets.end();
        compare("ext-m-front-extension-crash", &caller.join().unwrap());
        puppets.wait();
        let caller = call(scope, &emulator, "ext-m-front-unhealthy");
        puppets.started(2);
        let _second = extension(&emulator, "ext-m-register-ok");
        let mut runtime = Peer::connect(emulator.runtime_api());
        let given = runtime.next();
        runtime.respond(&given.id, &given.event);
        compare("ext-m-front-unhealthy", &caller.join().unwrap());
    });
    let puppets = Puppets::new(&["one"]);
    let emulator = puppets.start(emulator_of_a_second());
    // It registers, and asks for nothing.
    wire(&emulator).exchange(request("ext-m-register-ok"));
    let answered = Wire::connect(emulator.listens().unwrap()).exchange(capture("ext-m-front-init-timeout.req.bin"));
    compare("ext-m-front-init-timeout", &answered);
}

fn emulator_of_a_second() -> Emulator {
    emulator().timeout(Duration::from_secs(1))
}
