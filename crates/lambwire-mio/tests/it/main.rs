//! The loop against a Runtime API on the other end of a socket, which does what a test tells it.

mod answers;
mod broken;
mod lifecycle;
mod peer;
mod serve;
