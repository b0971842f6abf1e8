//! Runtimes against servers that err: what they do is what `docs/faults.md` says.
//!
//! `LAMBWIRE_BLESS=1` has that file written anew, from what the cases expect.

use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::thread;

mod answers;
mod events;
mod heads;
mod losses;
mod pipelined;
mod run;
mod status;
mod subject;

use lambwire::limits::PAYLOAD_BYTES;
use lambwire_emulator::fault::{Action, FaultServer, Plan, Reply, Script};
use run::run;
use subject::{Handler, SUBJECTS, Subject, Way};

use crate::runtime_api::response_path;
use crate::wire::{Wire, post_bytes};

/// Cases that run at a time: most of them wait.
const AT_A_TIME: usize = 12;

/// A server that errs, and what a runtime does about it.
struct Case {
    name: &'static str,
    script: Script,
    handler: Handler,
    /// What a loop does over either transport.
    expected: String,
    /// What `serve` does, if that is something else.
    served: Option<String>,
}

impl Case {
    fn new(name: &'static str, script: Script, expected: impl Into<String>) -> Self {
        Self { name, script, handler: Handler::Obedient, expected: expected.into(), served: None }
    }

    fn serve(self, expected: impl Into<String>) -> Self {
        Self { served: Some(expected.into()), ..self }
    }

    fn expected(&self, way: Way) -> &str {
        let served = self.served.as_deref().filter(|_| way == Way::Serve);
        served.unwrap_or(&self.expected)
    }
}

/// What is done is wrong, and all is well afterwards.
fn in_next(plans: impl IntoIterator<Item = Plan>) -> Script {
    let mut script = Script::new();
    script.to_next.extend(plans);
    script.next(Reply::invocation("a", "respond"))
}

/// The invocation itself comes wrong.
fn invocation(bytes: impl AsRef<[u8]>) -> Script {
    Script::new().next(Reply::raw(bytes.as_ref()))
}

/// An answer of this kind meets something wrong, and all is well afterwards.
fn in_answer(event: &str, plans: impl IntoIterator<Item = Plan>) -> Script {
    let mut script = Script::new().next(Reply::invocation("a", event)).next(Reply::invocation("b", "respond"));
    script.to_answers.extend(plans);
    script
}

fn raw(bytes: impl AsRef<[u8]>) -> Plan {
    Reply::raw(bytes.as_ref()).into()
}

fn acts<const N: usize>(acts: [Action; N]) -> Plan {
    Plan::new(acts)
}

/// How often a runtime asks, answers and connects, behind what it says.
fn counted(says: &str, asks: usize, answers: usize, connections: usize) -> String {
    format!("{says}; {asks} × next, {answers} × answer, {connections} × connection")
}

/// All is well in the end.
fn answered(asks: usize, answers: usize, connections: usize) -> String {
    counted("`a` answered, waits", asks, answers, connections)
}

/// The first invocation is lost, and the second is answered.
fn lost(why: &str, asks: usize, answers: usize, connections: usize) -> String {
    counted(&format!("`a` lost: {why}, `b` answered, waits"), asks, answers, connections)
}

/// Both invocations are answered.
fn both(asks: usize, answers: usize, connections: usize) -> String {
    counted("`a` answered, `b` answered, waits", asks, answers, connections)
}

/// The loop ends.
fn ended(why: &str, asks: usize, answers: usize, connections: usize) -> String {
    counted(&format!("ends: {why}, exits with 1"), asks, answers, connections)
}

fn cases() -> Vec<Case> {
    [events::cases(), heads::cases(), losses::cases(), answers::cases(), pipelined::cases()]
        .into_iter()
        .flatten()
        .collect()
}

#[test]
fn runtimes_do_what_is_expected_of_them() {
    let cases = cases();
    assert!(cases.len() >= 60);
    let work: Vec<(&Case, Subject)> = cases.iter().flat_map(|case| SUBJECTS.map(|subject| (case, subject))).collect();
    let work = Mutex::new(work.into_iter());
    let wrong = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                while let Some((case, subject)) = { work.lock().unwrap().next() } {
                    let did = run(case, subject);
                    let expected = case.expected(subject.way);
                    if did != expected {
                        let name = subject.name();
                        wrong.lock().unwrap().push(format!("{}: {name}\n  did {did}\n  not {expected}", case.name));
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len() * SUBJECTS.len(), wrong.join("\n"));
}

#[test]
fn the_table_of_faults_is_what_the_cases_expect() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/faults.md");
    let table = table();
    if std::env::var_os("LAMBWIRE_BLESS").is_some() {
        fs::write(&path, &table).unwrap();
    }
    assert!(fs::read_to_string(&path).unwrap() == table, "LAMBWIRE_BLESS=1 writes docs/faults.md anew");
}

#[test]
fn cases_have_names_of_their_own() {
    let mut names: Vec<&str> = cases().iter().map(|case| case.name).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
}

#[test]
fn as_much_of_a_body_as_the_limit_is_kept() {
    let limit = usize::try_from(PAYLOAD_BYTES).unwrap();
    for len in [limit - 1, limit, limit + 1] {
        let server = FaultServer::start(Script::new()).unwrap();
        let request = post_bytes(&response_path("a"), &[], &vec![b' '; len]);
        assert_eq!(Wire::connect(server.address()).exchange(request).status, 202);
        assert_eq!(server.requests()[0].body.len(), len.min(limit));
    }
}

const PREFACE: &str = "\
# What the runtimes do about faults

Each line is a server that errs, and what is done about it: of the invocations `a` and `b`, which is answered, which is
reported as lost, and whether the runtime then waits for more or ends, why, and with status 1. Behind that stands how
many requests the server received, and on how many connections. The first column is a plain loop of `next` and an
answer, the second `serve`, which asks in one write with an answer; what stands there is true of lambwire-mio and of
lambwire-smol. Where it is empty, `serve` does what the loop does. *Is answering*: the answer has gone out, and its
verdict has not come.

`serve` pipelines `next` behind each response, so any bytes after the 202 are parsed as the reply to that `next`. A
server that continues after a reply that cannot be parsed sends the next invocation to a connection that the runtime has
closed; Lambda's sends it again to the next `next`.

The table is generated from the cases in `crates/lambwire-emulator/tests/it/faults/`, where each runs in a process of
its own against `lambwire_emulator::fault`. No case may end in a panic, in an invocation of which nothing is said, in a
process that is busy while it waits, or in one that is neither waiting nor at its end after 300 seconds, or has used more
than one second of CPU time. A server that says nothing is waited for: the Runtime API may be silent for hours.
";

const ROWS: &str = "\
## The status table

What a loop does, by what comes of a request, and the cases below that show it, over both transports and in both ways.
";

const CASES: &str = "\
## The cases
";

fn table() -> String {
    let statuses = status::table();
    let mut table = format!(
        "{PREFACE}\n{ROWS}\n{statuses}\n{CASES}\n| server | loop | `serve`, where it differs |\n|---|---|---|\n"
    );
    for case in cases() {
        let served = case.served.as_deref().unwrap_or_default();
        table += &format!("| {} | {} | {served} |\n", case.name, case.expected);
    }
    table
}
