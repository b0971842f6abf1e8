//! Programs that have registered as an extension, and what they have to say at SIGTERM.

use std::convert::Infallible;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, exit};
use std::{env, fs, thread};

use lambwire::Context;
use lambwire_emulator::limits::EXTENSION_BODY_BYTES;
use lambwire_emulator::{Answer, Console, Emulator, Event, Running};
use smol::future;

use crate::library::{TIMED_OUT, brief, start};
use crate::patience::{AMPLE, is_end, wait_until};
use crate::wire::{Answered, Wire};

/// Says that this process is to be a runtime, and which.
const ROLE: &str = "LAMBWIRE_TEST_SIGTERM";

/// The file for last words.
const LAST_WORDS: &str = "LAMBWIRE_TEST_LAST_WORDS";

const TRANSPORTS: [&str; 2] = ["mio", "smol"];

/// A program that plays `role`, with a place for what it says at SIGTERM, and behind that its status.
struct Program {
    role: &'static str,
    last_words: PathBuf,
}

impl Program {
    fn new(role: &'static str, test: &str) -> Self {
        let last_words = env::temp_dir().join(format!("lambwire-{test}-{role}-{}", std::process::id()));
        fs::write(&last_words, "").unwrap();
        Self { role, last_words }
    }

    fn emulator(&self) -> Emulator {
        let mut command = Command::new("sh");
        // It is the shell that gets the signal. A wait that it interrupts is not over.
        let script = r#""$@" & trap "kill -TERM $!" TERM; wait $! || wait $!; echo $? >> "$LAMBWIRE_TEST_LAST_WORDS""#;
        command.args(["-c", script, "sh"]);
        command.arg(env::current_exe().unwrap());
        command.args(["--exact", "sigterm::plays_the_runtime_when_asked", "--nocapture"]);
        command.env(ROLE, self.role).env(LAST_WORDS, &self.last_words);
        Emulator::new(command).console(Console::Silent).timeout(AMPLE).init_timeout(AMPLE).end_grace(AMPLE)
    }

    fn said(&self) -> String {
        fs::read_to_string(&self.last_words).unwrap()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.last_words);
    }
}

fn invoke(emulator: &Running, event: &str) -> Answer {
    emulator.invoke_blocking(Event::new(event)).unwrap()
}

#[test]
fn plays_the_runtime_when_asked() {
    let Ok(role) = env::var(ROLE) else { return };
    let api = env::var("AWS_LAMBDA_RUNTIME_API").unwrap();
    let end = match role.as_str() {
        "mio" => mio(&api),
        "late" => late(&api),
        _ => smol::block_on(smol(&api)),
    };
    eprintln!("{}", end.unwrap_err());
    exit(1);
}

fn say_last_word() {
    let mut file = fs::OpenOptions::new().append(true).open(env::var(LAST_WORDS).unwrap()).unwrap();
    file.write_all(b"last word, ").unwrap();
}

fn mio(api: &str) -> Result<Infallible, lambwire_mio::Error> {
    lambwire_mio::on_sigterm(api, say_last_word)?;
    serve(&mut lambwire_mio::Runtime::connect(api)?)
}

/// Registers behind its first invocation.
fn late(api: &str) -> Result<Infallible, lambwire_mio::Error> {
    let mut runtime = lambwire_mio::Runtime::connect(api)?;
    runtime.next(&mut Vec::new())?.respond(b"")?;
    lambwire_mio::on_sigterm(api, say_last_word)?;
    serve(&mut runtime)
}

fn serve(runtime: &mut lambwire_mio::Runtime) -> Result<Infallible, lambwire_mio::Error> {
    Err(runtime.serve(|event, _| match event {
        b"hang" => loop {
            thread::park();
        },
        event => Ok(event.into()),
    }))
}

async fn smol(api: &str) -> Result<Infallible, lambwire_smol::Error> {
    let mut sigterm = lambwire_smol::Sigterm::register(api).await?;
    let last_word = async {
        sigterm.received().await;
        say_last_word();
        exit(0)
    };
    let observe = |_: &Context<'_>, error: &lambwire_smol::Error| eprintln!("{error}");
    let serve = lambwire_smol::serve_concurrent(
        api,
        lambwire_smol::max_concurrency(),
        async |event, _| match event {
            b"hang" => future::pending().await,
            event => Ok(event.into()),
        },
        observe,
    );
    Err(future::or(serve, last_word).await)
}

#[test]
fn the_last_word_is_had_at_the_end_of_the_emulator_and_the_program_ends_well() {
    for role in TRANSPORTS {
        for concurrency in [None, Some(2)] {
            let program = Program::new(role, "end");
            let emulator = concurrency.into_iter().fold(program.emulator(), Emulator::concurrency).start().unwrap();
            assert_eq!(invoke(&emulator, "hello").body, b"hello");
            if concurrency.is_none() {
                drop(emulator);
            } else {
                smol::block_on(emulator.finish());
            }
            assert_eq!(program.said(), "last word, 0\n", "{role}");
        }
    }
}

#[test]
fn the_last_word_is_had_when_a_program_takes_too_long_and_it_is_started_again() {
    for role in TRANSPORTS {
        let program = Program::new(role, "timeout");
        let emulator = program.emulator().start().unwrap();
        let late = emulator.invoke_blocking(brief("hang")).unwrap();
        assert!(String::from_utf8(late.body).unwrap().contains(TIMED_OUT));
        assert_eq!(invoke(&emulator, "hello").body, b"hello");
        assert_eq!(program.said(), "last word, 0\n", "{role}");
        drop(emulator);
        assert_eq!(program.said(), "last word, 0\nlast word, 0\n", "{role}");
    }
}

#[test]
fn a_program_that_registers_behind_its_first_invocation_is_killed_without_a_word() {
    let program = Program::new("late", "late");
    let emulator = program.emulator().start().unwrap();
    invoke(&emulator, "first");
    emulator.invoke_blocking(brief("hang")).unwrap();
    assert_eq!(invoke(&emulator, "first of another").body, b"");
    assert_eq!(program.said(), "");
    // Until it has this one, it might not hear the signal that ends it.
    assert_eq!(invoke(&emulator, "second").body, b"second");
}

/// The child says so if it gets the signal. It ends when the program has got it, and by then it would have it, too.
#[test]
fn the_signal_goes_to_the_program_alone() {
    let program = Program::new("parent", "alone");
    let mut command = Command::new("sh");
    let script = r#"
        cd "${LAMBWIRE_TEST_LAST_WORDS%/*}" && words=${LAMBWIRE_TEST_LAST_WORDS##*/}
        (trap 'echo child >> $words' TERM; until grep -q program $words; do sleep 0.01; done; sleep 0.01) &
        trap 'echo program >> $words' TERM
        echo ready >> $words
        wait $!; wait $!"#;
    command.args(["-c", script]).env(LAST_WORDS, &program.last_words);
    let emulator =
        Emulator::new(command).console(Console::Silent).init_timeout(AMPLE).end_grace(AMPLE).start().unwrap();
    wait_until("the program", || !program.said().is_empty());
    drop(emulator);
    assert_eq!(program.said(), "ready\nprogram\n");
}

fn register(wire: &mut Wire, body: &str) -> Answered {
    let path = "/2020-01-01/extension/register";
    let len = body.len();
    wire.exchange(format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nLambda-Extension-Name: e\r\nContent-Length: {len}\r\n\r\n{body}"
    ))
}

fn ask_for_event(id: &str) -> String {
    let path = "/2020-01-01/extension/event/next";
    format!("GET {path} HTTP/1.1\r\nHost: x\r\nLambda-Extension-Identifier: {id}\r\n\r\n")
}

#[test]
fn an_extension_waits_for_events_as_long_as_the_emulator_is_there() {
    let emulator = start();
    let mut wire = Wire::connect(emulator.runtime_api());
    let registered = register(&mut wire, r#"{"events":[]}"#);
    let function = r#"{"functionName":"function","functionVersion":"$LATEST","handler":""}"#;
    assert_eq!((registered.status, registered.text()), (200, &*format!("{function}\n")));
    wire.write(ask_for_event(registered.header("lambda-extension-identifier").unwrap()));
    let answer = crate::library::invoke_with(&emulator, Event::new("e"), |peer| {
        let given = peer.next();
        peer.respond(&given.id, b"answer");
    });
    assert_eq!(answer.body, b"answer");
    drop(emulator);
    // No byte has come before the end.
    assert!(is_end(wire.0.peek(&mut [0])));
}

#[test]
fn what_no_extension_inside_the_process_may_do_is_refused_in_the_words_of_aws() {
    let emulator = start();
    let mut wire = Wire::connect(emulator.runtime_api());
    let refused = |wire: &mut Wire, body: &str, error_type: &str| {
        let said = register(wire, body);
        assert_eq!(said.status, 403);
        assert!(said.text().contains(error_type), "{}", said.text());
    };
    refused(&mut wire, r#"{"events":["SHUTDOWN"]}"#, "Extension.InvalidEventType");
    let unknown = wire.exchange(ask_for_event("nobody"));
    let invalid_id = "{\"errorMessage\":\"Invalid Lambda-Extension-Identifier\",\
                      \"errorType\":\"Extension.InvalidExtensionIdentifier\"}\n";
    assert_eq!((unknown.status, unknown.text()), (403, invalid_id));
    let mut runtime = crate::peer::Peer::connect(emulator.runtime_api());
    runtime.ask_next();
    // That is a matter of time, as it comes by another connection.
    wait_until("the request for an event", || register(&mut wire, r#"{"events":[]}"#).status != 200);
    refused(&mut wire, r#"{"events":[]}"#, "Extension.RegistrationClosed");
}

#[test]
fn what_an_extension_sends_is_taken_at_the_limit_and_one_byte_more_is_not() {
    let limit = usize::try_from(EXTENSION_BODY_BYTES).unwrap();
    let refused = "{\"errorMessage\":\"Exceeded maximum allowed payload size (1048576 bytes).\",\
                   \"errorType\":\"RequestEntityTooLarge\"}\n";
    for len in [limit - 1, limit, limit + 1] {
        let emulator = start();
        let mut wire = Wire::connect(emulator.runtime_api());
        let wish = r#"{"events":[]}"#;
        let id = register(&mut wire, wish).header("lambda-extension-identifier").unwrap().to_owned();
        let padded = wish.to_owned() + &" ".repeat(len - wish.len());
        for (asked, taken) in [
            ("POST /2020-01-01/extension/register", 200),
            ("PUT /2022-07-01/telemetry", 400),
            ("PUT /2020-08-15/logs", 400),
            ("POST /2020-01-01/extension/exit/error", 202),
        ] {
            let said = wire.exchange(format!(
                "{asked} HTTP/1.1\r\nHost: x\r\nLambda-Extension-Identifier: {id}\r\nLambda-Extension-Name: x\r\n\
                 Lambda-Extension-Function-Error-Type: Extension.X\r\nContent-Length: {len}\r\n\r\n{padded}"
            ));
            let expected = if len <= limit { taken } else { 413 };
            assert_eq!(said.status, expected, "{asked} {len}: {}", said.text());
            assert_eq!(said.text() == refused, len > limit, "{}", said.text());
        }
    }
}
