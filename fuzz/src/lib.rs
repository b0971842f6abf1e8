//! The bodies of the fuzz targets: plain functions, which a test runs over all seeds. The first line of each says what
//! must hold.

#![forbid(unsafe_code)]

pub mod chunked;
pub mod client;
pub mod headers;
pub mod pair;
pub mod prelude;
pub mod reader;
pub mod roundtrip;
pub mod server;
pub mod session;
pub mod trailers;

mod oracle;
mod scatter;

#[allow(dead_code, reason = "the tests of the crate use more of it")]
#[path = "../../crates/lambwire/tests/it/collecting.rs"]
mod collecting;
#[allow(dead_code, reason = "the tests of the crate use more of it")]
#[path = "../../crates/lambwire/tests/it/cuts.rs"]
mod cuts;

/// The body of a target.
pub type Run = fn(&[u8]);

/// Every target, by the name of its program and of the folder with its seeds.
pub const TARGETS: [(&str, Run); 10] = [
    ("chunked", chunked::run),
    ("client", client::run),
    ("headers", headers::run),
    ("pair", pair::run),
    ("prelude", prelude::run),
    ("reader", reader::run),
    ("roundtrip", roundtrip::run),
    ("server", server::run),
    ("session", session::run),
    ("trailers", trailers::run),
];
