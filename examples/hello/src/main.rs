//! Greets whoever an event names, and says so when it cannot read the event.
//!
//! Takes `{"name":"Ada"}`, or an API Gateway event whose query has `name=Ada`.

use std::borrow::Cow;
use std::fmt::Arguments;
use std::process::ExitCode;

use lambwire_mio::lambwire::{Context, ErrorReport};
use lambwire_mio::{Error, Runtime};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow)]
    name: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "queryStringParameters")]
    query: Option<Query<'a>>,
}

#[derive(Deserialize)]
struct Query<'a> {
    #[serde(borrow)]
    name: Option<Cow<'a, str>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Greeting<'a> {
    greeting: Arguments<'a>,
    request_id: &'a str,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("hello: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Error> {
    let mut runtime = Runtime::from_env()?;
    let mut buf = Vec::new();
    loop {
        let invocation = runtime.next(&mut buf)?;
        let answered = match greet(invocation.payload, &invocation.context) {
            Ok(answer) => invocation.respond(answer),
            Err(error) => invocation.fail(&ErrorReport::new("Function.BadEvent", &error.to_string())),
        };
        match answered {
            Err(error) if error.is_fatal() => return Err(error),
            Err(error) => eprintln!("hello: {error:#}"),
            Ok(()) => {}
        }
    }
}

fn greet(event: &[u8], context: &Context<'_>) -> serde_json::Result<Vec<u8>> {
    let event: Event<'_> = serde_json::from_slice(event)?;
    let name = event.query.and_then(|query| query.name).or(event.name);
    let name = name.as_deref().unwrap_or("world");
    let greeting = format_args!("Hello, {name}!");
    serde_json::to_vec(&Greeting { greeting, request_id: context.request_id.as_str() })
}
