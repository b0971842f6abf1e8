//! What callers of AWS's Runtime Interface Emulator get when extensions fail.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::exit;
use std::{env, fs, thread};

use lambwire_emulator::{Console, Emulator, Running};

use crate::patience::wait_until;
use crate::peer::Peer;
use crate::rie::{capture, essence, essence_of};
use crate::wire::Wire;

/// Says that this process is to be an extension of this name.
const NAME: &str = "LAMBWIRE_TEST_RIE_EXTENSION";

/// What it does in the end.
const ENDS: &str = "LAMBWIRE_TEST_RIE_EXTENSION_ENDS";

/// The file for which it waits before.
const WAITS: &str = "LAMBWIRE_TEST_RIE_EXTENSION_WAITS";

#[test]
fn plays_an_extension_that_fails_when_asked() {
    let Ok(name) = env::var(NAME) else { return };
    let address: SocketAddr = env::var("AWS_LAMBDA_RUNTIME_API").unwrap().parse().unwrap();
    let mut wire = Wire::connect(address);
    let wish = r#"{"events":["INVOKE"]}"#;
    let registered = wire.exchange(format!(
        "POST /2020-01-01/extension/register HTTP/1.1\r\nHost: x\r\nLambda-Extension-Name: {name}\r\n\
         Content-Length: {}\r\n\r\n{wish}",
        wish.len()
    ));
    let ends = env::var(ENDS).unwrap();
    if registered.status != 200 || ends == "init" {
        exit(7);
    }
    let id = format!("Lambda-Extension-Identifier: {}", registered.header("lambda-extension-identifier").unwrap());
    if ends == "init-error" {
        report(&mut wire, &id, "init/error", "Extension.Nope");
    }
    let waits = env::var(WAITS).unwrap();
    fs::write(format!("{waits}-registered"), "").unwrap();
    wire.exchange(format!("GET /2020-01-01/extension/event/next HTTP/1.1\r\nHost: x\r\n{id}\r\n\r\n"));
    wait_until("its end", || Path::new(&waits).exists());
    if ends == "exit-error" {
        report(&mut wire, &id, "exit/error", "Extension.Late");
    }
    exit(7);
}

/// Reports an error, and ends.
fn report(wire: &mut Wire, id: &str, path: &str, error_type: &str) -> ! {
    let said = wire.exchange(format!(
        "POST /2020-01-01/extension/{path} HTTP/1.1\r\nHost: x\r\n{id}\r\n\
         Lambda-Extension-Function-Error-Type: {error_type}\r\nContent-Length: 0\r\n\r\n"
    ));
    assert_eq!(said.status, 202);
    exit(1);
}

/// Extensions in files of a directory.
struct Extensions(PathBuf);

impl Extensions {
    fn new(count: usize, ends: &str) -> Self {
        let path = env::temp_dir().join(format!("lambwire-rie-extensions-{ends}-{count}-{}", std::process::id()));
        fs::create_dir_all(path.join("bin")).unwrap();
        for number in 0..count {
            let file = path.join("bin").join(format!("extension-{number}"));
            let script = format!(
                "#!/bin/sh\n{NAME}=extension-{number} {ENDS}={ends} {WAITS}={} exec {} --exact \
                 rie_extensions::plays_an_extension_that_fails_when_asked --nocapture\n",
                path.join("go").display(),
                env::current_exe().unwrap().display()
            );
            fs::write(&file, script).unwrap();
            fs::set_permissions(&file, PermissionsExt::from_mode(0o755)).unwrap();
        }
        Self(path)
    }

    fn start(&self) -> Running {
        let emulator = Emulator::without_program().as_rie().console(Console::Silent);
        let emulator = emulator.extensions(self.0.join("bin")).unwrap().listen(([127, 0, 0, 1], 0).into());
        emulator.start().unwrap()
    }

    /// Waits for one to have registered, since none may when the runtime has asked for an event.
    fn registered(&self) {
        wait_until("a registration", || self.0.join("go-registered").exists());
    }

    /// Lets them do what they do in the end.
    fn go(&self) {
        fs::write(self.0.join("go"), "").unwrap();
    }
}

impl Drop for Extensions {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[track_caller]
fn check(extensions: &Extensions, name: &str, play: impl FnOnce(&mut Peer)) {
    let emulator = extensions.start();
    thread::scope(|scope| {
        scope.spawn(|| {
            let address = emulator.listens().unwrap();
            let answered = Wire::connect(address).exchange(capture(&format!("{name}.req.bin")));
            assert_eq!(essence_of(&answered), essence(&capture(&format!("{name}.rep.bin"))), "{name}");
        });
        play(&mut Peer::connect(emulator.runtime_api()));
    });
}

#[test]
fn an_extension_that_ends_fails_the_caller_as_with_rie() {
    for (ends, name) in [("crash", "ext-l-front-extension-crash"), ("exit-error", "ext-l-front-extension-exit-error")] {
        let extensions = Extensions::new(1, ends);
        check(&extensions, name, |peer| {
            extensions.registered();
            peer.next();
            extensions.go();
        });
    }
}

#[test]
fn an_extension_that_ends_behind_the_answer_leaves_it_there() {
    let extensions = Extensions::new(1, "behind");
    check(&extensions, "ext-l-front-extension-crash-after-response", |peer| {
        extensions.registered();
        let given = peer.next();
        assert_eq!(peer.respond(&given.id, &given.event).status, 202);
        peer.ask_next();
        extensions.go();
    });
}

#[test]
fn what_extensions_do_not_start_is_502() {
    check(&Extensions::new(1, "init"), "ext-l-front-extension-init-crash", |_| {});
    check(&Extensions::new(1, "init-error"), "ext-initerror-front", |_| {});
    check(&Extensions::new(11, "never"), "ext-l-front-eleven", |_| {});
}
