//! An echo on `lambwire-smol`, for as many invocations at a time as `AWS_LAMBDA_MAX_CONCURRENCY` says.

use lambwire_smol::lambwire::{Context, ENV_RUNTIME_API};
use lambwire_smol::{Error, max_concurrency, serve_concurrent};

fn main() {
    let api = std::env::var(ENV_RUNTIME_API).unwrap_or_default();
    let observe = |_: &Context<'_>, error: &Error| eprintln!("smol-many: {error:#}");
    let error = smol::block_on(serve_concurrent(&api, max_concurrency(), async |event, _| Ok(event.into()), observe));
    eprintln!("smol-many: {error:#}");
}
