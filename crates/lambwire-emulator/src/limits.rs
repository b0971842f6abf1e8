//! Every bound that the emulator keeps, with its unit and where the number comes from. Bounds on messages are those of
//! [`lambwire::limits`].

use std::time::Duration;

/// Most invocations that are waiting or under way; one more is throttled. AWS's default for an account and region.
pub const CALLERS: usize = 1000;

/// Most connections from callers at a time; more wait to be accepted. Twice [`CALLERS`], so that throttled callers can
/// be told.
pub const CALLER_CONNECTIONS: usize = 2 * CALLERS;

/// Most connections from the runtime at a time; more are closed at once. AWS's clients hold one or two.
pub const RUNTIME_CONNECTIONS: usize = 256;

/// Most invocations at a time in one process. Half of [`RUNTIME_CONNECTIONS`], so that each connection may be made anew
/// while the one before lingers.
pub const CONCURRENCY: usize = RUNTIME_CONNECTIONS / 2;

/// How many invocations that have timed out are remembered, for their late answers to be told so: as many as with AWS's
/// emulator.
pub const TIMED_OUT: usize = 1000;

/// Longest client context, in bytes of base64 (AWS, Invoke).
pub const CLIENT_CONTEXT_BYTES: usize = 3583;

/// Most bytes of an oversize body that are read and thrown away, so that its sender can be told in order. Behind that
/// the connection is closed. Ours: several times what any function would send by mistake.
pub const DISCARDED_BYTES: u64 = 64 * 1024 * 1024;

/// Longest registration of an extension, in bytes: as with AWS's emulator in its mode for several invocations at a time.
pub const REGISTRATION_BYTES: u64 = 1024 * 1024;

/// How long an invocation may take if nothing else is said: AWS's default.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(3);

/// How long an invocation may be allowed to take: AWS's largest setting.
pub const MAX_TIMEOUT: Duration = Duration::from_secs(900);

/// How long a program may take to ask for its first invocation: AWS's limit for on-demand functions.
pub const DEFAULT_INIT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the program has to end by itself after SIGTERM, if nothing else is said. AWS gives as much where there is an
/// internal extension.
pub const END_GRACE: Duration = Duration::from_millis(500);

/// How long what a dead program has sent is still read. Its connections end with it, unless another process that it
/// has started holds them.
pub const SETTLE_GRACE: Duration = Duration::from_millis(500);

/// How long the last reply on a connection has to reach a peer that is busy otherwise.
pub const LINGER: Duration = Duration::from_millis(500);

/// How long no connection is accepted after one could not be: files may be short for a while.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
