//! The command line.

use std::fs::{self, File};
use std::process::Command;

use lambwire_mio::lambwire::limits;

use crate::root::Root;

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn one_event_is_answered_and_the_log_is_kept_apart() {
    let root = Root::new().with("app.sh", "echo loaded\nhandler() { echo a log >&2; echo \"[$1]\"; }\n");
    let output = root.run(&["invoke", "app.handler", r#"{"a":1}"#]);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(0), "[{\"a\":1}]\n".to_owned()));
    assert_eq!(text(&output.stderr), "loaded\na log\n");
    assert_eq!(text(&root.run(&["invoke", "app.handler"]).stdout), "[{}]\n");
}

#[test]
fn a_handler_finds_the_variables_of_its_function_where_nobody_has_set_them() {
    let root = Root::new().with("app.sh", "handler() { env; }\n");
    let mut command = root.command(&["invoke", "app.handler"]);
    command.env("AWS_LAMBDA_FUNCTION_NAME", "mine").env("AWS_REGION", "eu-west-1").env("AWS_DEFAULT_REGION", "");
    for name in ["AWS_LAMBDA_FUNCTION_VERSION", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_LOG_GROUP_NAME", "TZ"] {
        command.env_remove(name);
    }
    let said = text(&command.output().unwrap().stdout);
    let task_root = format!("LAMBDA_TASK_ROOT={}", root.path("").display());
    for part in [
        "AWS_LAMBDA_FUNCTION_NAME=mine\\n",
        "AWS_LAMBDA_FUNCTION_VERSION=$LATEST\\n",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=128\\n",
        "AWS_LAMBDA_LOG_GROUP_NAME=/aws/lambda/mine\\n",
        "AWS_REGION=eu-west-1\\n",
        "AWS_DEFAULT_REGION=\\n",
        "TZ=:UTC\\n",
        task_root.trim_end_matches('/'),
    ] {
        assert!(said.contains(part), "{part} is not in {said}");
    }
}

#[test]
fn a_failure_has_a_status_of_its_own() {
    let root = Root::new().with("app.sh", "handler() { return 3; }\n");
    let output = root.run(&["invoke", "app.handler"]);
    assert_eq!(output.status.code(), Some(1));
    let report = r#"{"errorMessage":"handler exited with status 3","errorType":"Function.ExitStatus"}"#;
    assert_eq!(text(&output.stdout), format!("{report}\n"));
}

#[test]
fn a_text_that_is_too_large_as_json_is_no_answer() {
    let root = Root::new().with("app.sh", "handler() { head -c \"$1\" /dev/zero | tr '\\0' x; }\n");
    for len in [limits::PAYLOAD_BYTES - 1, limits::PAYLOAD_BYTES, limits::PAYLOAD_BYTES + 1] {
        // It is put into quotes.
        let output = root.run(&["invoke", "app.handler", &(len - 2).to_string()]);
        if len > limits::PAYLOAD_BYTES {
            let said = text(&output.stdout);
            assert!(said.contains("answer of 6291557 bytes, limit is 6291556"), "{said:.200}");
            assert!(said.contains("Function.ResponseSizeTooLarge") && output.status.code() == Some(1), "{said}");
        } else {
            assert_eq!((output.status.code(), output.stdout.len() as u64), (Some(0), len + 1));
        }
    }
}

#[test]
fn a_failure_is_told_where_nothing_can_be_logged() {
    let root = Root::new().with("app.sh", "handler() { return 3; }\n");
    let mut command = root.command(&["invoke", "app.handler"]);
    let output = command.stderr(File::create("/dev/full").unwrap()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).contains("handler exited with status 3"));
}

#[test]
fn an_answer_that_nothing_takes_is_a_failure_that_says_so() {
    let root = Root::new().with("app.sh", "handler() { echo 1; }\n");
    let mut command = root.command(&["invoke", "app.handler"]);
    let output = command.stdout(File::create("/dev/full").unwrap()).output().unwrap();
    let said = "bootstrap: cannot write the answer to standard output: No space left on device (os error 28)\n";
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(1), said.to_owned()));
}

#[test]
fn who_has_closed_standard_output_hears_that_the_answer_is_lost() {
    let root = Root::new().with("app.sh", "handler() { echo 1; }\n");
    for (redirection, count) in [(">&-", 1), (">/dev/null", 0), ("", 0)] {
        let by_hand = root.command(&["invoke", "app.handler"]);
        let mut command = Command::new("sh");
        command
            .args(["-c", &format!("exec \"$@\" {redirection}"), "sh"])
            .arg(by_hand.get_program())
            .args(by_hand.get_args());
        command.envs(by_hand.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let output = command.output().unwrap();
        let said = text(&output.stderr);
        assert_eq!(
            said.matches("bootstrap: standard output is closed, or /dev/null: the answer is lost\n").count(),
            count,
            "{said}"
        );
    }
}

#[test]
fn a_handler_that_is_invoked_by_hand_has_a_name() {
    let root = Root::new().with("app.sh", "handler() { printf %s \"$2\"; }\n");
    let context = text(&root.run(&["invoke", "app.handler"]).stdout);
    for part in [
        r#""function_name":"function","function_version":"$LATEST""#,
        r#""invoked_function_arn":"arn:aws:lambda:us-east-1:012345678912:function:function","memory_limit_in_mb":"128""#,
        r#""log_group_name":"/aws/lambda/function""#,
    ] {
        assert!(context.contains(part), "{part} is not in {context}");
    }
    for (region, default_region, expected) in [("a", "b", "a"), ("", "b", "b"), ("", "", "us-east-1")] {
        let mut command = root.command(&["invoke", "app.handler"]);
        let output = command.env("AWS_REGION", region).env("AWS_DEFAULT_REGION", default_region).output().unwrap();
        let context = text(&output.stdout);
        assert!(context.contains(&format!("\"arn:aws:lambda:{expected}:012345678912:")), "{context}");
    }
}

#[test]
fn own_lines_are_json_where_lambda_asks_for_it() {
    let root = Root::new().with("app.sh", "handler() { return 3; }\n");
    let run = |level: &str| {
        let mut command = root.command(&["invoke", "app.handler"]);
        command.env("AWS_LAMBDA_LOG_FORMAT", "JSON").env("AWS_LAMBDA_LOG_LEVEL", level);
        text(&command.output().unwrap().stderr)
    };
    let said = run("ERROR");
    let expected = r#""level":"ERROR","message":"handler exited with status 3","errorType":"Function.ExitStatus","#;
    assert!(said.starts_with(r#"{"timestamp":"20"#) && said.contains(expected), "{said}");
    assert!(said.ends_with("\"requestId\":\"invoke\"}\n"), "{said}");
    assert_eq!(run("FATAL"), "");
}

#[test]
fn log_lines_are_frames_where_lambda_takes_those() {
    let root = Root::new().with("app.sh", "handler() { echo one >&2; printf two >&2; return 3; }\n");
    let mut shell = Command::new("sh");
    shell.args(["-c", "exec \"$0\" invoke app.handler 7>frames"]).arg(root.bootstrap_alone());
    shell
        .current_dir(&root)
        .env("LAMBDA_TASK_ROOT", root.path(""))
        .env("_LAMBDA_TELEMETRY_LOG_FD", "7")
        .output()
        .unwrap();
    let frames = fs::read(root.path("frames")).unwrap();
    let mut rest = frames.as_slice();
    let mut lines = Vec::new();
    while let Some((head, body)) = rest.split_at_checked(16) {
        let len = u32::from_be_bytes(head[4..8].try_into().unwrap()) as usize;
        lines.push((head[..4].to_vec(), text(&body[..len])));
        rest = &body[len..];
    }
    let texts: Vec<&str> = lines.iter().map(|(_, line)| line.as_str()).collect();
    assert_eq!(texts[..2], ["one", "two"], "{texts:?}");
    assert!(texts[2].starts_with("bootstrap: RequestId: invoke Function.ExitStatus"), "{texts:?}");
    assert_eq!((lines[0].0.as_slice(), lines[2].0.as_slice()), (&b"\xa5\x5a\0\x03"[..], &b"\xa5\x5a\0\x17"[..]));
}

#[test]
fn an_event_at_the_limit_is_taken_and_one_byte_more_is_not() {
    let limit = usize::try_from(limits::PAYLOAD_BYTES).unwrap();
    let root = Root::new().with_program("count", "#!/bin/sh\nexec wc -c\n");
    for len in [limit - 1, limit, limit + 1] {
        fs::write(root.path("event"), vec![b'1'; len]).unwrap();
        let mut command = root.command(&["invoke", "--exec", "count", "-"]);
        let output = command.stdin(File::open(root.path("event")).unwrap()).output().unwrap();
        if len <= limit {
            assert_eq!(text(&output.stdout).trim(), len.to_string());
        } else {
            let said = "bootstrap: event is larger than 6291556 bytes, the most that Lambda takes\n";
            assert_eq!((output.status.code(), text(&output.stderr)), (Some(2), said.to_owned()));
        }
    }
}

#[test]
fn what_never_comes_to_be_loaded_is_given_up() {
    let root = Root::new().with("app.sh", "echo loading >&2\nsleep 300\nhandler() { :; }\n");
    let root = root.with_program("worker", "#!/bin/sh\nsleep 300\n");
    for (handler, what) in [("app.handler", "and is still loading /"), ("worker", "and has not said 'ready'")] {
        let output = root.run(&["invoke", "--deadline-margin=899000", handler]);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("Function.TimedOut: ") && said.contains(&format!(" s ago {what}")), "{said}");
    }
}

const NO_HANDLER: &str = "no handler: name one as an argument or in _HANDLER, such as app.handler";

#[test]
fn what_is_no_event_or_no_handler_is_wrong_usage() {
    let root = Root::new().with("app.sh", "handler() { :; }\n").with("event", "{'a':1}");
    let check = |arguments: &[&str], said: &str| {
        let mut command = root.command(&[&["invoke"], arguments].concat());
        let output = command.stdin(File::open(root.path("event")).unwrap()).output().unwrap();
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(2), format!("bootstrap: {said}\n")));
    };
    check(&[], NO_HANDLER);
    check(&[r#"{"a.b":1}"#], r#"'{"a.b":1}' is an event where a handler goes: invoke HANDLER [EVENT]"#);
    let no_json = "the event is no JSON: key must be a string at line 1 column 2";
    check(&["app.handler", "{'a':1}"], &format!("{no_json}; that of a file goes in by - <event.json"));
    check(&["app.handler", "-"], no_json);
    let no_value = "the event is no JSON: expected value at line 1 column 1; that of a file goes in by - <event.json";
    check(&["app.handler", "@event"], no_value);
}

#[test]
fn what_fails_amid_a_stream_is_on_a_line_of_its_own() {
    let worker = "#!/bin/sh\nexec 3<&$LAMBWIRE_EVENTS_FD 4>&$LAMBWIRE_ANSWERS_FD\nprintf 'ready - 0\\n' >&4\n\
                  read -r kind id rest <&3\nprintf 'chunk %s 3\\none' $id >&4\n\
                  printf 'error %s 39\\n{\"errorType\":\"T\",\"errorMessage\":\"late\"}' $id >&4\n";
    let root = Root::new().with_program("worker", worker);
    let output = root.run(&["invoke", "worker"]);
    let said = "one\n{\"errorMessage\":\"late\",\"errorType\":\"T\"}\n";
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(1), said.to_owned()));
}

#[test]
fn help_that_nobody_reads_is_a_failure() {
    let root = Root::new();
    let output = root.command(&["--help"]).stdout(File::create("/dev/full").unwrap()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).starts_with("bootstrap: cannot write: "));
}

#[test]
fn without_lambda_and_emulator_two_lines_say_what_to_do() {
    let output = Root::new().run(&["app.handler"]);
    let said = text(&output.stderr);
    assert_eq!((output.status.code(), said.lines().count()), (Some(2), 2), "{said}");
    assert!(said.contains("AWS_LAMBDA_RUNTIME_API is not set") && said.contains("lambwire-emulator"), "{said}");
    assert!(said.contains("bootstrap invoke app.handler '{}'"), "{said}");
}

#[test]
fn an_emulator_in_the_path_gets_this_program() {
    let root = Root::new().with_program("lambwire-emulator", "#!/bin/sh\necho \"$@\"\n");
    let mut command = Command::new(root.bootstrap_alone());
    command.args(["--listen", "127.0.0.1:0", "app.handler"]).env("PATH", root.path(""));
    let output = command.env_remove("AWS_LAMBDA_RUNTIME_API").output().unwrap();
    let said = text(&output.stdout);
    assert!(said.starts_with("--listen 127.0.0.1:0 -- /"), "{said}");
    assert!(said.ends_with("/bootstrap --listen 127.0.0.1:0 app.handler\n"), "{said}");
}

#[test]
fn an_emulator_without_a_handler_is_not_started() {
    let root = Root::new().with_program("lambwire-emulator", "#!/bin/sh\necho started\n");
    let event = "'{}' is an event where a handler goes: invoke HANDLER [EVENT]";
    for (arguments, said) in [(&["--workers", "2"][..], NO_HANDLER), (&["{}"], event)] {
        let output = root.command(arguments).env("PATH", root.path("")).output().unwrap();
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(2), format!("bootstrap: {said}\n")));
        assert_eq!(text(&output.stdout), "");
    }
}

#[test]
fn help_and_wrong_usage_are_told_apart() {
    let root = Root::new();
    let output = root.run(&["--help"]);
    assert!(output.status.success() && text(&output.stdout).contains("Usage:"));
    assert_eq!(text(&root.run(&["--version"]).stdout), concat!("bootstrap ", env!("CARGO_PKG_VERSION"), "\n"));
    let output = root.run(&["--fast"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(text(&output.stderr), "bootstrap: invalid option '--fast'; --help tells what there is\n");
}
