//! Every bound that the emulator keeps, with its unit and where the number comes from. Bounds on messages are those of
//! [`lambwire::limits`].

use std::time::Duration;

/// Most invocations that are waiting or under way; one more is throttled. Ours: each takes its event and some hundred
/// bytes, and AWS's default of 1,000 for an account is of those that run, not of those that wait.
pub const CALLERS: usize = 10_000;

/// Most bytes of events that are waiting or under way; one more event is throttled. Ours: some 170 of the largest.
pub const CALLERS_BYTES: usize = 1024 * 1024 * 1024;

/// Most connections from callers at a time; more wait to be accepted. Twice [`CALLERS`], so that throttled callers can be
/// answered.
pub const CALLER_CONNECTIONS: usize = 2 * CALLERS;

/// Most connections from the runtime at a time; more are closed at once. AWS's clients hold one or two.
pub const RUNTIME_CONNECTIONS: usize = 256;

/// Most invocations at a time in one process. Half of [`RUNTIME_CONNECTIONS`], so that each connection may be replaced
/// while the one before lingers.
pub const CONCURRENCY: usize = RUNTIME_CONNECTIONS / 2;

/// How many invocations that have timed out are remembered, for their late answers to be refused so: as many as with AWS's
/// emulator.
pub const TIMED_OUT: usize = 1000;

/// Largest streamed response, in bytes: 200 MiB (AWS, "Response streaming", says 200 MB).
pub const STREAM_BYTES: u64 = 200 * 1024 * 1024;

/// Largest event whose answer nobody waits for, in bytes: 1 MiB (AWS, "Lambda quotas", says 1 MB).
pub const ASYNCHRONOUS_BYTES: u64 = 1024 * 1024;

/// How long an event that has failed waits for its second and its third try: a sixtieth of what it does on AWS (guide,
/// "Asynchronous invocation").
pub const RETRY_DELAYS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(2)];

/// Most bytes of events that have failed and wait to be written to a file or a pipe; one that would make them more is dropped.
/// Ours: some ten of the largest events.
pub const DEAD_LETTER_BACKLOG_BYTES: usize = 64 * 1024 * 1024;

/// Pieces of a streamed response between function and caller; the function waits while there are more.
pub(crate) const STREAM_PIECES: usize = 2;

/// Largest payload of one event of a response stream, in bytes. Ours: AWS's clients take up to 24 MiB.
pub(crate) const STREAM_EVENT_BYTES: usize = 256 * 1024;

/// Connections that the kernel keeps until they are accepted; more begin anew a second later.
pub(crate) const BACKLOG: i32 = 4096;

/// How much of the message of an error is shown to whoever runs the program, in characters. Ours: ten lines of a terminal.
pub const COMPLAINT_CHARS: usize = 800;

/// What of the log of an invocation its caller may have, in bytes from its end (AWS, Invoke).
pub const TAIL_BYTES: usize = 4096;

/// Longest name of a durable execution, in bytes (AWS, Invoke, `DurableExecutionName`).
pub const DURABLE_EXECUTION_NAME_BYTES: usize = 64;

/// Longest id of a tenant, in bytes (AWS, Invoke, `TenantId`).
pub const TENANT_ID_BYTES: usize = 256;

/// Longest line that a program writes, in bytes; it is cut in pieces of that. Ours: what AWS takes for one record.
pub const LOG_LINE_BYTES: usize = 256 * 1024;

/// What is read at a time of what a program writes, in bytes: a quarter of what a pipe holds.
pub(crate) const LOG_READ_BYTES: usize = 16 * 1024;

/// How often a program's output is read until others have their turn.
pub(crate) const LOG_READS: usize = 64;

/// How long lines for people are collected before they are written. Ours: nobody sees a twenty-fifth of a second, and of
/// those who call one after the other less than one in a hundred waits for the thread that writes.
pub(crate) const PRINT_DELAY: Duration = Duration::from_millis(40);

/// So many bytes of lines are written at once, in any case.
pub(crate) const PRINT_BYTES: usize = 64 * 1024;

/// Most bytes of lines that wait to be written; those that come while there are more are dropped. Ours: a second of what
/// 10,000 invocations print.
pub const PRINT_BACKLOG_BYTES: usize = 4 * 1024 * 1024;

/// Most orders to the thread that writes lines.
pub(crate) const PRINT_ORDERS: usize = 1024;

/// After how long a line of the emulator itself that comes again is written again. Ours: longer than the pause of most who
/// try again what was refused.
pub(crate) const REPEAT_PATIENCE: Duration = Duration::from_secs(3);

/// How long the last lines, and the last events that have failed, have to be read before the program ends.
pub const PRINT_PATIENCE: Duration = Duration::from_millis(500);

/// How often the memory of processes is looked at when invocations end, at most. Ours: of those who call one after the other less
/// than one in a hundred waits for a look.
pub(crate) const MEMORY_INTERVAL: Duration = Duration::from_millis(50);

/// An invocation that has taken so long has the memory looked at in any case. Ours: a look takes a hundredth of it.
pub(crate) const MEMORY_LONG: Duration = Duration::from_millis(10);

/// How often it is looked at while an invocation is under way: what the function starts may have ended when that does. Ours:
/// a look takes 26 system calls for a process of three threads.
pub(crate) const MEMORY_LOOK: Duration = Duration::from_millis(250);

/// Most environments of a function: AWS's default for the concurrency of an account.
pub const ENVIRONMENTS: usize = 1000;

/// Longest client context, in bytes of base64 (AWS, Invoke).
pub const CLIENT_CONTEXT_BYTES: usize = 3583;

/// Most bytes of an oversize body that are read and thrown away, so that its sender can be answered in order. Behind that
/// the connection is closed. Ours: several times what any function would send by mistake.
pub const DISCARDED_BYTES: u64 = 64 * 1024 * 1024;

/// Most extensions of an environment (AWS, "Lambda extensions").
pub const EXTENSIONS: usize = 10;

/// How long extensions have to end when their environment does, in all (AWS, "Extensions API").
pub const SHUTDOWN: Duration = Duration::from_secs(2);

/// Records that are kept for those who subscribe while their environment starts. Ours: ten extensions and a runtime write
/// some dozens.
pub(crate) const TELEMETRY_HISTORY: usize = 1000;

/// Batches that are kept for a subscriber which does not take them; what comes then is dropped, and it learns so.
pub(crate) const TELEMETRY_BATCHES: usize = 4;

/// How long a subscriber has to take a batch.
pub(crate) const DELIVERY: Duration = Duration::from_secs(2);

/// Longest reply of a subscriber to a batch, in bytes; behind that its connection is closed. Ours: only the status counts.
pub(crate) const TELEMETRY_REPLY_BYTES: usize = 64 * 1024;

/// How long a subscriber that refuses a connection is tried: AWS's crate listens anew for each.
pub(crate) const CONNECT_PATIENCE: Duration = Duration::from_millis(100);

/// Between two such tries.
pub(crate) const CONNECT_PAUSE: Duration = Duration::from_millis(5);

/// How long subscribers have for the last records before the environment ends.
pub(crate) const TELEMETRY_FLUSH: Duration = Duration::from_millis(500);

/// How long the head of a caller's request may take, so that silent connections shut nobody out; as with AWS's emulator
/// for several at a time.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(15);

/// How long a caller may pause within a body.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(15);

/// How much later than a deadline it has to be for the emulator to have stood still itself, as when it was stopped by a
/// signal. Ours: a machine that is busy is not as late.
pub const STANDSTILL: Duration = Duration::from_secs(1);

/// Longest body of what an extension asks, in bytes: as with AWS's emulator in its mode for several invocations at a time
/// (RIE, `rapi/server.go`).
pub const EXTENSION_BODY_BYTES: u64 = 1024 * 1024;

/// Longest trace header of a caller that is passed on, in bytes (AWS, `API_TraceHeader`).
pub const TRACE_HEADER_BYTES: usize = 8192;

/// How long an invocation may take if nothing else is said: AWS's default.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(3);

/// How long an invocation may be allowed to take: AWS's largest setting.
pub const MAX_TIMEOUT: Duration = Duration::from_secs(900);

/// How long an invocation may be allowed to take on managed instances, if nobody waits for its answer; otherwise
/// [`MAX_TIMEOUT`] (AWS, "Lambda quotas").
pub const MANAGED_TIMEOUT: Duration = Duration::from_secs(90 * 60);

/// How long a program may take to ask for its first invocation: AWS's limit for on-demand functions.
pub const DEFAULT_INIT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a program may take to start before its snapshot is taken: AWS's limit with SnapStart.
pub const SNAPSHOT_INIT_TIMEOUT: Duration = Duration::from_secs(130);

/// How long a program may take to go on after it was restored from a snapshot (AWS, "Runtime hooks").
pub const RESTORE: Duration = Duration::from_secs(10);

/// After how long it is said that a program has not asked for its first invocation.
pub(crate) const SLOW_START: Duration = Duration::from_secs(3);

/// After how long it is said that functions that are started again have callers yet to answer. Ours.
pub const SLOW_RESTART: Duration = Duration::from_secs(3);

/// After how long it is said that callers wait while every environment is busy with one invocation; after half of the
/// time-out, if that is sooner. Ours: a third of the usual time-out.
pub(crate) const LONG_WAIT: Duration = Duration::from_secs(1);

/// Largest record that a program writes in a frame, in bytes; a longer one is cut in pieces of that. Ours.
pub const FRAME_BYTES: usize = 1024 * 1024;

/// Invocations that the page shows of those that are over, and that may wait for one who looks. Ours.
pub const PAGE_INVOCATIONS: usize = 100;

/// What the page shows of an event or an answer, in bytes; the rest is cut. Ours.
pub const PAGE_PAYLOAD_BYTES: usize = 64 * 1024;

/// Messages between the feed and one who looks at the page.
pub(crate) const PAGE_MESSAGES: usize = 16;

/// How often files are looked at that are watched.
pub(crate) const WATCH_INTERVAL: Duration = Duration::from_millis(500);

/// Most files that are watched. Ours: to look at them costs some ten milliseconds.
pub const WATCHED_FILES: usize = 10_000;

/// Longest file of variables, in bytes. Ours: AWS takes 4 KB of variables, and comments may be more.
pub const VARIABLES_BYTES: u64 = 1024 * 1024;

/// Longest file that describes functions, in bytes. Ours.
pub const CONFIG_BYTES: u64 = 1024 * 1024;

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
