//! What goes wrong, by name.

use lambwire::ApiError;

/// What becomes of one reply of the [`Api`](crate::Api). An event that was not handed out whole is handed out again.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The connection is closed in place of it.
    Close,
    /// The connection is reset in place of it.
    Reset,
    /// The connection is closed behind so many of its bytes.
    CloseAfter(usize),
    /// It comes in writes of so many bytes.
    Segments(usize),
    /// It comes behind an interim reply, `100 Continue`.
    Interim,
    /// There is no invocation as yet: 204, as some emulators say. Only to `next`.
    NothingYet,
    /// It is refused, as AWS does.
    Reject(ApiError<'static>),
    /// These bytes come in its place.
    Raw(Vec<u8>),
}
