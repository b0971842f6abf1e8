//! Languages that a file makes known.

use std::fs;

use lambwire_emulator::{Event, Outcome};

use crate::root::{Root, expect_answer, wait_for};
use crate::start::check;

/// A worker whose language is a file with a text in it. It answers with that, the function, and the event.
const WORKER: &str = r#"# lambwire-worker: extension=txt extension=sh interpreter=no-such-shell interpreter=sh option=-u
eval "exec 8<&$LAMBWIRE_EVENTS_FD 9>&$LAMBWIRE_ANSWERS_FD"
echo ready - 0 >&9
while read -r _ id _ length <&8 && read -r context <&8 && event=$(head -c "$length" <&8); do
    answer="$-$(cat "$LAMBWIRE_FILE"): $LAMBWIRE_FUNCTION $event"
    printf 'text %s %s\n%s' "$id" "${#answer}" "$answer" >&9
done
"#;

#[test]
fn a_file_beside_the_handler_makes_a_language_known() {
    let root = Root::new().with("src/workers/text", WORKER).with("src/workers/README", "").with("src/app.txt", "hello");
    let running = root.serve(&["src/app.some.function"]);
    expect_answer(&running, "1", "\"uhello: some.function 1\"");
    // An event without a body is an empty object for a handler in a file.
    expect_answer(&running, "", "\"uhello: some.function {}\"");
}

/// A worker that opens its pipes, and answers with whether what it has inherited can be read.
const OPENING: &str = r#"# lambwire-worker: extension=txt interpreter=sh pipes=path
exec 8</proc/self/fd/$LAMBWIRE_EVENTS_FD 9>/proc/self/fd/$LAMBWIRE_ANSWERS_FD
echo ready - 0 >&9
while read -r _ id _ length <&8 && read -r context <&8 && event=$(head -c "$length" <&8); do
    answer=$(head -c 1 <&"$LAMBWIRE_EVENTS_FD" 2>&1 >/dev/null || echo none)
    [ "$event" != 2 ] || exec 8<&- 8</proc/self/fd/$LAMBWIRE_EVENTS_FD
    printf 'text %s %s\n%s' "$id" "${#answer}" "$answer" >&9
    [ "$event" != 3 ] || { exec 8<&- 9>&-; echo >ended; exit; }
done
"#;

#[test]
fn a_worker_that_opens_its_pipes_inherits_nothing_that_can_be_read() {
    let root = Root::new().with("workers/text", OPENING).with("app.txt", "");
    let running = root.serve(&["app.f"]);
    for event in ["1", "2", "3", "4"] {
        let answer = running.invoke_blocking(Event::new(event)).unwrap();
        let body = String::from_utf8_lossy(&answer.body);
        assert!(answer.outcome == Outcome::Success && body.ends_with("none\""), "{event}: {body}");
        // An event that comes just before would be lost with the worker.
        if event == "3" {
            wait_for("the end of the worker", || root.path("ended").exists());
        }
    }
}

#[test]
fn a_file_in_the_task_root_makes_a_language_known() {
    let root = Root::new().with("workers/text", WORKER).with("src/app.txt", "hello");
    expect_answer(&root.serve(&["src/app.f"]), "1", "\"uhello: f 1\"");
}

#[test]
fn a_file_that_is_named_goes_before_the_languages_that_are_known() {
    let root = Root::new().with("some/text", WORKER).with("app.sh", "handler() { echo mine; }");
    expect_answer(&root.serve(&["app.handler"]), "1", "\"mine\"");
    let running = root.serve(&["--worker", "some/text", "app.handler"]);
    expect_answer(&running, "1", "\"uhandler() { echo mine; }: handler 1\"");
}

/// A worker that finds no function, in files that end in `php` or `js`.
const FINDS_NOTHING: &str = r#"# lambwire-worker: extension=php extension=js interpreter=sh
eval "exec 9>&$LAMBWIRE_ANSWERS_FD"
report='{"errorType":"Runtime.HandlerNotFound","errorMessage":"none"}'
printf 'fatal - %s\n%s' "${#report}" "$report" >&9
"#;

#[test]
fn a_file_that_may_not_be_what_was_meant_is_said_to_be_that_where_it_lacks_the_function() {
    let root = Root::new().with("workers/any", FINDS_NOTHING).with("other.ts", "");
    for (name, text, hint) in [
        ("text.php", "function handler($event) {}\n", "none; no <?php is in it"),
        ("program.php", "#!/usr/bin/env php\n<?php\nfunction other() {}\n", "none"),
        ("other.js", "", "none; its .ts does not run"),
        ("alone.js", "", "none"),
    ] {
        let stem = name.split('.').next().unwrap();
        fs::write(root.path(name), text).unwrap();
        let output = root.run(&["invoke", &format!("{stem}.handler")]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(said, format!("bootstrap: Runtime.HandlerNotFound: {hint}\n"), "{name}");
        fs::remove_file(root.path(name)).unwrap();
    }
}

#[test]
fn what_is_wrong_with_such_a_file_is_named() {
    let root = Root::new().with("plain", "echo\n").with("app.txt", "").with("src/app.txt", "");
    check(&root, &["--worker", "gone", "app.f"], "Runtime.BadWorker", &["/gone cannot be read", "No such file"]);
    root.make_fifo("fifo");
    check(&root, &["--worker", "fifo", "app.f"], "Runtime.NoSuchFile", &["/fifo is a FIFO"]);
    check(&root, &["--worker", "plain", "app.f"], "Runtime.BadWorker", &["/plain has no line", "lambwire-worker:"]);
    let root = root.with("src/workers/a", "# lambwire-worker: extension=txt interpreter=no-such-program\n");
    check(&root, &["src/app.f"], "Runtime.NoInterpreter", &["app.txt is in a, but there is no no-such-program"]);
    let root = root.with("src/workers/a", "# lambwire-worker: extension=txt\n");
    check(&root, &["src/app.f"], "Runtime.BadWorker", &["workers/a needs interpreter=tclsh or such"]);
}
