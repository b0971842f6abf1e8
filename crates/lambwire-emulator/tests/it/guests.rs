//! Callers who are silent, or strangers, on the program's port.

use std::net::TcpStream;
use std::process::{Command, Stdio};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::started::{Served, emulator, started_by};
use crate::wire::{INVOKE, Wire, post};

/// The emulator, which may hold so many files, with these options.
fn serve(files: u32, options: &[&str]) -> Served {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!(r#"ulimit -n {files} && exec "$@""#), "sh"]);
    let emulator = emulator(&[&["--listen", "127.0.0.1:0", "--timeout", "300"], options].concat());
    Served::new(started_by(shell, &emulator).stderr(Stdio::null()))
}

/// The emulator would part with silent connections after 15 s in any case; nobody waits for that.
#[test]
fn silent_connections_shut_nobody_out() {
    let own = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: own.maximum, ..own }).unwrap();
    for (files, silent) in [(3000, 2000), (256, 1000)] {
        let emulator = serve(files, &[]);
        let address = emulator.address();
        let connections: Vec<TcpStream> = (0..silent).map(|_| TcpStream::connect(address).unwrap()).collect();
        for _ in 0..3 {
            assert_eq!(post(address, INVOKE, &[], b"1").text(), "1");
        }
        drop(connections);
    }
}

#[test]
fn who_calls_this_machine_by_another_name_has_to_be_let_in() {
    let ask = |address, host: &str| {
        let request = format!("POST {INVOKE} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1\r\n\r\n1");
        Wire::connect(address).exchange(request)
    };
    let emulator = serve(1024, &["--allow-host", "lambda", "--allow-origin", "https://a.example"]);
    let address = emulator.address();
    assert_eq!(ask(address, "lambda:8080").status, 200);
    let refused = ask(address, "other:8080");
    assert_eq!(refused.status, 403);
    assert!(refused.text().contains("--allow-host other"), "{}", refused.text());
    let page = post(address, INVOKE, &["Origin: https://a.example"], b"1");
    assert_eq!((page.status, page.header("access-control-allow-origin")), (200, Some("https://a.example")));
    let refused = post(address, INVOKE, &["Origin: https://b.example"], b"1");
    assert!(refused.text().contains("--allow-origin https://b.example"), "{}", refused.text());
}

#[test]
fn a_function_may_find_lambda_here() {
    let emulator = serve(1024, &["--local-lambda"]);
    let address = emulator.address();
    let found = post(address, INVOKE, &[], br#""variable AWS_ENDPOINT_URL_LAMBDA""#);
    assert_eq!(found.text(), format!("http://{address}"));
}
