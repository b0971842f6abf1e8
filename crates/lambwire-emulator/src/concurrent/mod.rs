//! Several invocations at a time to one process, as AWS's managed instances have it.

mod driver;
mod environment;

pub(crate) use driver::Driver;
pub(crate) use environment::Environment;
