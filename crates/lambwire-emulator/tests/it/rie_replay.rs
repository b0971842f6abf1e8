//! Replies beside those of AWS's Runtime Interface Emulator: where they differ stands in docs/emulator.md, with the reason.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::{env, fs};

use lambwire_emulator::{Console, Emulator, Running};
use serde_json::Value;

use crate::patience::wait_until;
use crate::rie::{capture, parsed};
use crate::wire::{Answered, Wire};

/// Compares a reply with the one that was captured, but for dates, ids and framing. What differs is what the document says.
#[track_caller]
pub(crate) fn compare(name: &str, answered: &Answered) {
    let captured = parsed(&capture(&format!("{name}.rep.bin")));
    // The order of members in JSON, and spaces between them, are of no account.
    let body = |answered: &Answered| {
        let text = without_ids(&String::from_utf8_lossy(&answered.body));
        serde_json::from_str(&text).unwrap_or(Value::String(text))
    };
    let media_type = |answered: &Answered| answered.header("content-type").map(str::to_owned);
    let differing: Vec<&str> = [
        ("status", answered.status != captured.status),
        ("media type", media_type(answered) != media_type(&captured)),
        ("headers", headers(answered) != headers(&captured)),
        ("body", body(answered) != body(&captured)),
    ]
    .into_iter()
    .filter_map(|(part, differs)| differs.then_some(part))
    .collect();
    assert_eq!(
        differing,
        documented(name),
        "{name}: {} {:?}\nRIE: {} {:?}",
        answered.head,
        body(answered),
        captured.head,
        body(&captured)
    );
}

/// What of the reply the document says to differ.
fn documented(name: &str) -> Vec<&'static str> {
    let rows: Vec<_> = rows().filter(|(_, captures)| captures.iter().any(|of| is_named(of, name))).collect();
    let parts = ["status", "media type", "headers", "body"].into_iter();
    parts.filter(|part| rows.iter().any(|(differing, _)| differing.split(", ").any(|of| of == *part))).collect()
}

/// The rows of the document's table: which parts of a reply differ, and those that do.
fn rows() -> impl Iterator<Item = (&'static str, Vec<&'static str>)> {
    let document = include_str!("../../../../docs/emulator.md");
    let (_, table) = document.split_once("<!-- replayed -->").unwrap();
    let (table, _) = table.split_once("<!-- /replayed -->").unwrap();
    table.lines().filter(|line| line.starts_with("| ")).skip(1).map(|row| {
        let mut columns = row.trim_matches('|').split(" | ").map(str::trim);
        let differing = columns.nth(1).unwrap();
        (differing, columns.last().unwrap().split('`').skip(1).step_by(2).collect())
    })
}

fn is_named(of: &str, name: &str) -> bool {
    of.strip_suffix('*').map_or(of == name, |start| name.starts_with(start))
}

/// The names of headers that are neither of framing nor the date.
fn headers(answered: &Answered) -> Vec<String> {
    let names = answered.head.lines().skip(1).filter_map(|line| line.split_once(':'));
    let mut names: Vec<_> = names.map(|(name, _)| name.to_ascii_lowercase()).collect();
    let framing = ["connection", "content-length", "content-type", "date", "transfer-encoding"];
    names.retain(|name| !framing.contains(&&**name));
    names.sort();
    names
}

/// A text with `ID` for UUIDs and 0 for times in milliseconds since the Unix epoch.
fn without_ids(text: &str) -> String {
    let is_id = |part: &str| part.len() == 36 && part.split('-').map(str::len).eq([8, 4, 4, 4, 12]);
    let is_time = |part: &str| part.len() == 13 && part.bytes().all(|byte| byte.is_ascii_digit());
    let parts = text.split_inclusive(|letter: char| !letter.is_ascii_hexdigit() && letter != '-');
    let parts = parts.map(|part| {
        let word = part.trim_end_matches(|letter: char| !letter.is_ascii_hexdigit());
        let rest = &part[word.len()..];
        let word = if is_id(word) {
            "ID"
        } else if is_time(word) {
            "0"
        } else {
            word
        };
        format!("{word}{rest}")
    });
    parts.collect()
}

/// A request that was captured.
pub(crate) fn request(name: &str) -> String {
    String::from_utf8(capture(&format!("{name}.req.bin"))).unwrap()
}

/// The same about another invocation.
pub(crate) fn about(request: &str, id: &str) -> String {
    let (before, rest) = request.split_once("/invocation/").unwrap();
    let (_, after) = rest.split_once('/').unwrap();
    format!("{before}/invocation/{id}/{after}")
}

/// The same with another value of a header.
pub(crate) fn with(request: &str, header: &str, value: &str) -> String {
    let (before, rest) = request.split_once(&format!("\r\n{header}: ")).unwrap();
    let (_, after) = rest.split_once("\r\n").unwrap();
    format!("{before}\r\n{header}: {value}\r\n{after}")
}

/// The same of another extension.
pub(crate) fn of(request: &str, extension: &str) -> String {
    with(request, "Lambda-Extension-Identifier", extension)
}

/// The id that an extension gets which registers.
#[track_caller]
pub(crate) fn id(registered: &Answered) -> String {
    registered.header("lambda-extension-identifier").unwrap().to_owned()
}

pub(crate) fn start(emulator: Emulator) -> Running {
    emulator.console(Console::Silent).listen(([127, 0, 0, 1], 0).into()).start().unwrap()
}

/// Extensions whose processes wait, while a test speaks for them.
pub(crate) struct Puppets(PathBuf);

impl Puppets {
    pub(crate) fn new(names: &[&str]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = env::temp_dir().join(format!("lambwire-rie-puppets-{}-{count}", process::id()));
        fs::create_dir_all(path.join("bin")).unwrap();
        for name in names {
            let file = path.join("bin").join(name);
            let path = path.display();
            let script =
                format!("#!/bin/sh\necho >>{path}/started\nwhile [ ! -e {path}/go ]; do sleep 0.01; done\nexit 7\n");
            fs::write(&file, script).unwrap();
            fs::set_permissions(&file, PermissionsExt::from_mode(0o755)).unwrap();
        }
        Self(path)
    }

    pub(crate) fn start(&self, emulator: Emulator) -> Running {
        start(emulator.extensions(self.0.join("bin")).unwrap())
    }

    /// Waits until so many have been started in all.
    pub(crate) fn started(&self, count: usize) {
        let started = || fs::read(self.0.join("started")).map_or(0, |lines| lines.len());
        wait_until("the start of extensions", || started() >= count);
    }

    /// Has them end with status 7.
    pub(crate) fn end(&self) {
        fs::write(self.0.join("go"), "").unwrap();
    }

    /// Has those that follow wait again.
    pub(crate) fn wait(&self) {
        fs::remove_file(self.0.join("go")).unwrap();
    }
}

impl Drop for Puppets {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Captures that are not replayed, each with the reason.
const NOT_REPLAYED: [(&str, &str); 13] = [
    ("front-46-concurrent-1", "RIE broke off without a byte"),
    ("front-47-concurrent-2", "as before"),
    ("front-60-restore", "--enable-init-caching: what the runtime did was wrong by then"),
    ("front-61-restore-error", "as before"),
    ("legacy-63-oversize-error", "RIE said nothing"),
    ("legacy-64-truncated-chunked", "RIE said nothing"),
    ("legacy-94-next-after-restore", "RIE said nothing"),
    ("legacy-90-restore-next", "--enable-init-caching: the event is the answer to restore/next"),
    ("legacy-95-restore-next", "as before"),
    ("legacy-96-restore-error", "as before"),
    ("legacy-97-restore-error-twice", "as before"),
    ("legacy-91-credentials", "--enable-init-caching: credentials of a snapshot"),
    ("tel-sub-tcp-9001", "the port is that at which RIE listened"),
];

#[test]
fn every_capture_is_replayed() {
    let sources = concat!(
        include_str!("rie.rs"),
        include_str!("rie_extensions.rs"),
        include_str!("rie_managed.rs"),
        include_str!("rie_runtime.rs"),
        include_str!("rie_runtime_managed.rs"),
        include_str!("rie_telemetry.rs")
    );
    let directory = env!("CARGO_MANIFEST_DIR");
    let own = fs::read_dir(format!("{directory}/tests/rie")).unwrap();
    let shared = fs::read_dir(format!("{directory}/../lambwire/tests/captures")).unwrap();
    let files = own.chain(shared).map(|file| file.unwrap().file_name().into_string().unwrap());
    let names: Vec<_> = files.filter_map(|file| file.split_once(".rep").map(|(name, _)| name.to_owned())).collect();
    for name in names.iter().filter(|name| !name.starts_with("c")) {
        let is_left_out = NOT_REPLAYED.iter().any(|(left_out, _)| left_out == name);
        assert_ne!(sources.contains(&format!("\"{name}\"")), is_left_out, "{name}");
    }
    for (_, captures) in rows() {
        for of in captures {
            assert!(names.iter().any(|name| is_named(of, name)), "{of} is no capture");
        }
    }
}

#[test]
fn ids_and_times_do_not_count() {
    let text = r#"{"a":"5934652d-1886-4ecd-b78d-dd6610072743","b":1795309558302,"c":12}"#;
    assert_eq!(without_ids(text), r#"{"a":"ID","b":0,"c":12}"#);
    let nested = "for extension 5934652d-1886-4ecd-b78d-dd6610072743. Error";
    assert_eq!(without_ids(nested), "for extension ID. Error");
}

/// A wire to the Runtime API of an emulator.
pub(crate) fn wire(emulator: &Running) -> Wire {
    Wire::connect(emulator.runtime_api())
}
