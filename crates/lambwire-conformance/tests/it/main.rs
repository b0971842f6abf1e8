//! The requirements are well-formed, and the program tells right from wrong.

#![expect(clippy::unwrap_used, reason = "helpers of tests are no tests to clippy")]

mod program;
mod requirements;
