//! The files of requirements, as part of the program.

/// A file's name, and its text.
pub(crate) type File = (&'static str, &'static str);

/// What is required of runtimes.
pub(crate) const RUNTIME: &[File] = &[
    ("runtime-01-turns.toml", include_str!("../requirements/runtime-01-turns.toml")),
    ("runtime-02-context.toml", include_str!("../requirements/runtime-02-context.toml")),
    ("runtime-03-sizes.toml", include_str!("../requirements/runtime-03-sizes.toml")),
    ("runtime-04-errors.toml", include_str!("../requirements/runtime-04-errors.toml")),
    ("runtime-05-streaming.toml", include_str!("../requirements/runtime-05-streaming.toml")),
    ("runtime-06-init.toml", include_str!("../requirements/runtime-06-init.toml")),
    ("runtime-07-restore.toml", include_str!("../requirements/runtime-07-restore.toml")),
    ("runtime-08-concurrency.toml", include_str!("../requirements/runtime-08-concurrency.toml")),
    ("runtime-09-connections.toml", include_str!("../requirements/runtime-09-connections.toml")),
    ("runtime-10-refusals.toml", include_str!("../requirements/runtime-10-refusals.toml")),
    ("runtime-11-shutdown.toml", include_str!("../requirements/runtime-11-shutdown.toml")),
    ("runtime-12-connection-loss.toml", include_str!("../requirements/runtime-12-connection-loss.toml")),
    ("runtime-13-malformed.toml", include_str!("../requirements/runtime-13-malformed.toml")),
    ("runtime-14-odd-invocations.toml", include_str!("../requirements/runtime-14-odd-invocations.toml")),
    ("runtime-15-extensions.toml", include_str!("../requirements/runtime-15-extensions.toml")),
];

/// What is required of servers.
pub(crate) const SERVER: &[File] = &[
    ("server-21-turns.toml", include_str!("../requirements/server-21-turns.toml")),
    ("server-22-context.toml", include_str!("../requirements/server-22-context.toml")),
    ("server-23-sizes.toml", include_str!("../requirements/server-23-sizes.toml")),
    ("server-24-refusals.toml", include_str!("../requirements/server-24-refusals.toml")),
    ("server-25-streams.toml", include_str!("../requirements/server-25-streams.toml")),
    ("server-26-init.toml", include_str!("../requirements/server-26-init.toml")),
    ("server-27-restore.toml", include_str!("../requirements/server-27-restore.toml")),
    ("server-28-concurrency.toml", include_str!("../requirements/server-28-concurrency.toml")),
    ("server-29-connections.toml", include_str!("../requirements/server-29-connections.toml")),
    ("server-30-callers.toml", include_str!("../requirements/server-30-callers.toml")),
    ("server-31-extensions.toml", include_str!("../requirements/server-31-extensions.toml")),
    ("server-32-malformed.toml", include_str!("../requirements/server-32-malformed.toml")),
];
