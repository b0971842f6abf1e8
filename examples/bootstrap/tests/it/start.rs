//! What keeps a handler from being loaded: said on standard error in one line, with a status, and to Lambda.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::root::{BOOTSTRAP, Root, end_of, expect_error, request};

/// Both ways of running a program say the same, where both find out.
#[track_caller]
pub(crate) fn check(root: &Root, arguments: &[&str], error_type: &str, parts: &[&str]) {
    let invoke = [&["invoke"], arguments].concat();
    let output = root.run(&invoke);
    let said = String::from_utf8_lossy(&output.stderr);
    let own = said.lines().find(|line| line.starts_with("bootstrap: ")).unwrap();
    assert!(own.starts_with(&format!("bootstrap: {error_type}: ")), "{said}");
    for part in parts {
        assert!(said.contains(part), "{part:?} is not in {said}");
    }
    assert_eq!(output.status.code(), Some(1));
    expect_error(&root.serve(arguments), "{}", error_type, parts);
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let root = Root::new().with("other.sh", "");
    let looked_for = ["'app.handler': no file app in ", ".php .pl .py", ".sh, nor a program of that name"];
    check(&root, &["app.handler"], "Runtime.NoSuchFile", &looked_for);
    check(&root, &["./app.py"], "Runtime.NoSuchFile", &["there is no /", "/./app.py"]);
    check(&root, &["--exec", "bin/app.sh"], "Runtime.NoSuchFile", &["there is no program /", "/bin/app.sh"]);
    check(&root, &["program"], "Runtime.NoSuchFile", &["'program' names no file"]);
    check(&root, &["--exec", "bin/x"], "Runtime.NoSuchFile", &["there is no program /", "/bin/x"]);
}

#[test]
fn a_file_of_an_unknown_language_and_a_folder_are_told_what_they_lack() {
    let root = Root::new().with("src/app.ts", "").with("lib/app.sh", "").with("pkg/package.json", "{}");
    let other = ["no file app in ", "; other languages: --worker, workers/"];
    check(&root, &["src/app.handler"], "Runtime.NoSuchFile", &other);
    let folder = ["/lib is a directory (packages: __init__.py, index.js), not a file"];
    check(&root, &["lib.handler"], "Runtime.IsDirectory", &folder);
    check(&root, &["lib"], "Runtime.IsDirectory", &folder);
    // One that is a package is served.
    let output = root.run(&["invoke", "--interpreter", "/nowhere/node", "pkg.handler"]);
    assert!(!String::from_utf8_lossy(&output.stderr).contains("is a directory"));
}

#[test]
fn a_task_root_that_is_not_there_is_named() {
    let root = Root::new();
    let mut command = root.command(&["invoke", "app.handler"]);
    let output = command.env("LAMBDA_TASK_ROOT", root.path("gone")).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.starts_with("bootstrap: Runtime.NoSuchFile: cannot enter the task root "), "{said}");
    assert!(said.contains("/gone: No such file or directory"), "{said}");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_function_that_is_not_there_is_named() {
    let root = Root::new().with("app.sh", "handler() { :; }\n");
    check(&root, &["app.other"], "Runtime.HandlerNotFound", &["no function other in ", "app.sh"]);
    let named = ["no function sh.handler in ", "; a handler is named without .sh: app.handler"];
    check(&root, &["app.sh.handler"], "Runtime.HandlerNotFound", &named);
    check(&root, &["app."], "Runtime.MalformedHandlerName", &["names no function"]);
    expect_error(&root.serve(&[""]), "{}", "Runtime.MalformedHandlerName", &["no handler"]);
}

#[test]
fn without_a_handler_there_is_an_init_error_and_the_end() {
    let root = Root::new();
    let (mut child, api) = root.start(&[], false);
    let mut connection = api.accept();
    let asked = request(&mut connection);
    let is_init_error = asked.starts_with("POST /2018-06-01/runtime/init/error") && asked.contains("no handler");
    assert!(is_init_error, "{asked}");
    connection.write_all(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n").unwrap();
    assert_eq!(end_of(&mut child).code(), Some(1));
}

#[test]
fn what_was_meant_is_asked() {
    let root = Root::new().with("app.sh", "handler() { :; }\n").with("src/app.py", "").with("event.json", "{}");
    let asked = ["'app' names no function in ", "app.sh: app.handler?"];
    check(&root, &["app"], "Runtime.MalformedHandlerName", &asked);
    check(&root, &["src/app"], "Runtime.MalformedHandlerName", &["src/app.py: src/app.handler?"]);
    let program = ["to call a function in src/app.py, name that: src/app.handler; /", "chmod +x it"];
    check(&root, &["src/app.py"], "Runtime.NotExecutable", &program);
    let event = ["mode is 0644", "an event goes behind a handler: invoke app.handler - <event.json"];
    check(&root, &["event.json"], "Runtime.NotExecutable", &event);
    let mut command = root.command(&["invoke", "app.handler", "event.json"]);
    let output = command.current_dir(&root).output().unwrap();
    let said = "bootstrap: the event is the name of a file: for what is in it, - <event.json\n";
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(2), said));
}

#[test]
fn a_fifo_in_place_of_a_file_is_named() {
    let root = Root::new().with_program("script", "#!./fifo\n");
    root.make_fifo("fifo");
    root.make_fifo("app.sh");
    let kind = ["fifo is a FIFO, a socket or a device, not a file"];
    for arguments in [&["fifo"][..], &["--exec", "fifo"], &["script"]] {
        check(&root, arguments, "Runtime.NoSuchFile", &kind);
    }
    check(&root, &["app.handler"], "Runtime.NoSuchFile", &["app.sh is a FIFO"]);
}

#[test]
fn what_a_file_says_when_it_does_not_load_is_said_once() {
    let root = Root::new().with("app.sh", "echo too early >&2\nexit 3\n");
    let output = root.run(&["invoke", "app.handler"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(said.matches("too early").count(), 1, "{said}");
}

#[test]
fn an_interpreter_of_another_language_is_not_started() {
    let root =
        Root::new().with("app.py", "").with("app.sh", "handler() { :; }\n").with_program("php8.2", "#!/bin/cat\n");
    let other = ["/app.py is in Python, which ./php8.2 does not run: that is for PHP"];
    check(&root, &["--interpreter", "./php8.2", "app.handler"], "Runtime.NoInterpreter", &other);
    let other = ["/app.py is in Python, which bash does not run: that is for a shell"];
    check(&root, &["--interpreter", "bash", "app.handler"], "Runtime.NoInterpreter", &other);
    let root = root.with_program("other", "#!/bin/sh\n");
    let asked = ["status 0 before its handler was loaded: does ./other run Python?"];
    check(&root, &["--interpreter", "./other", "app.handler"], "Runtime.ExitError", &asked);
}

#[test]
fn a_file_that_does_not_load_is_an_error_with_its_log() {
    let root = Root::new().with("app.sh", "handler() { \n").with("exit.sh", "echo giving up >&2\nexit 3\n");
    check(&root, &["app.handler"], "Runtime.ExitError", &["before its handler was loaded", "app.sh"]);
    check(&root, &["exit.handler"], "Runtime.ExitError", &["status 3 before its handler was loaded", "giving up"]);
}

#[test]
fn a_directory_in_place_of_a_file_is_named() {
    let root = Root::new().with("app/x", "").with("dir.sh/x", "");
    check(&root, &["app"], "Runtime.IsDirectory", &["app is a directory"]);
    check(&root, &["dir.handler"], "Runtime.IsDirectory", &["dir.sh is a directory"]);
}

#[test]
fn a_file_that_may_not_be_executed_is_named() {
    let root = Root::new().with("app", "#!/bin/sh\n").with("app.sh", "handler() { :; }\n");
    check(&root, &["app"], "Runtime.NotExecutable", &["mode is 0644"]);
    check(&root, &["app.sh"], "Runtime.NotExecutable", &["to call a function in app.sh, name that: app.handler"]);
}

#[test]
fn carriage_returns_are_named() {
    let root = Root::new().with_program("app", "#!/bin/sh\r\necho\r\n").with("win.sh", "handler() {\r\n:\r\n}\r\n");
    check(&root, &["app"], "Runtime.CarriageReturn", &["CR LF"]);
    check(&root, &["--exec", "app"], "Runtime.CarriageReturn", &["CR LF"]);
    check(&root, &["win.handler"], "Runtime.CarriageReturn", &["CR LF"]);
}

#[test]
fn an_interpreter_that_is_not_there_is_named() {
    let root = Root::new()
        .with_program("app", "#!/nowhere/python\n")
        .with_program("env", "#!/usr/bin/env -S no-such-program -x\n")
        .with("app.lua", "")
        .with("fish.sh", "#!/usr/bin/fish\n")
        .with("lksh.sh", "#!/nowhere/loksh\n");
    check(&root, &["app"], "Runtime.NoInterpreter", &["/nowhere/python"]);
    check(&root, &["--exec", "env"], "Runtime.NoInterpreter", &["no-such-program"]);
    check(&root, &["fish.handler"], "Runtime.NoInterpreter", &["/usr/bin/fish", "none of sh", "--interpreter"]);
    check(&root, &["lksh.handler"], "Runtime.NoInterpreter", &["/nowhere/loksh", "no loksh in PATH"]);
    check(&root, &["--interpreter", "no-lua", "app.handler"], "Runtime.NoInterpreter", &["no no-lua in PATH", "Lua"]);
    check(&root, &["--interpreter", "/no/lua", "app.handler"], "Runtime.NoSuchFile", &["there is no /no/lua"]);
}

#[test]
fn what_is_no_program_is_named() {
    let root = Root::new().with_program("text", "hello\n");
    check(&root, &["text"], "Runtime.BadExecutable", &["neither an ELF executable nor a script"]);
}

/// A program that is like another, but for some bytes.
fn patched(root: Root, name: &str, from: &[u8], to: &[u8]) -> Root {
    let mut bytes = fs::read(BOOTSTRAP).unwrap();
    let at = bytes.windows(from.len()).position(|window| window == from).unwrap();
    bytes[at..at + to.len()].copy_from_slice(to);
    root.with_program(name, bytes)
}

#[test]
#[cfg(all(target_arch = "x86_64", target_env = "gnu"))]
fn another_architecture_and_a_missing_loader_are_named() {
    // The end of the type, which may be that of a position-independent program, and the machine.
    let root = patched(Root::new(), "riscv", &[0, 62, 0, 1, 0, 0, 0], &[0, 243, 0]);
    check(&root, &["riscv"], "Runtime.WrongArchitecture", &["is built for riscv64, and this is x86_64"]);
    let root = patched(root, "musl", b"/lib64/ld-linux-x86-64.so.2", b"/lib64/ld-other-x86-64.so.2");
    check(&root, &["musl"], "Runtime.NoLoader", &["wants /lib64/ld-other-x86-64.so.2 to load it"]);
}

#[test]
#[cfg(target_env = "gnu")]
fn libraries_that_are_missing_are_named_at_the_first_level_and_the_second() {
    let root =
        Root::new().with("empty.c", "int main(void) { return 0; }\n").with("lib.c", "int f(void) { return 0; }\n");
    let cc = |arguments: &str| {
        let status = Command::new("cc").args(arguments.split(' ')).current_dir(&root).status().unwrap();
        assert!(status.success(), "{arguments}");
    };
    cc("-shared -fPIC -o libinner.so lib.c");
    cc("-shared -fPIC -Wl,--no-as-needed -o libouter.so lib.c -L. -linner");
    cc("-Wl,--no-as-needed -Wl,-rpath,$ORIGIN -o app empty.c -L. -louter -Wl,--allow-shlib-undefined");
    fs::set_permissions(root.path("app"), PermissionsExt::from_mode(0o755)).unwrap();
    fs::remove_file(root.path("libinner.so")).unwrap();
    let outer = format!("libinner.so (needed by {})", root.path("libouter.so").display());
    check(&root, &["app"], "Runtime.MissingLibrary", &[&outer]);
    check(&root, &["--exec", "app"], "Runtime.MissingLibrary", &[&outer]);
    fs::remove_file(root.path("libouter.so")).unwrap();
    let direct = format!("libouter.so (needed by {})", root.path("app").display());
    check(&root, &["app"], "Runtime.MissingLibrary", &[&direct]);
}
