//! AWS's SDK for Rust against the emulator at `ENDPOINT`: all types, the log, a stream, errors by their classes.

use aws_sdk_lambda::config::{BehaviorVersion, Credentials, Region, retry::RetryConfig};
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{InvocationType, InvokeWithResponseStreamResponseEvent as Event, LogType};
use aws_sdk_lambda::{Client, Config};

type Anything = Box<dyn std::error::Error>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Anything> {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(std::env::var("ENDPOINT")?)
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("x", "x", None, None, "here"))
        .retry_config(RetryConfig::disabled())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    let client = Client::from_conf(config);
    let invoke = |event: &str| client.invoke().function_name("function").payload(Blob::new(event));

    let reply = invoke(r#"{"a":"ü"}"#).log_type(LogType::Tail).send().await?;
    assert_eq!(text(reply.payload.as_ref()), r#"{"a":"ü"}"#);
    assert_eq!(reply.executed_version(), Some("$LATEST"));
    assert!(reply.function_error.is_none() && reply.log_result.is_some());
    let reply = invoke(r#"{"fail":"boom"}"#).send().await?;
    assert_eq!(reply.function_error(), Some("Unhandled"));
    assert!(text(reply.payload.as_ref()).contains("boom"));
    for (invocation_type, status) in [(InvocationType::Event, 202), (InvocationType::DryRun, 204)] {
        let reply = invoke("{}").invocation_type(invocation_type).send().await?;
        assert_eq!(reply.status_code(), status);
    }
    let refused = invoke("{").send().await.unwrap_err().into_service_error();
    assert!(refused.is_invalid_request_content_exception(), "{refused:?}");
    let refused = client.invoke().function_name("no name").send().await.unwrap_err().into_service_error();
    assert!(refused.is_invalid_parameter_value_exception(), "{refused:?}");

    for (event, expected, is_error) in [(r#"{"a":1}"#, r#"{"a":1}"#, false), (r#"{"fail":"boom"}"#, "", true)] {
        let stream = client.invoke_with_response_stream().function_name("function").payload(Blob::new(event));
        let mut stream = stream.send().await?.event_stream;
        let (mut got, mut complete) = (Vec::new(), None);
        while let Some(event) = stream.recv().await? {
            match event {
                Event::PayloadChunk(chunk) => got.extend(chunk.payload.unwrap_or(Blob::new("")).into_inner()),
                Event::InvokeComplete(end) => complete = Some(end),
                other => panic!("{other:?}"),
            }
        }
        let complete = complete.expect("the end of the stream says that it is");
        assert_eq!((String::from_utf8(got)?.as_str(), complete.error_code.is_some()), (expected, is_error));
    }
    Ok(())
}

fn text(payload: Option<&Blob>) -> String {
    String::from_utf8_lossy(payload.map(Blob::as_ref).unwrap_or_default()).into_owned()
}
