//! An extension on AWS's `lambda-extension`, with processors of logs and telemetry where `PROCESSORS` names them: what it
//! hears is appended to the file `HEARD`, a line each.

use std::fs::OpenOptions;
use std::io::Write;

use lambda_extension::{
    Error, Extension, LambdaEvent, LambdaLog, LambdaLogRecord, LambdaTelemetry, LambdaTelemetryRecord, LogBuffering,
    NextEvent, SharedService, service_fn,
};

/// As short as they may be, so that little waits to be delivered.
const BUFFERING: LogBuffering = LogBuffering { timeout_ms: 25, max_bytes: 262_144, max_items: 1000 };

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let extension = Extension::new().with_events_processor(service_fn(event));
    match std::env::var("PROCESSORS")?.as_str() {
        "none" => extension.run().await,
        "telemetry" => {
            let telemetry = SharedService::new(service_fn(telemetry));
            extension.with_telemetry_processor(telemetry).with_telemetry_buffering(BUFFERING).run().await
        }
        "logs" => {
            let logs = SharedService::new(service_fn(logs));
            extension.with_logs_processor(logs).with_log_buffering(BUFFERING).run().await
        }
        other => Err(format!("no processor: {other}").into()),
    }
}

fn hear(line: &str) -> Result<(), Error> {
    let mut file = OpenOptions::new().append(true).create(true).open(std::env::var("HEARD")?)?;
    file.write_all(format!("{line}\n").as_bytes())?;
    Ok(())
}

async fn event(event: LambdaEvent) -> Result<(), Error> {
    match event.next {
        NextEvent::Invoke(invoke) => hear(&format!("INVOKE {}", invoke.request_id)),
        NextEvent::Shutdown(shutdown) => {
            hear(&format!("SHUTDOWN {}", shutdown.shutdown_reason))?;
            // The crate goes on to ask for the next event, which never comes.
            std::process::exit(0)
        }
    }
}

async fn telemetry(records: Vec<LambdaTelemetry>) -> Result<(), Error> {
    for record in records {
        hear(&match record.record {
            LambdaTelemetryRecord::Function(line) => format!("function {}", line.trim_end()),
            LambdaTelemetryRecord::PlatformInitReport { .. } => "initReport".to_owned(),
            LambdaTelemetryRecord::PlatformInitRuntimeDone { status, .. } => format!("initRuntimeDone {status:?}"),
            LambdaTelemetryRecord::PlatformStart { request_id, .. } => format!("start {request_id}"),
            LambdaTelemetryRecord::PlatformRuntimeDone { request_id, status, .. } => {
                format!("runtimeDone {request_id} {status:?}")
            }
            LambdaTelemetryRecord::PlatformReport { request_id, status, .. } => {
                format!("report {request_id} {status:?}")
            }
            LambdaTelemetryRecord::PlatformLogsDropped { dropped_records, .. } => format!("dropped {dropped_records}"),
            _ => continue,
        })?;
    }
    Ok(())
}

async fn logs(records: Vec<LambdaLog>) -> Result<(), Error> {
    for record in records {
        hear(&match record.record {
            LambdaLogRecord::Function(line) => format!("function {}", line.trim_end()),
            LambdaLogRecord::PlatformStart { request_id } => format!("start {request_id}"),
            LambdaLogRecord::PlatformRuntimeDone { request_id, status } => format!("runtimeDone {request_id} {status}"),
            LambdaLogRecord::PlatformEnd { request_id } => format!("end {request_id}"),
            LambdaLogRecord::PlatformReport { request_id, .. } => format!("report {request_id}"),
            LambdaLogRecord::PlatformLogsDropped { dropped_records, .. } => format!("dropped {dropped_records}"),
            _ => continue,
        })?;
    }
    Ok(())
}
