//! What subscribers have of the function's lines, by the Logs API and by the one that came after it.

use std::fs;

use lambwire_emulator::{Console, Emulator, Event};
use serde_json::{Value, json};

use crate::child;
use crate::library::quiet;
use crate::patience::AMPLE;
use crate::telemetry::{ask_for_event, records_of, register, subscribe_to, waiting, wish};

const TELEMETRY: &str = "/2022-07-01/telemetry";
const LOGS: &str = "/2020-08-15/logs";

/// What a subscriber to each of these, with its schema, hears of a function that prints this, up to the report.
fn heard<const N: usize>(variables: &[(&str, &str)], line: &str, apis: [(&str, &str); N]) -> [Vec<Value>; N] {
    let name = format!("lambwire-logs-{}-{line:.3}-{}", variables.len(), std::process::id());
    let go = std::env::temp_dir().join(name.replace(['{', '"'], "o"));
    let mut command = waiting(&go);
    command.env_remove("AWS_LAMBDA_LOG_FORMAT").envs(variables.iter().copied());
    let emulator = Emulator::new(command).console(Console::Silent).timeout(AMPLE).init_timeout(AMPLE).start().unwrap();
    let (mut wire, id) = register(&emulator);
    let records = apis.map(|(path, schema)| records_of(path, &mut wire, &id, schema));
    fs::write(&go, "").unwrap();
    wire.write(ask_for_event(&id));
    emulator.invoke_blocking(Event::new(child::event(&format!("print {line}")))).unwrap();
    fs::remove_file(&go).unwrap();
    records.map(|records| {
        let mut all = Vec::new();
        for record in records {
            let is_last = record["type"] == "platform.report";
            all.push(record);
            if is_last {
                break;
            }
        }
        all
    })
}

fn record_of_function(records: &[Value], line: &str) -> Value {
    let mut lines = records.iter().filter(|record| record["type"] == "function").map(|record| record["record"].clone());
    // The runtime of the tests says more.
    lines.find(|record| record.is_object() || record == line).unwrap()
}

#[test]
fn a_line_of_json_is_an_object_where_aws_has_it_so() {
    let (line, object) = (r#"{"level":"INFO"}"#, json!({ "level": "INFO" }));
    for (variables, objects) in
        [(&[("AWS_LAMBDA_LOG_FORMAT", "JSON")][..], true), (&[("AWS_LAMBDA_LOG_FORMAT", "Text"), ("A", "")], false)]
    {
        let heard = heard(variables, line, [(TELEMETRY, "2022-12-13"), (LOGS, "2021-03-18")]);
        assert_eq!(record_of_function(&heard[0], line), if objects { object.clone() } else { line.into() });
        assert_eq!(record_of_function(&heard[1], line), line);
    }
    let [heard] = heard(&[("AWS_LAMBDA_LOG_FORMAT", "JSON")], line, [(TELEMETRY, "2022-07-01")]);
    assert_eq!(record_of_function(&heard, line), line);
}

#[test]
fn the_logs_api_tells_what_it_knows_beside_the_other() {
    let [logs, telemetry] = heard(&[], "hello", [(LOGS, "2021-03-18"), (TELEMETRY, "2022-12-13")]);
    let types = |records: &[Value]| -> Vec<String> {
        let platform = records.iter().map(|record| record["type"].as_str().unwrap());
        platform.filter(|name| name.starts_with("platform.")).map(str::to_owned).collect()
    };
    assert_eq!(
        types(&logs),
        [
            "platform.logsSubscription",
            "platform.extension",
            "platform.start",
            "platform.runtimeDone",
            "platform.end",
            "platform.report"
        ]
    );
    assert_eq!(logs[0]["record"]["state"], "Subscribed");
    assert_eq!(record_of_function(&logs, "hello"), "hello");
    let telemetry = types(&telemetry);
    assert!(telemetry.contains(&"platform.telemetrySubscription".to_owned()), "{telemetry:?}");
    assert!(!telemetry.iter().any(|name| name == "platform.logsSubscription"), "{telemetry:?}");
}

#[test]
fn the_logs_api_is_refused_where_it_is_not() {
    let somewhere = json!({ "protocol": "HTTP", "URI": "http://sandbox.localdomain:1" });
    for emulator in [quiet().concurrency(2), quiet().as_rie()] {
        let emulator = emulator.start().unwrap();
        let (mut wire, id) = register(&emulator);
        let refused = subscribe_to(LOGS, &mut wire, &id, &wish("2021-03-18", &somewhere));
        assert!(refused.status == 202 && refused.text().contains("Logs.NotSupported"), "{}", refused.text());
    }
    let emulator = quiet().start().unwrap();
    let (mut wire, id) = register(&emulator);
    assert_eq!(subscribe_to(LOGS, &mut wire, "nobody", "{}").status, 403);
    let refused = subscribe_to(LOGS, &mut wire, &id, &wish("2022-12-13", &somewhere));
    assert!(refused.status == 400 && refused.text().contains("2020-08-15, 2021-03-18"), "{}", refused.text());
}
