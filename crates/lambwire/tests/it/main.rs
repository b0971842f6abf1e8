//! What the crate does as a whole: real exchanges, both ends back to back, and what no end may take.

#![cfg(test)]

mod attacks;
mod attempts;
mod captures;
mod collecting;
mod cuts;
mod inbox;
mod limits;
mod meaning;
mod oracle;
mod pair;
mod scramble;
mod serving;
mod session;
mod speech;
mod strict;
mod telling;
mod turns;
mod unsent;
