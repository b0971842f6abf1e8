//! What the crate does as a whole: real exchanges, both ends back to back, and what no end may take.

#![cfg(test)]

mod attack_cases;
mod attacks;
mod captures;
mod collecting;
mod cuts;
mod examples;
mod fates;
mod floors;
mod limits;
mod messages;
mod mutations;
mod oracle;
mod pair;
mod pipelining;
mod reader;
mod retries;
mod semantics;
mod send_errors;
mod server;
mod session;
mod strategies;
mod streams;
mod strict;
mod tables;
